package afr

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
)

// What tests/sim found, made small.

func mkdir(t *testing.T, c *client, name string) fop.GFID {
	t.Helper()
	g := fop.NewGFID()
	if _, err := c.Mkdir(ctx, &fop.MkdirReq{Req: req(), Parent: fop.RootGFID, Name: name, GFID: g, Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	return g
}

func createIn(t *testing.T, c *client, dir fop.GFID, name string) fop.GFID {
	t.Helper()
	g := fop.NewGFID()
	r, err := c.Create(ctx, &fop.CreateReq{Req: req(), Parent: dir, Name: name, GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	r.File.Close()
	return g
}

// refuse lets op fail on a link with e; after: once it happened.
func refuse(op fop.Fop, e syscall.Errno, after bool) faults.Rule {
	return func(o fop.Fop, q any) faults.Action {
		if o == op {
			return faults.Action{Err: e, After: after}
		}
		return faults.Action{}
	}
}

// TestUnlinkSparesOtherInodes: brick 1 missed a rename, so that another file is under
// the name there, of which it may have the only good copy.
func TestUnlinkSparesOtherInodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		d, e := mkdir(t, c, "d"), mkdir(t, c, "e")
		x, y := createIn(t, c, d, "x"), createIn(t, c, d, "y")
		c.links[1].SetDown(true)
		for _, q := range []fop.RenameReq{{OldParent: d, OldName: "x", NewParent: e, NewName: "x"}, {OldParent: d, OldName: "y", NewParent: d, NewName: "x"}} {
			q.Req = req()
			if _, err := c.Rename(ctx, &q); err != nil {
				t.Fatal(err)
			}
		}
		c.links[1].SetDown(false)
		if _, err := c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: d, Name: "x"}); err != nil {
			t.Fatal(err)
		}
		for i := range bs {
			if _, err := bs[i].Stat(ctx, &fop.StatReq{Req: req(), GFID: x}); err != nil {
				t.Errorf("brick %d has lost x, when y was unlinked: %v", i, err)
			}
		}
		if _, err := c.Stat(ctx, &fop.StatReq{Req: req(), GFID: y}); fop.Errno(err) != syscall.ESTALE {
			t.Errorf("Stat of what was unlinked: %v, want ESTALE", err)
		}
		c.Close()
	})
}

// TestRmdirAsksAGoodCopy: to brick 1, which missed its name, the directory is empty.
func TestRmdirAsksAGoodCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		d := mkdir(t, c, "d")
		c.links[1].SetDown(true)
		createIn(t, c, d, "f")
		c.links[1].SetDown(false)
		if _, err := c.Rmdir(ctx, &fop.RmdirReq{Req: req(), Parent: fop.RootGFID, Name: "d"}); fop.Errno(err) != syscall.ENOTEMPTY {
			t.Errorf("Rmdir = %v, want ENOTEMPTY", err)
		}
		for i := range bs {
			if _, err := bs[i].Stat(ctx, &fop.StatReq{Req: req(), GFID: d}); err != nil {
				t.Errorf("brick %d has removed the directory: %v", i, err)
			}
		}
		c.Close()
	})
}

// TestKnowledgeStaysWithADirectory: brick 0 missed that the directory became empty, and brick 1 is
// away. Brick 0 would not let it go, and brick 2, which alone knows of that, must not either.
func TestKnowledgeStaysWithADirectory(t *testing.T) {
	for _, how := range []string{"rmdir", "rename over it"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bs := newBricks(t, 3)
				c := bs.client(t, 1, nil)
				d := mkdir(t, c, "d")
				mkdir(t, c, "other")
				createIn(t, c, d, "f")
				time.Sleep(3 * time.Second)
				c.links[0].SetDown(true)
				if _, err := c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: d, Name: "f"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				c.links[0].SetDown(false)
				c.links[1].SetDown(true)
				var err error
				if how == "rmdir" {
					_, err = c.Rmdir(ctx, &fop.RmdirReq{Req: req(), Parent: fop.RootGFID, Name: "d"})
				} else {
					_, err = c.Rename(ctx, &fop.RenameReq{Req: req(), OldParent: fop.RootGFID, OldName: "other", NewParent: fop.RootGFID, NewName: "d"})
				}
				if fop.Errno(err) != syscall.ENOTCONN {
					t.Errorf("%v, want ENOTCONN", err)
				}
				if m := bs.marks(t, 2, d); !strings.Contains(m, "client-0") {
					t.Errorf("marks on brick 2 = %q, want blame of brick 0", m)
				}
				c.links[1].SetDown(false)
				if _, err := c.Rmdir(ctx, &fop.RmdirReq{Req: req(), Parent: fop.RootGFID, Name: "d"}); err != nil {
					t.Errorf("Rmdir with two good copies: %v", err)
				}
				c.Close()
			})
		})
	}
}

