package mount

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// live is the translator above the graph: it lets the graph be replaced while files are
// open, when the volume's definition or options changed.
//
// New fops go to the newest generation. Open files move there at once, or at their next fop if
// that comes first: they are opened by their GFID, with the flags that they had. A file
// stays where it is if programs hold locks through it, or if it cannot be opened (it has no
// name any more). A directory stays, as its offsets mean nothing elsewhere. A generation is
// closed when nothing uses it any more: bricks wait for that before new ones join them.
//
// Intercepts: everything.
type live struct {
	watchers xlator.Watchers
	cur      atomic.Pointer[generation]
	closing  sync.WaitGroup // generations being closed
	swapMu   sync.Mutex     // one replacement at a time
	up       atomic.Bool    // what the newest generation told last

	moving  sync.WaitGroup  // of open files to the newest generation
	ctx     context.Context // of that; ends with Close
	stop    context.CancelFunc
	filesMu sync.Mutex
	files   map[*liveFile]bool // guarded by filesMu; those that are open
}

// generation is one graph.
type generation struct {
	l    *live
	top  xlator.Xlator
	refs atomic.Int64 // fops, open files and directories, and 1 for being the newest

	closed sync.Once
}

var _ xlator.Xlator = (*live)(nil)

func newLive(top xlator.Xlator) *live {
	l := &live{files: map[*liveFile]bool{}}
	l.ctx, l.stop = context.WithCancel(context.Background()) // until Close
	l.install(top)
	return l
}

// install makes top the newest generation.
func (l *live) install(top xlator.Xlator) {
	l.swapMu.Lock()
	defer l.swapMu.Unlock()
	g := &generation{l: l, top: top}
	g.refs.Store(1)
	old := l.cur.Swap(g)
	top.Watch(func(e xlator.Event) {
		if l.cur.Load() == g && (e.Kind == xlator.ChildUp || e.Kind == xlator.ChildDown) {
			l.up.Store(e.Kind == xlator.ChildUp)
		}
		l.watchers.Tell(e)
	})
	if old != nil {
		old.drop()
		l.moving.Go(l.moveFiles)
	}
}

// moveFiles moves the files that are open to the newest generation, also those that nobody
// uses.
func (l *live) moveFiles() {
	l.filesMu.Lock()
	files := slices.Collect(maps.Keys(l.files))
	l.filesMu.Unlock()
	for _, f := range files {
		if l.ctx.Err() != nil {
			return
		}
		f.move(l.ctx)
	}
}

// use returns the newest generation with a reference to it.
func (l *live) use() *generation {
	for {
		g := l.cur.Load()
		if n := g.refs.Load(); n > 0 && g.refs.CompareAndSwap(n, n+1) {
			return g
		}
		if l.cur.Load() == g && g.refs.Load() <= 0 {
			g.refs.Add(1)
			return g // closed: its fops fail
		}
	}
}

func (g *generation) drop() {
	if g.refs.Add(-1) == 0 {
		g.closed.Do(func() { g.l.closing.Go(func() { g.top.Close() }) })
	}
}

// through performs a fop on the newest generation.
func through[Q, R any](ctx context.Context, l *live, f func(xlator.Xlator, context.Context, Q) (R, error), q Q) (R, error) {
	g := l.use()
	defer g.drop()
	return f(g.top, ctx, q)
}

func (l *live) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	return through(ctx, l, xlator.Xlator.Lookup, q)
}

func (l *live) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return through(ctx, l, xlator.Xlator.Mkdir, q)
}

func (l *live) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return through(ctx, l, xlator.Xlator.Mknod, q)
}

func (l *live) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return through(ctx, l, xlator.Xlator.Symlink, q)
}

func (l *live) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	return through(ctx, l, xlator.Xlator.Link, q)
}

func (l *live) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return through(ctx, l, xlator.Xlator.Unlink, q)
}

func (l *live) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return through(ctx, l, xlator.Xlator.Rmdir, q)
}

func (l *live) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return through(ctx, l, xlator.Xlator.Rename, q)
}

func (l *live) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	return through(ctx, l, xlator.Xlator.Stat, q)
}

func (l *live) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return through(ctx, l, xlator.Xlator.Setattr, q)
}

func (l *live) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return through(ctx, l, xlator.Xlator.Truncate, q)
}

func (l *live) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return through(ctx, l, xlator.Xlator.Readlink, q)
}

func (l *live) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	return through(ctx, l, xlator.Xlator.Statfs, q)
}

func (l *live) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return through(ctx, l, xlator.Xlator.Getxattr, q)
}

func (l *live) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return through(ctx, l, xlator.Xlator.Setxattr, q)
}

func (l *live) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return through(ctx, l, xlator.Xlator.Removexattr, q)
}

func (l *live) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return through(ctx, l, xlator.Xlator.Xattrop, q)
}

func (l *live) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return through(ctx, l, xlator.Xlator.Inodelk, q)
}

func (l *live) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return through(ctx, l, xlator.Xlator.Entrylk, q)
}

func (l *live) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	return through(ctx, l, xlator.Xlator.Release, q)
}

func (l *live) Forget(ctx context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	return through(ctx, l, xlator.Xlator.Forget, q)
}

func (l *live) Disconnect(ctx context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	return through(ctx, l, xlator.Xlator.Disconnect, q)
}

func (l *live) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	g := l.use()
	r, err := g.top.Create(ctx, q)
	if err != nil {
		g.drop()
		return nil, err
	}
	r.File = newLiveFile(ctx, g, r.File, q.GFID, q.Flags)
	return r, nil
}

func (l *live) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	g := l.use()
	r, err := g.top.Open(ctx, q)
	if err != nil {
		g.drop()
		return nil, err
	}
	r.File = newLiveFile(ctx, g, r.File, q.GFID, q.Flags)
	return r, nil
}

func (l *live) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	g := l.use()
	r, err := g.top.Opendir(ctx, q)
	if err != nil {
		g.drop()
		return nil, err
	}
	r.Dir = &liveDir{r.Dir, g}
	return r, nil
}

// Watch tells f of the events of all generations.
func (l *live) Watch(f func(xlator.Event)) {
	l.watchers.Add(f)
	if l.up.Load() {
		f(xlator.Event{Kind: xlator.ChildUp})
	}
}

// Close closes the newest generation and waits for those before it.
func (l *live) Close() error {
	l.stop()
	l.moving.Wait()
	l.cur.Load().drop()
	l.closing.Wait()
	return nil
}

// liveDir keeps its generation until it is closed.
type liveDir struct {
	xlator.Dir
	g *generation
}

func (d *liveDir) Close() error {
	defer d.g.drop()
	return d.Dir.Close()
}
