package afr

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

// bricks are the shared half of a replica set; each client has its own links to them.
type bricks []xlator.Xlator

func newBricks(t *testing.T, n int) bricks {
	var bs bricks
	for i := range n {
		m, err := mem.New(xlator.Env{Name: fmt.Sprint("mem", i)}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := locks.New(xlator.Env{}, nil, []xlator.Xlator{m})
		if err != nil {
			t.Fatal(err)
		}
		bs = append(bs, l)
	}
	return bs
}

type client struct {
	xlator.Xlator
	links []*faults.Faults
}

func (bs bricks) client(t *testing.T, id uint64, opts xlator.Options) *client {
	t.Helper()
	c := &client{}
	var subs []xlator.Xlator
	for _, b := range bs {
		f, err := faults.New(xlator.Env{}, nil, []xlator.Xlator{b})
		if err != nil {
			t.Fatal(err)
		}
		f.(*faults.Faults).SetClient(id)
		c.links = append(c.links, f.(*faults.Faults))
		subs = append(subs, f)
	}
	o := xlator.Options{"afr-pending-xattr": "v-client-0,v-client-1,v-client-2"}
	for k, v := range opts {
		o[k] = v
	}
	if len(bs) == 2 {
		o["afr-pending-xattr"] = "v-client-0,v-client-1"
	}
	x, err := New(xlator.Env{Name: "v-replicate-0"}, o, subs)
	if err != nil {
		t.Fatal(err)
	}
	c.Xlator = x
	t.Cleanup(func() { x.Close() })
	return c
}

var ctx = context.Background()

func req() fop.Req { return fop.Req{Caller: &fop.Caller{UID: 7, GID: 8, PID: 9}} }

func create(t *testing.T, x xlator.Xlator, name string) (xlator.File, fop.GFID) {
	t.Helper()
	g := fop.NewGFID()
	r, err := x.Create(ctx, &fop.CreateReq{Req: req(), Parent: fop.RootGFID, Name: name, GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatalf("Create(%s): %v", name, err)
	}
	return r.File, g
}

func write(t *testing.T, f xlator.File, off int64, s string) {
	t.Helper()
	if r, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Off: off, Data: []byte(s)}); err != nil || r.N != len(s) {
		t.Fatalf("Writev(%q) = %v, %v", s, r, err)
	}
}

func read(t *testing.T, f xlator.File, n int) string {
	t.Helper()
	b := make([]byte, n)
	r, err := f.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: b})
	if err != nil {
		t.Fatalf("Readv: %v", err)
	}
	return string(b[:r.N])
}

// marks returns the trusted.afr xattrs of an inode on a brick: "client-1=1,0,0 dirty=…",
// those that are zero left out.
func (bs bricks) marks(t *testing.T, i int, g fop.GFID) string {
	t.Helper()
	r, err := bs[i].Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: g, Internal: true})
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, x := range r.Xattrs {
		if n, ok := strings.CutPrefix(x.Name, changelog.KeyPrefix); ok {
			c, err := changelog.Parse(x.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !c.IsZero() {
				out = append(out, fmt.Sprintf("%s=%d,%d,%d", strings.TrimPrefix(n, "v-"), c[0], c[1], c[2]))
			}
		}
	}
	return strings.Join(out, " ")
}

func (bs bricks) content(t *testing.T, i int, g fop.GFID) string {
	t.Helper()
	r, err := bs[i].Open(ctx, &fop.OpenReq{Req: req(), GFID: g})
	if err != nil {
		return err.Error()
	}
	defer r.File.Close()
	return read(t, r.File, 1<<20)
}

func wantMarks(t *testing.T, bs bricks, g fop.GFID, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := bs.marks(t, i, g); got != w {
			t.Errorf("marks of %v on brick %d = %q, want %q", g, i, got, w)
		}
	}
}

// Reads prefer a brick on the client's own machine, unless choose-local is off.
func TestChooseLocal(t *testing.T) {
	for _, c := range []struct {
		opts xlator.Options
		want set
	}{
		{nil, changelog.Of(1)},
		{xlator.Options{"choose-local": "off"}, changelog.All(3)},
		{xlator.Options{"read-subvolume-index": "2"}, changelog.Of(2)},
	} {
		r := newBricks(t, 3).client(t, 1, c.opts).Xlator.(*replicate)
		r.childChanged(1, xlator.Event{Kind: xlator.ChildUp, Local: true})
		var got set
		for i := range 256 {
			got |= changelog.Of(r.prefer(fop.GFID{15: byte(i)}, changelog.All(3)))
		}
		if got != c.want {
			t.Errorf("%v: reads go to %v, want %v", c.opts, got, c.want)
		}
		r.childChanged(1, xlator.Event{Kind: xlator.ChildDown})
		if got := r.state.Load().local; got != 0 {
			t.Errorf("a brick that is down is still local: %v", got)
		}
	}
}

