package fuse

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// statCounter counts how often attributes are asked for; answers, if set, is called once, after
// an unlink was done and before its answer comes.
type statCounter struct {
	xlator.Xlator
	stats   atomic.Int64
	answers func()
}

func (c *statCounter) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	c.stats.Add(1)
	return c.Xlator.Stat(ctx, q)
}

func (c *statCounter) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	r, err := c.Xlator.Unlink(ctx, q)
	if answers := c.answers; answers != nil {
		c.answers = nil
		answers()
	}
	return r, err
}

// site is a bridge, without a kernel, over two directories.
type site struct {
	t    *testing.T
	b    *Bridge
	top  *statCounter
	a, z *node
}

func newSite(t *testing.T) *site {
	brick, err := mem.New(xlator.Env{Name: "m"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, top: &statCounter{Xlator: brick}}
	s.b = New(s.top, DefaultOptions())
	t.Cleanup(func() { s.b.Close(); brick.Close() })
	root := s.b.nodes.find(fop.RootGFID)
	s.a, s.z = s.mkdir(root, "a"), s.mkdir(root, "z")
	return s
}

func header(n *node) gofuse.InHeader { return gofuse.InHeader{NodeId: n.id} }

func (s *site) ok(st gofuse.Status) {
	s.t.Helper()
	if st != gofuse.OK {
		s.t.Fatal(st)
	}
}

func (s *site) mkdir(in *node, name string) *node {
	s.t.Helper()
	var out gofuse.EntryOut
	s.ok(s.b.Mkdir(nil, &gofuse.MkdirIn{InHeader: header(in), Mode: 0o755}, name, &out))
	n, st := s.b.nodes.get(out.NodeId)
	s.ok(st)
	return n
}

func (s *site) mknod(in *node, name string) {
	s.t.Helper()
	var out gofuse.EntryOut
	s.ok(s.b.Mknod(nil, &gofuse.MknodIn{InHeader: header(in), Mode: 0o100644}, name, &out))
}

func (s *site) unlink(in *node, name string) {
	s.t.Helper()
	h := header(in)
	s.ok(s.b.Unlink(nil, &h, name))
}

// stat returns the number of links and whether the bricks were asked.
func (s *site) stat(n *node) (uint32, bool) {
	s.t.Helper()
	before := s.top.stats.Load()
	var out gofuse.AttrOut
	s.ok(s.b.GetAttr(nil, &gofuse.GetAttrIn{InHeader: header(n)}, &out))
	return out.Nlink, s.top.stats.Load() != before
}

// What a change left of a directory holds, whatever happens to files elsewhere.
func TestDirectoriesBesideChanges(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"1", "2", "3"} {
		s.mknod(s.a, name)
		s.mknod(s.z, name)
	}
	s.unlink(s.a, "1")
	s.unlink(s.z, "1")
	s.ok(s.b.Rename(nil, &gofuse.RenameIn{InHeader: header(s.z), Newdir: s.z.id}, "2", "3"))
	for _, n := range []*node{s.a, s.z} {
		if _, asked := s.stat(n); asked {
			t.Error("the bricks were asked for what the change's answer had told")
		}
	}
}

// A directory that loses a subdirectory is not what it was, and the answer says what it is.
func TestDirectoriesThatMove(t *testing.T) {
	s := newSite(t)
	below := s.mkdir(s.a, "below")
	s.mkdir(below, "b")
	h := header(below)
	s.ok(s.b.Rmdir(nil, &h, "b"))
	if links, asked := s.stat(below); links != 2 || asked {
		t.Errorf("after rmdir: %d links, asked: %v", links, asked)
	}
	s.ok(s.b.Rename(nil, &gofuse.RenameIn{InHeader: header(s.a), Newdir: s.z.id}, "below", "below"))
	for n, want := range map[*node]uint32{s.a: 2, s.z: 3} {
		if links, asked := s.stat(n); links != want || asked {
			t.Errorf("after rename: %d links, want %d, asked: %v", links, want, asked)
		}
	}
	if _, asked := s.stat(below); !asked {
		t.Error("a directory that was moved is taken for what it was before")
	}
}

// A change whose answer comes after a name was removed tells nothing about links.
func TestAnswerOvertaken(t *testing.T) {
	s := newSite(t)
	s.mknod(s.a, "1")
	s.mkdir(s.a, "d")
	s.top.answers = func() {
		h := header(s.a)
		s.ok(s.b.Rmdir(nil, &h, "d"))
	}
	s.unlink(s.a, "1")
	if links, asked := s.stat(s.a); links != 2 || !asked {
		t.Errorf("%d links, asked: %v", links, asked)
	}
}
