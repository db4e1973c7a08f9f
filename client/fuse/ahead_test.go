package fuse

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// counting counts lookups, and can do something while a directory is listed.
type counting struct {
	xlator.Xlator
	lookups atomic.Int64
	listed  func()
}

func (c *counting) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	c.lookups.Add(1)
	return c.Xlator.Lookup(ctx, q)
}

func (c *counting) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	r, err := c.Xlator.Opendir(ctx, q)
	if err == nil {
		r.Dir = &countedDir{r.Dir, c}
	}
	return r, err
}

type countedDir struct {
	xlator.Dir
	c *counting
}

func (d *countedDir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	r, err := d.Dir.Readdirp(ctx, q)
	if d.c.listed != nil {
		d.c.listed()
	}
	return r, err
}

// aheadTest is a bridge, without a kernel, over a directory of files f0 to f49 that
// somebody else made.
type aheadTest struct {
	t   *testing.T
	b   *Bridge
	top *counting
}

func newAheadTest(t *testing.T) *aheadTest {
	brick, err := mem.New(xlator.Env{Name: "m"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &aheadTest{t: t, top: &counting{Xlator: brick}}
	for i := range 50 {
		r, err := brick.Create(background, &fop.CreateReq{Req: anyone(), Parent: fop.RootGFID, Name: fmt.Sprintf("f%d", i),
			GFID: fop.GFID{15: byte(i + 2)}, Mode: 0o644, Flags: syscall.O_RDWR})
		if err != nil {
			t.Fatal(err)
		}
		r.File.Close()
	}
	opts := DefaultOptions()
	opts.AttrTimeout, opts.EntryTimeout = time.Hour, time.Hour
	a.b = New(a.top, opts)
	t.Cleanup(func() { a.b.Close(); brick.Close() })
	return a
}

func anyone() fop.Req { return fop.Req{Caller: &fop.Caller{Time: fop.TimeOf(time.Now())}} }

func root() gofuse.InHeader { return gofuse.InHeader{NodeId: gofuse.FUSE_ROOT_ID} }

// lookup returns the answer and whether the bricks were asked.
func (a *aheadTest) lookup(name string) (gofuse.EntryOut, gofuse.Status, bool) {
	var out gofuse.EntryOut
	h := root()
	before := a.top.lookups.Load()
	st := a.b.Lookup(nil, &h, name, &out)
	return out, st, a.top.lookups.Load() != before
}

// list looks up f0 to f3, which makes the bridge list the directory, and waits for that.
func (a *aheadTest) list() {
	for i := range aheadAfter {
		if _, st, asked := a.lookup(fmt.Sprintf("f%d", i)); st != gofuse.OK || !asked {
			a.t.Fatalf("lookup %d: %v, asked: %v", i, st, asked)
		}
	}
	a.b.lists.Wait()
}

func (a *aheadTest) want(name string, size uint64, status gofuse.Status, asked bool) {
	a.t.Helper()
	out, st, was := a.lookup(name)
	if st != status || st == gofuse.OK && out.Size != size || was != asked {
		a.t.Errorf("lookup of %s: %v, size %d, asked: %v; want %v, %d, %v", name, st, out.Size, was, status, size, asked)
	}
}

func (a *aheadTest) write(name string, data string) {
	a.t.Helper()
	h := root()
	var out gofuse.CreateOut
	if st := a.b.Create(nil, &gofuse.CreateIn{InHeader: h, Flags: syscall.O_RDWR, Mode: 0o644}, name, &out); st != gofuse.OK {
		a.t.Fatal(st)
	}
	if _, st := a.b.Write(nil, &gofuse.WriteIn{InHeader: gofuse.InHeader{NodeId: out.NodeId}, Fh: out.Fh}, []byte(data)); st != gofuse.OK {
		a.t.Fatal(st)
	}
	a.b.Release(nil, &gofuse.ReleaseIn{Fh: out.Fh})
}

func TestLookAhead(t *testing.T) {
	a := newAheadTest(t)
	a.list()
	for i := aheadAfter; i < 50; i++ {
		a.want(fmt.Sprintf("f%d", i), 0, gofuse.OK, false)
	}
	a.want("f7", 0, gofuse.OK, true) // its answer was used up: the kernel has it
	a.want("other", 0, gofuse.ENOENT, true)
}

// TestLookAheadNames: what this mount did to a name counts, not what was listed.
func TestLookAheadNames(t *testing.T) {
	h := root()
	change := map[string]func(a *aheadTest) gofuse.Status{
		"unlink": func(a *aheadTest) gofuse.Status { return a.b.Unlink(nil, &h, "f9") },
		"rename": func(a *aheadTest) gofuse.Status {
			return a.b.Rename(nil, &gofuse.RenameIn{InHeader: h, Newdir: gofuse.FUSE_ROOT_ID}, "f9", "new")
		},
	}
	for name, do := range change {
		t.Run(name, func(t *testing.T) {
			a := newAheadTest(t)
			a.list()
			if st := do(a); st != gofuse.OK {
				t.Fatal(st)
			}
			a.want("f9", 0, gofuse.ENOENT, true)
		})
		t.Run(name+" while listing", func(t *testing.T) {
			a := newAheadTest(t)
			a.top.listed = func() {
				if st := do(a); st != gofuse.OK {
					t.Error(st)
				}
			}
			a.list()
			a.want("f9", 0, gofuse.ENOENT, true)
			a.want("f10", 0, gofuse.OK, false)
		})
	}
}

// TestLookAheadAttributes: nor are attributes answered that this mount changed, or that
// are older than what the kernel was told.
func TestLookAheadAttributes(t *testing.T) {
	a := newAheadTest(t)
	a.list()
	a.write("f9", "changed")
	a.want("f9", 7, gofuse.OK, true)

	a = newAheadTest(t)
	a.top.listed = func() { a.write("f9", "meanwhile") }
	a.list()
	a.want("f9", 9, gofuse.OK, true)

	// The kernel knew the inode under another name of the same, and forgot it.
	a = newAheadTest(t)
	a.list()
	n := a.b.nodes.look(fop.GFID{15: 11})
	c := a.b.begin(n)
	a.b.end(n, c, nil)
	a.b.Forget(n.id, 1)
	a.want("f9", 0, gofuse.OK, true)

	// Somebody else changed it, and the kernel was told.
	a = newAheadTest(t)
	a.list()
	n = a.b.nodes.look(fop.GFID{15: 11})
	if _, err := a.top.Truncate(background, &fop.TruncateReq{Req: anyone(), GFID: n.gfid, Size: 5}); err != nil {
		t.Fatal(err)
	}
	var attr gofuse.AttrOut
	if st := a.b.GetAttr(nil, &gofuse.GetAttrIn{InHeader: gofuse.InHeader{NodeId: n.id}}, &attr); st != gofuse.OK || attr.Size != 5 {
		t.Fatalf("getattr: %v, size %d", st, attr.Size)
	}
	a.want("f9", 5, gofuse.OK, true)
}

// TestLookAheadLinks: an inode with several names changes through each of them.
func TestLookAheadLinks(t *testing.T) {
	a := newAheadTest(t)
	a.list()
	n := a.b.nodes.look(fop.GFID{15: 11}) // f9
	var out gofuse.EntryOut
	if st := a.b.Link(nil, &gofuse.LinkIn{InHeader: root(), Oldnodeid: n.id}, "second", &out); st != gofuse.OK {
		t.Fatal(st)
	}
	if out, _, asked := a.lookup("f9"); !asked || out.Nlink != 2 {
		t.Errorf("after link(2): %d names, asked: %v", out.Nlink, asked)
	}
}

// TestLookAheadTime: what is answered from a listing may be kept for as much less as it
// is old, and not for ever.
func TestLookAheadTime(t *testing.T) {
	a := newAheadTest(t)
	a.list()
	dir, _ := a.b.nodes.get(gofuse.FUSE_ROOT_ID)
	old := func(name string, age time.Duration) {
		f := dir.ahead.names[name]
		f.asked = f.asked.Add(-age)
		dir.ahead.names[name] = f
	}
	old("f9", 10*time.Minute)
	if out, _, asked := a.lookup("f9"); asked || out.EntryTimeout() > 50*time.Minute || out.AttrTimeout() > 50*time.Minute {
		t.Errorf("asked: %v; may be kept for %v and %v", asked, out.EntryTimeout(), out.AttrTimeout())
	}
	old("f10", 31*time.Minute)
	a.want("f10", 0, gofuse.OK, true)
	a.b.aheads.expire(time.Now().Add(time.Hour))
	if len(dir.ahead.names) > 0 || len(a.b.aheads.dirs) > 0 {
		t.Error("listings stay when they are too old")
	}
}

// TestLookAheadInVain: who looks up a few names of many does not list more and more.
func TestLookAheadInVain(t *testing.T) {
	var a lookAhead
	now := time.Now()
	var entries []fop.Dirent
	for i := range 100 {
		entries = append(entries, fop.Dirent{Name: fmt.Sprint(i), Off: uint64(i + 1), Iatt: fop.Iatt{Type: fop.TypeReg, Nlink: 1, GFID: fop.GFID{15: 1}}})
	}
	lists := 0
	for range 10000 {
		if _, _, list := a.miss(now); list {
			lists++
			a.add(&fop.ReaddirpReply{Entries: entries}, now, 0, time.Second)
		}
	}
	if lists > 12 {
		t.Errorf("%d listings for 10000 lookups in vain", lists)
	}
}