// The modes of read-hash-mode choose as they say, among good bricks only.
func TestReadMode(t *testing.T) {
	client := func(mode string) *replicate {
		return newBricks(t, 3).client(t, 1, xlator.Options{"read-hash-mode": mode}).Xlator.(*replicate)
	}
	spread := func(r *replicate, s set) (got set, inOrder string) {
		for i := range 64 {
			k := r.preferData(fop.GFID{15: byte(i)}, s)
			got |= changelog.Of(k)
			inOrder += fmt.Sprint(k)
		}
		return got, inOrder
	}
	if got, _ := spread(client("0"), changelog.All(3)&^changelog.Of(0)); got != changelog.Of(1) {
		t.Errorf("mode 0 reads from %v, want the first that is good", got)
	}
	one, a := spread(client("1"), changelog.All(3))
	if _, b := spread(client("1"), changelog.All(3)); one != changelog.All(3) || a != b {
		t.Errorf("mode 1 reads from %v, by %q and %q", one, a, b)
	}
	x, y := client("2"), client("2")
	x.salt, y.salt = 0, 1
	two, a := spread(x, changelog.All(3))
	if _, b := spread(y, changelog.All(3)); two != changelog.All(3) || a == b {
		t.Errorf("mode 2 reads from %v, by %q and %q", two, a, b)
	}
	for mode, want := range map[string]int{"3": 1, "4": 2, "5": 0} {
		r := client(mode)
		for i, l := range [][2]int64{{2, 10}, {1, 50}, {9, 5}} {
			r.loads[i].underWay.Store(l[0])
			r.loads[i].took.Store(l[1])
		}
		if got, _ := spread(r, changelog.All(3)); got != changelog.Of(want) {
			t.Errorf("mode %s reads from %v, want %d", mode, got, want)
		}
		if got, _ := spread(r, changelog.All(3)&^changelog.Of(want)); got.Has(want) {
			t.Errorf("mode %s reads from a brick that is not good", mode)
		}
	}
	r := client("3")
	done := r.reading(1)
	if got := r.loads[1].underWay.Load(); got != 1 {
		t.Errorf("%d reads are under way, want 1", got)
	}
	r.loads[0].took.Store(1280)
	if done(); r.loads[1].underWay.Load() != 0 || r.loads[1].took.Load() == 0 || r.loads[0].took.Load() != 1270 {
		t.Error("a read that ended is not counted as it should")
	}
}

func TestWriteReplicatesAndUnmarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, xlator.Options{"arbiter-count": "1"})
		f, g := create(t, c, "f")
		write(t, f, 0, "GlusterFS ist cool\n")
		wantMarks(t, bs, g, "dirty=1,1,0", "dirty=1,1,0", "dirty=1,1,0")
		if got := read(t, f, 100); got != "GlusterFS ist cool\n" {
			t.Errorf("read %q", got)
		}
		time.Sleep(3 * time.Second)
		wantMarks(t, bs, g, "", "", "")
		wantMarks(t, bs, fop.RootGFID, "", "", "")
		for i, want := range []string{"GlusterFS ist cool\n", "GlusterFS ist cool\n", ""} {
			if got := bs.content(t, i, g); got != want {
				t.Errorf("brick %d holds %q, want %q", i, got, want)
			}
		}
		f.Close()
		c.Close()
	})
}

func TestDownBrickIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, xlator.Options{"arbiter-count": "1"})
		w, gw := create(t, c, "w")
		d := fop.NewGFID()
		if _, err := c.Mkdir(ctx, &fop.MkdirReq{Req: req(), Parent: fop.RootGFID, Name: "dd", GFID: d, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		c.links[1].SetDown(true)
		write(t, w, 0, "x")
		g := fop.NewGFID()
		r, err := c.Create(ctx, &fop.CreateReq{Req: req(), Parent: d, Name: "new", GFID: g, Flags: syscall.O_RDWR})
		if err != nil {
			t.Fatal(err)
		}
		write(t, r.File, 0, "y")
		time.Sleep(3 * time.Second)
		wantMarks(t, bs, gw, "client-1=1,0,0", "", "client-1=1,0,0")
		wantMarks(t, bs, d, "client-1=0,0,1", "", "client-1=0,0,1")
		wantMarks(t, bs, g, "client-1=1,1,0", syscall.ESTALE.Error(), "client-1=1,1,0")
		// It comes back without having been healed: it must not be read.
		c.links[1].SetDown(false)
		c.links[0].SetRule(func(op fop.Fop, q any) faults.Action { return faults.Action{} })
		if got := read(t, w, 10); got != "x" {
			t.Errorf("read %q from a set with a stale brick, want x", got)
		}
		// The only good data brick goes: the arbiter knows that brick 1 is stale.
		c.links[0].SetDown(true)
		if _, err := w.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: make([]byte, 10)}); !fop.IsDown(err) {
			t.Errorf("read with only a stale brick and the arbiter: %v, want ENOTCONN", err)
		}
		if _, err := w.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte("z")}); !fop.IsDown(err) {
			t.Errorf("write with only a stale brick and the arbiter: %v, want ENOTCONN", err)
		}
		c.links[0].SetDown(false)
		w.Close()
		r.File.Close()
		c.Close()
	})
}

