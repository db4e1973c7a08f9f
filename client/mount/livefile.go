package mount

import (
	"context"
	"sync"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// mover opens files again on a new graph: whoever opened them was let in.
var mover = fop.Caller{PID: -1}

// liveFile is an open file that follows the newest generation.
type liveFile struct {
	l     *live
	gfid  fop.GFID
	flags uint32

	mu     sync.Mutex
	at     *place // where it is open
	stays  bool   // it does not move any more
	moving bool   // somebody moves it
	closed bool
}

// place is a file open on one generation. It closes when its last user is done.
type place struct {
	g    *generation // with a reference
	file xlator.File
	refs int // guarded by liveFile.mu; 1 for being the file's place
}

var _ xlator.File = (*liveFile)(nil)

// newLiveFile takes over the reference to g. If that is not the newest generation any more
// the file is moved, as those were that were open before.
func newLiveFile(ctx context.Context, g *generation, f xlator.File, gfid fop.GFID, flags uint32) *liveFile {
	flags &^= syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC
	lf := &liveFile{l: g.l, gfid: gfid, flags: flags, at: &place{g: g, file: f, refs: 1}}
	g.l.filesMu.Lock()
	g.l.files[lf] = true
	g.l.filesMu.Unlock()
	if g.l.cur.Load() != g {
		lf.move(ctx)
	}
	return lf
}

// move moves the file to the newest generation if it is still open.
func (f *liveFile) move(ctx context.Context) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	f.at.refs++ // Close has to leave it until this is done
	kept := f.at
	f.mu.Unlock()
	for range 3 { // graphs may be replaced one after the other
		p := f.use(ctx)
		there := p.g == f.l.cur.Load()
		f.release(p)
		if there {
			break
		}
	}
	f.release(kept)
}

// use returns where the file is open, after moving it if there is a newer generation.
func (f *liveFile) use(ctx context.Context) *place {
	f.mu.Lock()
	if f.stays || f.moving || f.at.g == f.l.cur.Load() {
		defer f.mu.Unlock()
		f.at.refs++
		return f.at
	}
	f.moving = true // others go on where the file is
	f.mu.Unlock()
	g := f.l.use()
	file, err := f.reopen(ctx, g.top)
	var left *place
	if err == nil {
		left = &place{g: g, file: file, refs: 1}
	} else {
		g.drop()
	}
	f.mu.Lock()
	f.moving = false
	switch {
	case err != nil:
		f.stays = fop.IsGone(err) // anything else may pass
	case !f.stays && !f.closed: // no lock was taken meanwhile
		f.at, left = left, f.at
	}
	f.at.refs++
	p := f.at
	f.mu.Unlock()
	if left != nil {
		f.release(left)
	}
	return p
}

// reopen opens the file on another graph. If the volume has become read-only, what was
// open for writing can be read on, and written again when it no longer is.
func (f *liveFile) reopen(ctx context.Context, top xlator.Xlator) (xlator.File, error) {
	q := &fop.OpenReq{Req: fop.Req{Caller: &mover}, GFID: f.gfid, Flags: f.flags}
	r, err := top.Open(ctx, q)
	if err == nil {
		return r.File, nil
	}
	if fop.Errno(err) != syscall.EROFS {
		return nil, err
	}
	q.Flags = f.flags&^(syscall.O_ACCMODE|syscall.O_APPEND) | syscall.O_RDONLY
	if r, err = top.Open(ctx, q); err != nil {
		return nil, err
	}
	return &frozenFile{xlator.PassFile{Child: r.File}}, nil
}

// frozenFile is a file that was opened for writing on a volume that is read-only now.
type frozenFile struct{ xlator.PassFile }

func (*frozenFile) Writev(context.Context, *fop.WritevReq) (*fop.WritevReply, error) {
	return nil, syscall.EROFS
}

func (*frozenFile) Fallocate(context.Context, *fop.FallocateReq) (*fop.InodeReply, error) {
	return nil, syscall.EROFS
}

func (f *frozenFile) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	if _, frozen := dst.(*frozenFile); frozen {
		return nil, syscall.EROFS
	}
	return f.Child.CopyFileRange(ctx, q, dst)
}

// release gives a reference back.
func (f *liveFile) release(p *place) {
	f.mu.Lock()
	p.refs--
	last := p.refs == 0
	f.mu.Unlock()
	if last {
		p.file.Close()
		p.g.drop()
	}
}

// onFile performs a fop where the file is.
func onFile[Q, R any](ctx context.Context, f *liveFile, do func(xlator.File, context.Context, Q) (R, error), q Q) (R, error) {
	p := f.use(ctx)
	defer f.release(p)
	return do(p.file, ctx, q)
}

func (f *liveFile) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	return onFile(ctx, f, xlator.File.Readv, q)
}

func (f *liveFile) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	return onFile(ctx, f, xlator.File.Writev, q)
}

func (f *liveFile) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return onFile(ctx, f, xlator.File.Fsync, q)
}

func (f *liveFile) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	return onFile(ctx, f, xlator.File.Flush, q)
}

func (f *liveFile) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	return onFile(ctx, f, xlator.File.Fallocate, q)
}

func (f *liveFile) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return onFile(ctx, f, xlator.File.Seek, q)
}

func (f *liveFile) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return onFile(ctx, f, xlator.File.Rchecksum, q)
}

// Lk keeps the file where its locks are.
func (f *liveFile) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	if q.Cmd != fop.LkGet && q.Type != fop.LkUnlock {
		f.mu.Lock()
		f.stays = true
		f.mu.Unlock()
	}
	return onFile(ctx, f, xlator.File.Lk, q)
}

// CopyFileRange copies on the bricks if both files are on the same generation.
func (f *liveFile) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*liveFile)
	if !ok {
		return nil, syscall.EXDEV
	}
	from, to := f.use(ctx), d.use(ctx)
	defer f.release(from)
	defer d.release(to)
	if from.g != to.g {
		return nil, syscall.EXDEV
	}
	if _, frozen := to.file.(*frozenFile); frozen {
		return nil, syscall.EROFS
	}
	return from.file.CopyFileRange(ctx, q, to.file)
}

// Close closes the file where it is.
func (f *liveFile) Close() error {
	f.l.filesMu.Lock()
	delete(f.l.files, f)
	f.l.filesMu.Unlock()
	f.mu.Lock()
	f.closed = true
	at := f.at
	f.mu.Unlock()
	f.release(at)
	return nil
}
