package heal_test

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
)

// missFiles makes files in a directory while brick i is away.
func missFiles(t *testing.T, r *rig, i, n int) (dir fop.GFID) {
	t.Helper()
	dir = mkdir(t, r.client, fop.RootGFID, "d")
	r.without(i, func() {
		for k := range n {
			create(t, r.client, dir, fmt.Sprint("f", k), fmt.Sprintf("content of file %d", k))
		}
	})
	return dir
}

// Small files are made whole with their names: healing the directory is enough, opens no
// file and makes the sink durable once for all.
func TestNewcomers(t *testing.T) {
	for _, c := range []struct {
		name    string
		away    int
		arbiter bool
	}{{"data", 1, true}, {"arbiter", 2, true}, {"replica 3", 0, false}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 3, c.arbiter, nil)
			dir := missFiles(t, r, c.away, 40)
			var opens, syncs atomic.Int64
			for i, l := range r.hlinks {
				l.SetRule(func(op fop.Fop, q any) faults.Action {
					if _, ok := q.(*fop.OpenReq); ok {
						opens.Add(1)
					}
					if q, ok := q.(*fop.ReleaseReq); ok && q.Sync && i == c.away {
						syncs.Add(1)
					}
					return faults.Action{}
				})
			}
			o, err := r.healer.Inode(ctx, dir)
			if err != nil || o.Kind != heal.Healed || o.NamesMade != 40 {
				t.Fatalf("healing the directory: %+v, %v", o, err)
			}
			if gs := r.pending(); len(gs) > 0 {
				t.Errorf("still pending: %v", gs)
			}
			if opens.Load() > 0 || syncs.Load() > 4 {
				t.Errorf("%d files opened, %d syncs", opens.Load(), syncs.Load())
			}
			r.wantEqual()
		})
	}
}

// What could not be made durable stays marked.
func TestNewcomersNotDurable(t *testing.T) {
	r := newRig(t, 3, false, nil)
	dir := missFiles(t, r, 1, 5)
	before := len(r.pending())
	r.hlinks[1].SetRule(func(op fop.Fop, q any) faults.Action {
		if q, ok := q.(*fop.ReleaseReq); ok && q.Sync {
			return faults.Action{Err: syscall.EIO}
		}
		return faults.Action{}
	})
	if o, err := r.healer.Inode(ctx, dir); err != nil || o.Kind != heal.Failed {
		t.Errorf("healing onto a brick that cannot sync: %+v, %v", o, err)
	}
	if now := len(r.pending()); now < before {
		t.Errorf("%d were pending, now %d", before, now)
	}
	r.hlinks[1].SetRule(nil)
	r.healAll()
	r.wantEqual()
}

// A file that two directories lack is made once, whole, whoever comes first.
func TestNewcomerTwice(t *testing.T) {
	r := newRig(t, 3, false, nil)
	a, b := mkdir(t, r.client, fop.RootGFID, "a"), mkdir(t, r.client, fop.RootGFID, "b")
	r.without(2, func() {
		for k := range 20 {
			g := create(t, r.client, a, fmt.Sprint("f", k), "linked twice")
			for _, dir := range []fop.GFID{a, b} {
				if _, err := r.client.Link(ctx, &fop.LinkReq{Req: req(), GFID: g, Parent: dir, Name: fmt.Sprint("l", k)}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
	r.healAll()
	r.wantEqual()
}

// A client that writes to a file meanwhile is not in the way, nor is what it writes lost.
func TestNewcomerInUse(t *testing.T) {
	r := newRig(t, 3, false, nil)
	dir := mkdir(t, r.client, fop.RootGFID, "d")
	var g fop.GFID
	r.without(1, func() { g = create(t, r.client, dir, "f", "before") })
	lock := &fop.InodelkReq{Req: req(), GFID: g, Domain: "v-replicate-0", Owner: 99, Cmd: fop.LockTry, Type: fop.LkWrite}
	if _, err := r.links[0].Inodelk(ctx, lock); err != nil {
		t.Fatal(err)
	}
	if _, err := r.healer.Inode(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if gs := r.pending(); len(gs) == 0 {
		t.Error("a file was healed under somebody else's lock")
	}
	lock.Cmd = fop.LockUnlock
	if _, err := r.links[0].Inodelk(ctx, lock); err != nil {
		t.Fatal(err)
	}
	r.healAll()
	r.wantEqual()
}
