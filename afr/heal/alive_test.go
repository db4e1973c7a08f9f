package heal_test

import (
	"sync"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
)

// A directory that a client renames while the healer asks whether its name is right is not taken
// for one that was removed: nothing below it goes.
func TestRenamedWhileLookedFor(t *testing.T) {
	r := newRig(t, 2, false, nil)
	a, b := mkdir(t, r.client, fop.RootGFID, "a"), mkdir(t, r.client, fop.RootGFID, "b")
	d := mkdir(t, r.client, fop.RootGFID, "d")
	create(t, r.client, d, "f", "content")
	r.remount()
	r.links[0].SetDown(true)
	rename(t, r.client, fop.RootGFID, "d", a, "d")

	var once sync.Once
	r.hlinks[1].SetRule(func(op fop.Fop, q any) faults.Action {
		if l, ok := q.(*fop.LookupReq); ok && l.Parent == a && l.Name == "d" {
			once.Do(func() { rename(t, r.client, a, "d", b, "d") })
		}
		return faults.Action{}
	})
	r.hlinks[0].SetRule(func(op fop.Fop, q any) faults.Action {
		if op == fop.OpRmdir {
			return faults.Action{Err: syscall.ENOSPC}
		}
		return faults.Action{}
	})
	if _, err := r.healer.Inode(ctx, fop.RootGFID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.bricks[0].Lookup(ctx, &fop.LookupReq{Req: req(), Parent: d, Name: "f"}); err != nil {
		t.Errorf("a name in the directory on the brick that missed the renames: %v", err)
	}
	for _, l := range r.hlinks {
		l.SetRule(nil)
	}
	r.healAll()
	r.wantEqual()
}
