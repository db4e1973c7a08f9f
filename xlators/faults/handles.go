package faults

import (
	"context"
	"sync"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A file is an open file. While the connection is lost it is closed at the child.
type file struct {
	x     *Faults
	gfid  fop.GFID
	flags uint32

	mu     sync.Mutex
	child  xlator.File // guarded by mu; nil while the connection is lost, and when closed
	broken bool        // guarded by mu: it could not be opened again
	closed bool        // guarded by mu
}

// adopt remembers a handle made in a session (0: whichever); false if that is lost.
func (x *Faults) adopt(h handle, session uint64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.client != 0 && (x.conn == nil || session != 0 && session != x.session) {
		return false
	}
	x.opened++
	x.handles[h] = x.opened
	return true
}

func (x *Faults) forget(h handle) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.handles, h)
}

func (f *file) lost() {
	f.mu.Lock()
	c := f.child
	f.child = nil
	f.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

func (f *file) reopen() {
	r, err := f.x.Child.Open(context.Background(), &fop.OpenReq{Req: fop.Req{Caller: &fop.Caller{Client: f.x.client}}, GFID: f.gfid, Flags: f.flags})
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		f.broken = true
	case f.closed || f.broken:
		r.File.Close()
	default:
		f.child = r.File
	}
}

// current returns the child's file. EBADFD: it was lost in a reconnect.
func (f *file) current() (xlator.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.broken:
		return nil, syscall.EBADFD
	case f.child == nil:
		return nil, syscall.ENOTCONN
	}
	return f.child, nil
}

// onFile performs one fop of an open file.
func onFile[Q, R any](f *file, op fop.Fop, do func(xlator.File, context.Context, *Q) (R, error), ctx context.Context, q *Q) (R, error) {
	return inject(f.x, op, func(ctx context.Context, q *Q) (R, error) {
		c, err := f.current()
		if err != nil {
			var zero R
			return zero, err
		}
		return do(c, ctx, q)
	}, ctx, q)
}

func (f *file) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	return onFile(f, fop.OpReadv, xlator.File.Readv, ctx, q)
}

func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	return onFile(f, fop.OpWritev, xlator.File.Writev, ctx, q)
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return onFile(f, fop.OpFsync, xlator.File.Fsync, ctx, q)
}

func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	return onFile(f, fop.OpFlush, xlator.File.Flush, ctx, q)
}

func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	return onFile(f, fop.OpFallocate, xlator.File.Fallocate, ctx, q)
}

func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return onFile(f, fop.OpSeek, xlator.File.Seek, ctx, q)
}

func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	return onFile(f, fop.OpLk, xlator.File.Lk, ctx, q)
}

func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return onFile(f, fop.OpRchecksum, xlator.File.Rchecksum, ctx, q)
}

func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok {
		return nil, syscall.EXDEV
	}
	return onFile(f, fop.OpCopyFileRange, func(c xlator.File, ctx context.Context, q *fop.CopyRangeReq) (*fop.CopyRangeReply, error) {
		to, err := d.current()
		if err != nil {
			return nil, err
		}
		return c.CopyFileRange(ctx, q, to)
	}, ctx, q)
}

func (f *file) Close() error {
	f.x.forget(f)
	f.mu.Lock()
	c := f.child
	f.child, f.closed = nil, true
	f.mu.Unlock()
	if c != nil {
		return c.Close()
	}
	return nil
}

// A dir is an open directory.
type dir struct {
	x    *Faults
	gfid fop.GFID

	mu     sync.Mutex
	child  xlator.Dir // guarded by mu; as file's
	broken bool       // guarded by mu
	closed bool       // guarded by mu
}

func (d *dir) lost() {
	d.mu.Lock()
	c := d.child
	d.child = nil
	d.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

func (d *dir) reopen() {
	r, err := d.x.Child.Opendir(context.Background(), &fop.OpendirReq{Req: fop.Req{Caller: &fop.Caller{Client: d.x.client}}, GFID: d.gfid})
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil:
		d.broken = true
	case d.closed || d.broken:
		r.Dir.Close()
	default:
		d.child = r.Dir
	}
}

func (d *dir) current() (xlator.Dir, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.broken:
		return nil, syscall.EBADFD
	case d.child == nil:
		return nil, syscall.ENOTCONN
	}
	return d.child, nil
}

func (d *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	return inject(d.x, fop.OpReaddirp, func(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
		c, err := d.current()
		if err != nil {
			return nil, err
		}
		return c.Readdirp(ctx, q)
	}, ctx, q)
}

func (d *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	return inject(d.x, fop.OpFsyncdir, func(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
		c, err := d.current()
		if err != nil {
			return nil, err
		}
		return c.Fsync(ctx, q)
	}, ctx, q)
}

func (d *dir) Close() error {
	d.x.forget(d)
	d.mu.Lock()
	c := d.child
	d.child, d.closed = nil, true
	d.mu.Unlock()
	if c != nil {
		return c.Close()
	}
	return nil
}