// TestUnclearFailureStaysDirty: all bricks say EIO, one after it wrote.
func TestUnclearFailureStaysDirty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		f, g := create(t, c, "f")
		for i, l := range c.links {
			l.SetRule(refuse(fop.OpWritev, syscall.EIO, i == 1))
		}
		if _, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte("x")}); fop.Errno(err) != syscall.EIO {
			t.Errorf("Writev = %v, want EIO", err)
		}
		f.Close()
		time.Sleep(3 * time.Second)
		for i := range bs {
			if m := bs.marks(t, i, g); !strings.Contains(m, "dirty=") || strings.Contains(m, "client") {
				t.Errorf("marks on brick %d = %q, want dirty only", i, m)
			}
		}
		c.Close()
	})
}

// TestWhoCannotMarkIsBlamed: brick 1 is down, and brick 2 cannot store the blame.
func TestWhoCannotMarkIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		f, g := create(t, c, "f")
		c.links[1].SetDown(true)
		c.links[2].SetRule(refuse(fop.OpXattrop, syscall.EIO, false))
		if _, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte("x")}); err == nil {
			t.Errorf("a write was acknowledged that one good brick can answer for")
		}
		c.links[2].SetRule(nil)
		c.links[1].SetDown(false)
		write(t, f, 0, "y")
		f.Close()
		time.Sleep(3 * time.Second)
		for i := range bs {
			if got := bs.content(t, i, g); got != "y" {
				t.Errorf("brick %d holds %q, want y", i, got)
			}
		}
		c.Close()
	})
}

// TestLastName: brick 1 missed a link, so that the name that is removed is the file's last one
// there. It has a good copy of the content, and keeps it.
func TestLastName(t *testing.T) {
	for _, how := range []string{"unlink", "rename over it"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bs := newBricks(t, 3)
				c := bs.client(t, 1, nil)
				d, e := mkdir(t, c, "d"), mkdir(t, c, "e")
				f := createIn(t, c, d, "f")
				createIn(t, c, d, "other")
				time.Sleep(3 * time.Second)
				c.links[1].SetDown(true)
				if _, err := c.Link(ctx, &fop.LinkReq{Req: req(), GFID: f, Parent: e, Name: "f"}); err != nil {
					t.Fatal(err)
				}
				c.links[1].SetDown(false)
				var err error
				if how == "unlink" {
					_, err = c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: d, Name: "f"})
				} else {
					_, err = c.Rename(ctx, &fop.RenameReq{Req: req(), OldParent: d, OldName: "other", NewParent: d, NewName: "f"})
				}
				if err != nil {
					t.Fatal(err)
				}
				for i := range bs {
					if _, err := bs[i].Stat(ctx, &fop.StatReq{Req: req(), GFID: f}); err != nil {
						t.Errorf("brick %d has lost the file, which has another name: %v", i, err)
					}
				}
				c.Close()
			})
		})
	}
}

// TestStaleNamesDoNotCount: brick 1 missed that one of two names was removed. The other one is the
// last, and can be removed.
func TestStaleNamesDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		d, e := mkdir(t, c, "d"), mkdir(t, c, "e")
		f := createIn(t, c, d, "f")
		if _, err := c.Link(ctx, &fop.LinkReq{Req: req(), GFID: f, Parent: e, Name: "f"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		c.links[1].SetDown(true)
		if _, err := c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: e, Name: "f"}); err != nil {
			t.Fatal(err)
		}
		c.links[1].SetDown(false)
		if _, err := c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: d, Name: "f"}); err != nil {
			t.Errorf("removing the last name: %v", err)
		}
		c.Close()
	})
}

// TestLookDuringRemoval: brick 2 is away, and of the two others one has removed the file already.
func TestLookDuringRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c, other := bs.client(t, 1, nil), bs.client(t, 2, nil)
		f := createIn(t, c, fop.RootGFID, "f")
		for _, c := range []*client{c, other} {
			c.links[2].SetDown(true)
		}
		slow := make(chan struct{})
		c.links[1].SetRule(func(op fop.Fop, q any) (a faults.Action) {
			if op == fop.OpUnlink {
				a.Wait = slow
			}
			return a
		})
		removed := make(chan error)
		go func() {
			_, err := c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: fop.RootGFID, Name: "f"})
			removed <- err
		}()
		synctest.Wait()
		time.AfterFunc(time.Second, func() { close(slow) })
		if _, err := other.Open(ctx, &fop.OpenReq{Req: req(), GFID: f}); fop.Errno(err) != syscall.ESTALE {
			t.Errorf("Open of a file that is being removed: %v, want ESTALE", err)
		}
		if err := <-removed; err != nil {
			t.Error(err)
		}
		if _, err := other.Stat(ctx, &fop.StatReq{Req: req(), GFID: f}); fop.Errno(err) != syscall.ESTALE {
			t.Errorf("Stat of a file that was removed: %v, want ESTALE", err)
		}
		c.Close()
		other.Close()
	})
}
