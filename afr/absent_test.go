package afr

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
)

// asking counts the lookups that reach bricks.
func asking(c *client) *atomic.Int64 {
	n := &atomic.Int64{}
	for _, l := range c.links {
		l.SetRule(func(op fop.Fop, q any) faults.Action {
			if op == fop.OpLookup {
				n.Add(1)
			}
			return faults.Action{}
		})
	}
	return n
}

// knowing returns a client that knows the names of a new directory, a and b, and a count
// of the lookups that reach bricks.
func knowing(t *testing.T, bs bricks) (*client, fop.GFID, *atomic.Int64) {
	t.Helper()
	c := bs.client(t, 1, nil)
	c.Xlator.(*replicate).clean.until.Store(time.Now().Add(time.Hour).UnixNano()) // mem has no index to ask
	d := mkdir(t, c, "d")
	createIn(t, c, d, "a")
	createIn(t, c, d, "b")
	for i := range absentAfter {
		if found(t, c, d, fmt.Sprint(i)) {
			t.Fatal("a name is there")
		}
	}
	synctest.Wait()
	return c, d, asking(c)
}

func found(t *testing.T, c *client, dir fop.GFID, name string) bool {
	t.Helper()
	_, err := c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: dir, Name: name})
	if err != nil && err != syscall.ENOENT {
		t.Fatalf("lookup of %s: %v", name, err)
	}
	return err == nil
}

func TestAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d, asked := knowing(t, newBricks(t, 3))
		for i := range 10 {
			if found(t, c, d, fmt.Sprint("new", i)) {
				t.Error("a name is there")
			}
		}
		if asked.Load() != 0 {
			t.Errorf("%d lookups of names that are known not to exist", asked.Load())
		}
		if !found(t, c, d, "a") || !found(t, c, d, "b") {
			t.Error("a name is not there")
		}
		asked.Store(0)
		if _, err := c.Rename(ctx, &fop.RenameReq{Req: req(), OldParent: d, OldName: "a", NewParent: d, NewName: "c"}); err != nil {
			t.Fatal(err)
		}
		if asked.Load() != 0 {
			t.Errorf("%d lookups for a rename to a name that does not exist", asked.Load())
		}
		if !found(t, c, d, "c") || found(t, c, d, "a") {
			t.Error("the rename is not seen")
		}
		time.Sleep(3 * time.Second) // the lease goes
		asked.Store(0)
		if found(t, c, d, "new") || asked.Load() == 0 {
			t.Error("a name is known not to exist without a lease")
		}
		if _, err := c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: d, Name: string(make([]byte, 256))}); err == syscall.ENOENT {
			t.Error("a name that cannot be is just not there")
		}
	})
}

// TestAbsentOwn: names that this client makes are there, whichever way they are made.
func TestAbsentOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d, _ := knowing(t, newBricks(t, 3))
		g := createIn(t, c, d, "created")
		makes := map[string]error{}
		_, makes["dir"] = c.Mkdir(ctx, &fop.MkdirReq{Req: req(), Parent: d, Name: "dir", GFID: fop.NewGFID(), Mode: 0o755})
		_, makes["link"] = c.Link(ctx, &fop.LinkReq{Req: req(), GFID: g, Parent: d, Name: "link"})
		_, makes["symlink"] = c.Symlink(ctx, &fop.SymlinkReq{Req: req(), Parent: d, Name: "symlink", GFID: fop.NewGFID(), Target: "x"})
		_, makes["fifo"] = c.Mknod(ctx, &fop.MknodReq{Req: req(), Parent: d, Name: "fifo", GFID: fop.NewGFID(), Type: fop.TypeFifo, Mode: 0o644})
		makes["created"] = nil
		for name, err := range makes {
			if err != nil || !found(t, c, d, name) {
				t.Errorf("%s: %v, or not there", name, err)
			}
		}
	})
}

// TestAbsentWhileListing: a name that is made while the names are listed is there.
func TestAbsentWhileListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBricks(t, 3).client(t, 1, nil)
		c.Xlator.(*replicate).clean.until.Store(time.Now().Add(time.Hour).UnixNano())
		d := mkdir(t, c, "d")
		createIn(t, c, d, "a")
		gate := make(chan struct{})
		for _, l := range c.links {
			l.SetRule(func(op fop.Fop, q any) faults.Action {
				if op == fop.OpReaddirp {
					return faults.Action{Late: gate}
				}
				return faults.Action{}
			})
		}
		for i := range absentAfter {
			found(t, c, d, fmt.Sprint(i))
		}
		synctest.Wait()
		createIn(t, c, d, "late")
		close(gate)
		synctest.Wait()
		asked := asking(c)
		if !found(t, c, d, "late") {
			t.Error("a name made while listing is not there")
		}
		if asked.Store(0); found(t, c, d, "none") || asked.Load() != 0 {
			t.Error("the listing was in vain")
		}
	})
}

// TestAbsentOthers: another client's names are seen, since it has to take the lease; and
// without all bricks nothing is known.
func TestAbsentOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c, d, asked := knowing(t, bs)
		other := bs.client(t, 2, nil)
		createIn(t, other, d, "other")
		if !found(t, c, d, "other") {
			t.Error("another client's name is not there")
		}
		c, d, asked = knowing(t, newBricks(t, 3))
		c.links[1].SetDown(true)
		if found(t, c, d, "new") || asked.Load() == 0 {
			t.Error("a name is known not to exist though a brick is gone")
		}
	})
}
