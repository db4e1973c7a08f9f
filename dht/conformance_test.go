package dht

import (
	"context"
	"fmt"
	"testing"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

var ctx = context.Background()

func req() fop.Req { return fop.Req{Caller: &fop.Caller{UID: 7, GID: 8, PID: 9}} }

func newSubs(t *testing.T, n int) []xlator.Xlator {
	var subs []xlator.Xlator
	for i := range n {
		m, err := mem.New(xlator.Env{Name: fmt.Sprint("mem", i)}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := locks.New(xlator.Env{}, nil, []xlator.Xlator{m})
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, l)
	}
	return subs
}

func newDHT(t *testing.T, subs []xlator.Xlator) *distribute {
	x, err := New(xlator.Env{Name: "v-dht"}, xlator.Options{}, subs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	if _, err := x.Lookup(ctx, &fop.LookupReq{Req: req(), GFID: fop.RootGFID}); err != nil {
		t.Fatal(err)
	}
	return x.(*distribute)
}

// without is what bricks in memory lack, and what several subvolumes cannot do as one.
var without = []xlatortest.Feature{xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL,
	xlatortest.InternalXattr, xlatortest.Exchange}

// TestConformance runs the suite over one, two and four bricks in memory.
func TestConformance(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := without
			if n > 1 { // one copy's attributes of a parent are not the directory's
				w = append(w, xlatortest.ParentIatts)
			}
			xlatortest.Run(t, func(t *testing.T) xlator.Xlator { return newDHT(t, newSubs(t, n)) }, w...)
		})
	}
}

func dirs(t *testing.T, x xlator.Xlator, parent fop.GFID, name string) fop.GFID {
	t.Helper()
	g := fop.NewGFID()
	if _, err := x.Mkdir(ctx, &fop.MkdirReq{Req: req(), Parent: parent, Name: name, GFID: g, Mode: 0o755}); err != nil {
		t.Fatalf("Mkdir(%s): %v", name, err)
	}
	return g
}

// TestLayoutsAreGlusterFSs checks the root's and a directory's ranges on three bricks
// against what GlusterFS 10.3 wrote.
func TestLayoutsAreGlusterFSs(t *testing.T) {
	subs := newSubs(t, 3)
	d := newDHT(t, subs)
	d1 := dirs(t, d, fop.RootGFID, "d1")
	for g, want := range map[fop.GFID][]string{
		fop.RootGFID: {"0000000100000000aaaaaaaaffffffff", "00000001000000000000000055555554", "000000010000000055555555aaaaaaa9"},
		d1:           {"000000000000000055555555aaaaaaa9", "0000000000000000aaaaaaaaffffffff", "00000000000000000000000055555554"},
	} {
		for i, s := range subs {
			r, err := s.Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: g, Name: layout.Xattr, Internal: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%x", r.Xattrs[0].Value); got != want[i] {
				t.Errorf("layout of %v on subvolume %d = %s, want %s", g, i, got, want[i])
			}
		}
	}
}

// TestRenameEverywhere renames files over each other in all combinations of hashed and
// cached subvolumes, and looks with a second client that knows nothing.
func TestRenameEverywhere(t *testing.T) {
	subs := newSubs(t, 3)
	d := newDHT(t, subs)
	dir := dirs(t, d, fop.RootGFID, "dir")
	content := map[string]fop.GFID{}
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	n := 0
	for round := range 400 {
		from, to := names[(round*7+round/8)%len(names)], names[(round*3+round/5)%len(names)]
		if _, ok := content[from]; !ok {
			g := fop.NewGFID()
			r, err := d.Create(ctx, &fop.CreateReq{Req: req(), Parent: dir, Name: from, GFID: g, Flags: 2})
			if err != nil {
				t.Fatalf("round %d: Create(%s): %v", round, from, err)
			}
			r.File.Close()
			content[from] = g
		}
		if from == to {
			continue
		}
		if _, err := d.Rename(ctx, &fop.RenameReq{Req: req(), OldParent: dir, OldName: from, NewParent: dir, NewName: to}); err != nil {
			t.Fatalf("round %d: Rename(%s, %s): %v", round, from, to, err)
		}
		n++
		content[to] = content[from]
		delete(content, from)
		fresh := newDHT(t, subs)
		for _, name := range names {
			r, err := fresh.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: dir, Name: name})
			g, there := content[name]
			switch {
			case there && (err != nil || r.Iatt.GFID != g):
				t.Fatalf("round %d, %s -> %s: Lookup(%s) = %v, %v, want %v", round, from, to, name, r, err, g)
			case !there && fop.Errno(err) != 2:
				t.Fatalf("round %d, %s -> %s: Lookup(%s) = %v, want ENOENT", round, from, to, name, err)
			}
		}
		o, err := fresh.Opendir(ctx, &fop.OpendirReq{Req: req(), GFID: dir})
		if err != nil {
			t.Fatal(err)
		}
		l, err := o.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: req(), Size: 1 << 20, Plus: true})
		if err != nil || len(l.Entries) != len(content) {
			t.Fatalf("round %d: listing has %d names (%v), want %d", round, len(l.Entries), err, len(content))
		}
	}
	if n < 100 {
		t.Fatalf("only %d renames", n)
	}
}