func TestFailureDuringWriteIsBlamedBeforeSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		f, g := create(t, c, "f")
		c.links[2].SetRule(func(op fop.Fop, q any) faults.Action {
			if op == fop.OpWritev {
				return faults.Action{Err: syscall.ENOSPC}
			}
			return faults.Action{}
		})
		write(t, f, 0, "abc")
		wantMarks(t, bs, g, "dirty=1,1,0 client-2=1,0,0", "dirty=1,1,0 client-2=1,0,0", "dirty=1,1,0")
		f.Close()
		c.Close()
	})
}

func TestNoQuorumNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, nil)
		f, _ := create(t, c, "f")
		c.links[1].SetDown(true)
		c.links[2].SetDown(true)
		if _, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte("z")}); !fop.IsDown(err) {
			t.Errorf("write with one of three bricks: %v, want ENOTCONN", err)
		}
		if _, err := c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: fop.RootGFID, Name: "f"}); !fop.IsDown(err) {
			t.Errorf("lookup with one of three bricks: %v, want ENOTCONN", err)
		}
		c.links[1].SetDown(false)
		c.links[2].SetDown(false)
		write(t, f, 0, "again")
		f.Close()
		c.Close()
	})
}

// TestTwoClients lets two clients append to one file and create in one directory at
// once; nobody may lose anything, and all bricks must end up equal.
func TestTwoClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		a, b := bs.client(t, 1, nil), bs.client(t, 2, nil)
		f, g := create(t, a, "log")
		f.Close()
		var wg sync.WaitGroup
		for id, c := range []*client{a, b} {
			for w := range 2 {
				wg.Go(func() {
					r, err := c.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_WRONLY | syscall.O_APPEND})
					if err != nil {
						t.Error(err)
						return
					}
					defer r.File.Close()
					for n := range 20 {
						write(t, r.File, 0, fmt.Sprintf("%d.%d.%02d\n", id, w, n))
						nf, _ := create(t, c, fmt.Sprintf("f%d.%d.%d", id, w, n))
						nf.Close()
					}
				})
			}
		}
		wg.Wait()
		time.Sleep(5 * time.Second)
		first := bs.content(t, 0, g)
		if len(first) != 80*7 {
			t.Errorf("the log has %d bytes, want %d", len(first), 80*7)
		}
		for i := range bs {
			if got := bs.content(t, i, g); !bytes.Equal([]byte(got), []byte(first)) {
				t.Errorf("brick %d holds another log than brick 0", i)
			}
			d, err := bs[i].Opendir(ctx, &fop.OpendirReq{Req: req(), GFID: fop.RootGFID})
			if err != nil {
				t.Fatal(err)
			}
			l, err := d.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: req(), Size: 1 << 20})
			if err != nil || len(l.Entries) != 81 {
				t.Errorf("brick %d lists %d names (%v), want 81", i, len(l.Entries), err)
			}
		}
		wantMarks(t, bs, g, "", "", "")
		wantMarks(t, bs, fop.RootGFID, "", "", "")
		a.Close()
		b.Close()
	})
}

// TestStaleBrickDoesNotAccuse loses the good data brick in the middle of a write that
// the stale one still did: the good one must not be blamed for that.
func TestStaleBrickDoesNotAccuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := newBricks(t, 3)
		c := bs.client(t, 1, xlator.Options{"arbiter-count": "1"})
		f, g := create(t, c, "f")
		c.links[1].SetDown(true)
		write(t, f, 0, "only on 0")
		c.links[1].SetDown(false)
		write(t, f, 0, "on 0 and, stale, on 1")
		c.links[0].SetRule(func(op fop.Fop, q any) faults.Action {
			if op == fop.OpWritev {
				return faults.Action{Err: syscall.ENOTCONN}
			}
			return faults.Action{}
		})
		if _, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte("lost")}); !fop.IsDown(err) {
			t.Errorf("write that only a stale brick did: %v, want ENOTCONN", err)
		}
		c.links[0].SetDown(true)
		time.Sleep(3 * time.Second)
		for i := range bs {
			if m := bs.marks(t, i, g); strings.Contains(m, "client-0") {
				t.Errorf("brick %d accuses the good brick: %s", i, m)
			}
		}
		c.links[0].SetRule(nil)
		c.links[0].SetDown(false)
		if got := read(t, f, 4); got != "on 0" {
			t.Errorf("read %q, want what was acknowledged", got)
		}
		f.Close()
		c.Close()
	})
}
