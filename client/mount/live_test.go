package mount

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/readonly"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

var asRoot = fop.Req{Caller: &fop.Caller{}}

// graphOn is a graph over a brick that others use too; it counts its closing.
type graphOn struct {
	xlator.Pass
	closed *atomic.Int32
	opens  atomic.Int32
}

func (g *graphOn) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	g.opens.Add(1)
	return g.Pass.Open(ctx, q)
}

func (g *graphOn) Close() error { g.closed.Add(1); return nil }

func newBrick(t *testing.T) xlator.Xlator {
	t.Helper()
	env := xlator.Env{Name: "b", Log: slog.New(slog.DiscardHandler)}
	m, err := mem.New(env, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := locks.New(env, xlator.Options{}, []xlator.Xlator{m})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLiveConformance(t *testing.T) {
	open := func(t *testing.T) xlator.Xlator {
		l := newLive(newBrick(t))
		t.Cleanup(func() { l.Close() })
		return l
	}
	xlatortest.Run(t, open, xlatortest.HiddenNames, xlatortest.ACL)
	xlatortest.RunLocks(t, open)
}

func create(t *testing.T, l *live, name string) (xlator.File, fop.GFID) {
	t.Helper()
	r, err := l.Create(context.Background(), &fop.CreateReq{Req: asRoot, Parent: fop.RootGFID, Name: name, GFID: fop.NewGFID(), Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	return r.File, r.Iatt.GFID
}

func write(t *testing.T, f xlator.File, s string) {
	t.Helper()
	if _, err := f.Writev(context.Background(), &fop.WritevReq{Req: asRoot, Data: []byte(s)}); err != nil {
		t.Fatal(err)
	}
}

// TestReplaced replaces the graph under open files.
func TestReplaced(t *testing.T) {
	ctx := context.Background()
	brick := newBrick(t)
	var closed atomic.Int32
	graph := func() *graphOn { return &graphOn{Pass: xlator.Pass{Child: brick}, closed: &closed} }
	l := newLive(graph())
	moves, _ := create(t, l, "moves")
	locked, _ := create(t, l, "locked")
	removed, _ := create(t, l, "removed")
	if _, err := locked.Lk(ctx, &fop.LkReq{Req: asRoot, Cmd: fop.LkSet, Type: fop.LkWrite, Owner: 1, End: 10}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Unlink(ctx, &fop.UnlinkReq{Req: asRoot, Parent: fop.RootGFID, Name: "removed"}); err != nil {
		t.Fatal(err)
	}
	second := graph()
	l.install(second)
	for _, f := range []xlator.File{moves, locked, removed} {
		write(t, f, "content")
		buf := make([]byte, 10)
		if r, err := f.Readv(ctx, &fop.ReadvReq{Req: asRoot, Buf: buf}); err != nil || !bytes.Equal(buf[:r.N], []byte("content")) {
			t.Errorf("read %q, %v", buf, err)
		}
	}
	if n := second.opens.Load(); n < 1 || n > 2 {
		t.Errorf("%d files were opened on the new graph, want the one that can move", n)
	}
	moves.Close()
	if n := closed.Load(); n != 0 {
		t.Error("the old graph was closed under open files")
	}
	locked.Close()
	removed.Close()
	l.moving.Wait()
	l.closing.Wait()
	if n := closed.Load(); n != 1 {
		t.Errorf("%d graphs were closed, want the old one", n)
	}
	l.Close()
	if n := closed.Load(); n != 2 {
		t.Errorf("%d graphs were closed at the end", n)
	}
}

// TestIdleFilesMove replaces the graph under a file that nobody uses: the old graph is closed
// nevertheless, since bricks wait for that.
func TestIdleFilesMove(t *testing.T) {
	brick := newBrick(t)
	var closed atomic.Int32
	graph := func() *graphOn { return &graphOn{Pass: xlator.Pass{Child: brick}, closed: &closed} }
	l := newLive(graph())
	f, _ := create(t, l, "idle")
	gone, _ := create(t, l, "gone")
	gone.Close()
	second := graph()
	l.install(second)
	l.moving.Wait()
	l.closing.Wait()
	if n := closed.Load(); n != 1 || second.opens.Load() != 1 {
		t.Errorf("%d graphs were closed, %d files opened on the new one; want 1 and 1", n, second.opens.Load())
	}
	write(t, f, "after")
	f.Close()
	l.Close()
	if n := closed.Load(); n != 2 || len(l.files) != 0 {
		t.Errorf("at the end %d graphs are closed, %d files open", n, len(l.files))
	}
}

// TestBecomesReadOnly makes the volume read-only under an open file, and writable again.
func TestBecomesReadOnly(t *testing.T) {
	ctx := context.Background()
	brick := newBrick(t)
	var closed atomic.Int32
	graph := func() *graphOn { return &graphOn{Pass: xlator.Pass{Child: brick}, closed: &closed} }
	l := newLive(graph())
	defer l.Close()
	f, _ := create(t, l, "f")
	defer f.Close()
	write(t, f, "before")
	frozen, err := readonly.New(xlator.Env{}, nil, []xlator.Xlator{graph()})
	if err != nil {
		t.Fatal(err)
	}
	l.install(frozen)
	l.moving.Wait()
	_, werr := f.Writev(ctx, &fop.WritevReq{Req: asRoot, Data: []byte("after")})
	_, ferr := f.Fallocate(ctx, &fop.FallocateReq{Req: asRoot, Len: 100})
	_, cerr := f.CopyFileRange(ctx, &fop.CopyRangeReq{Req: asRoot, DstOff: 10, Len: 1}, f)
	for what, err := range map[string]error{"write": werr, "fallocate": ferr, "copy": cerr} {
		if fop.Errno(err) != syscall.EROFS {
			t.Errorf("%s: %v, want EROFS", what, err)
		}
	}
	buf := make([]byte, 10)
	if r, err := f.Readv(ctx, &fop.ReadvReq{Req: asRoot, Buf: buf}); err != nil || string(buf[:r.N]) != "before" {
		t.Errorf("read %q, %v", buf, err)
	}
	l.install(graph())
	l.moving.Wait()
	write(t, f, "after")
}

// TestReplacedBusily replaces the graph again and again while files are written.
func TestReplacedBusily(t *testing.T) {
	ctx := context.Background()
	brick := newBrick(t)
	var closed atomic.Int32
	l := newLive(&graphOn{Pass: xlator.Pass{Child: brick}, closed: &closed})
	var wg sync.WaitGroup
	var done atomic.Bool
	for i := range 4 {
		wg.Go(func() {
			f, gfid := create(t, l, string(rune('a'+i)))
			defer f.Close()
			for n := 0; !done.Load() || n < 100; n++ {
				write(t, f, "x")
				if _, err := l.Stat(ctx, &fop.StatReq{Req: asRoot, GFID: gfid}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		l.install(&graphOn{Pass: xlator.Pass{Child: brick}, closed: &closed})
	}
	done.Store(true)
	wg.Wait()
	l.Close()
	if n := closed.Load(); n != 201 {
		t.Errorf("%d graphs of 201 were closed", n)
	}
}
