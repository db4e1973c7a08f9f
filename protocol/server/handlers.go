package server

import (
	"context"
	"fmt"
	"syscall"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// handler performs one call and replies to it.
type handler func(q *request)

// handlers is the dispatch table. It is not changed.
var handlers = [wire.OpEnd]handler{
	wire.OpLookup:      plain(&wire.Lookup, xlator.Xlator.Lookup),
	wire.OpMkdir:       plain(&wire.Mkdir, xlator.Xlator.Mkdir),
	wire.OpMknod:       plain(&wire.Mknod, xlator.Xlator.Mknod),
	wire.OpSymlink:     plain(&wire.Symlink, xlator.Xlator.Symlink),
	wire.OpLink:        plain(&wire.Link, xlator.Xlator.Link),
	wire.OpUnlink:      plain(&wire.Unlink, xlator.Xlator.Unlink),
	wire.OpRmdir:       plain(&wire.Rmdir, xlator.Xlator.Rmdir),
	wire.OpRename:      plain(&wire.Rename, xlator.Xlator.Rename),
	wire.OpStat:        plain(&wire.Stat, xlator.Xlator.Stat),
	wire.OpSetattr:     plain(&wire.Setattr, xlator.Xlator.Setattr),
	wire.OpTruncate:    plain(&wire.Truncate, xlator.Xlator.Truncate),
	wire.OpReadlink:    plain(&wire.Readlink, xlator.Xlator.Readlink),
	wire.OpStatfs:      plain(&wire.Statfs, xlator.Xlator.Statfs),
	wire.OpGetxattr:    getxattr,
	wire.OpSetxattr:    plain(&wire.Setxattr, xlator.Xlator.Setxattr),
	wire.OpRemovexattr: plain(&wire.Removexattr, xlator.Xlator.Removexattr),
	wire.OpXattrop:     plain(&wire.Xattrop, xlator.Xlator.Xattrop),
	wire.OpRelease:     plain(&wire.Release, xlator.Xlator.Release),
	wire.OpBatch:       batch,
	wire.OpForget:      plain(&wire.Forget, xlator.Xlator.Forget),
	wire.OpInodelk:     locking(&wire.Inodelk, xlator.Xlator.Inodelk, func(q *fop.InodelkReq) bool { return q.Cmd == fop.LockWait }),
	wire.OpEntrylk:     locking(&wire.Entrylk, xlator.Xlator.Entrylk, func(q *fop.EntrylkReq) bool { return q.Cmd == fop.LockWait }),

	wire.OpCreate:  create,
	wire.OpOpen:    open,
	wire.OpOpendir: opendir,

	wire.OpReadv:         readv,
	wire.OpWritev:        writev,
	wire.OpFsync:         onFile(&wire.Fsync, xlator.File.Fsync),
	wire.OpFlush:         onFile(&wire.Flush, xlator.File.Flush),
	wire.OpFallocate:     onFile(&wire.Fallocate, xlator.File.Fallocate),
	wire.OpSeek:          onFile(&wire.Seek, xlator.File.Seek),
	wire.OpRchecksum:     onFile(&wire.Rchecksum, xlator.File.Rchecksum),
	wire.OpLk:            lk,
	wire.OpCopyFileRange: copyFileRange,
	wire.OpReaddirp:      onDir(&wire.Readdirp, xlator.Dir.Readdirp),
	wire.OpFsyncdir:      onDir(&wire.Fsyncdir, xlator.Dir.Fsync),
}

// mayWait says which fops can wait for a lock and so can be cancelled.
func mayWait(op wire.Op) bool {
	return op == wire.OpInodelk || op == wire.OpEntrylk || op == wire.OpLk
}

// parse reads a request's message. A malformed one ends the connection.
func parse[Q, R any](q *request, f *wire.Fop[Q, R]) *Q {
	var b []byte
	if q.msg != nil {
		b = q.msg.B
	}
	m, err := f.Req.Parse(b)
	if err != nil {
		q.c.abort(fmt.Errorf("op %d: %w", f.Op, err))
		return nil
	}
	caller := f.Base(m).Caller
	caller.Client = q.c.id
	q.caller.Store(caller)
	q.program = q.c.s.programs.begin(f.Op, caller)
	return m
}

// reply answers a call; payload is no longer used when it returns.
func reply[Q, R any](q *request, f *wire.Fop[Q, R], r *R, err error, payload []byte) {
	if err != nil {
		q.fail(err)
		return
	}
	q.replied = true
	if q.h.ID == 0 {
		return
	}
	head := q.c.s.pool.Get(wire.HeaderSize)
	if head.B, err = f.Reply.Append(head.B, r); err == nil && len(head.B) > wire.MaxReply {
		err = syscall.EMSGSIZE
	}
	if err != nil {
		head.Free()
		q.replied = false
		q.fail(err)
		return
	}
	q.c.send(wire.Header{Kind: wire.KindReply, Op: q.h.Op, ID: q.h.ID}, head, payload)
}

// fail answers a call with an error, unless it was answered already.
func (q *request) fail(err error) {
	if q.replied || q.h.ID == 0 {
		return
	}
	q.replied = true
	h := wire.Header{Kind: wire.KindReply, Op: q.h.Op, ID: q.h.ID, Errno: fop.Errno(err)}
	q.c.send(h, q.c.s.pool.Get(wire.HeaderSize), nil)
}

// plain handles a fop that is not on a handle.
func plain[Q, R any](f *wire.Fop[Q, R], do func(xlator.Xlator, context.Context, *Q) (*R, error)) handler {
	return func(q *request) {
		if m := parse(q, f); m != nil {
			r, err := do(q.c.s.top, q.ctx, m)
			reply(q, f, r, err, nil)
		}
	}
}

// locking handles Inodelk and Entrylk.
func locking[Q, R any](f *wire.Fop[Q, R], do func(xlator.Xlator, context.Context, *Q) (*R, error), waits func(*Q) bool) handler {
	return func(q *request) {
		m := parse(q, f)
		if m == nil {
			return
		}
		if waits(m) {
			if err := q.wait(); err != nil {
				q.fail(err)
				return
			}
		}
		r, err := do(q.c.s.top, q.ctx, m)
		reply(q, f, r, err, nil)
	}
}

// onFile handles a fop on an open file.
func onFile[Q, R any](f *wire.Fop[Q, R], do func(xlator.File, context.Context, *Q) (*R, error)) handler {
	return func(q *request) {
		m := parse(q, f)
		if m == nil {
			return
		}
		h := q.file()
		if h == nil {
			return
		}
		defer q.c.put(h)
		r, err := do(h.file, q.ctx, m)
		reply(q, f, r, err, nil)
	}
}

// file returns the file that q is on, with a reference, or replies EBADF.
func (q *request) file() *handle {
	h, err := q.c.use(q.h.Handle)
	if err == nil && h.file == nil {
		q.c.put(h)
		err = syscall.EBADF
	}
	if err != nil {
		q.fail(err)
		return nil
	}
	return h
}

// onDir handles a fop on an open directory.
func onDir[Q, R any](f *wire.Fop[Q, R], do func(xlator.Dir, context.Context, *Q) (*R, error)) handler {
	return func(q *request) {
		m := parse(q, f)
		if m == nil {
			return
		}
		h, err := q.c.use(q.h.Handle)
		if err != nil {
			q.fail(err)
			return
		}
		defer q.c.put(h)
		if h.dir == nil {
			q.fail(syscall.EBADF)
			return
		}
		r, err := do(h.dir, q.ctx, m)
		reply(q, f, r, err, nil)
	}
}

// opening reserves the handle, lets do open it, and takes it back if that fails.
func (q *request) opening(do func(h *handle) error) {
	c := q.c
	h, err := c.reserve(q.h.Handle)
	if err != nil {
		q.fail(err)
		return
	}
	done := false
	defer func() { // after a panic too
		if !done {
			c.unreserve(q.h.Handle)
		}
		c.put(h)
	}()
	if err := do(h); err != nil {
		q.fail(err)
		return
	}
	done = true
}

// install makes an opened file or directory usable.
func (c *conn) install(h *handle, g fop.GFID, flags uint32, pid int32, file xlator.File, dir xlator.Dir) {
	c.mu.Lock()
	h.gfid, h.flags, h.pid, h.file, h.dir = g, flags, pid, file, dir
	c.mu.Unlock()
}

func create(q *request) {
	m := parse(q, &wire.Create)
	if m == nil {
		return
	}
	q.opening(func(h *handle) error {
		r, err := q.c.s.top.Create(q.ctx, m)
		if err != nil {
			return err
		}
		q.c.install(h, m.GFID, m.Flags, m.Caller.PID, r.File, nil)
		reply(q, &wire.Create, &r.EntryReply, nil, nil)
		return nil
	})
}

func open(q *request) {
	m := parse(q, &wire.Open)
	if m == nil {
		return
	}
	m.Content = min(m.Content, wire.MaxPayload)
	q.opening(func(h *handle) error {
		r, err := q.c.s.top.Open(q.ctx, m)
		if err != nil {
			return err
		}
		q.c.install(h, m.GFID, m.Flags, m.Caller.PID, r.File, nil)
		reply(q, &wire.Open, &wire.OpenReply{OpenAnswer: r.OpenAnswer, HasContent: r.Content != nil}, nil, r.Content)
		return nil
	})
}

func opendir(q *request) {
	m := parse(q, &wire.Opendir)
	if m == nil {
		return
	}
	q.opening(func(h *handle) error {
		r, err := q.c.s.top.Opendir(q.ctx, m)
		if err != nil {
			return err
		}
		q.c.install(h, m.GFID, syscall.O_DIRECTORY, m.Caller.PID, nil, r.Dir)
		reply(q, &wire.Opendir, &wire.DirReply{Iatt: r.Iatt}, nil, nil)
		return nil
	})
}

func readv(q *request) {
	m := parse(q, &wire.Readv)
	if m == nil {
		return
	}
	if m.Size > wire.MaxPayload {
		q.fail(syscall.EINVAL)
		return
	}
	h := q.file()
	if h == nil {
		return
	}
	defer q.c.put(h)
	buf := q.c.s.pool.Get(int(m.Size))
	defer buf.Free()
	r, err := h.file.Readv(q.ctx, &fop.ReadvReq{Req: m.Req, Off: m.Off, Buf: buf.B})
	if err != nil {
		q.fail(err)
		return
	}
	reply(q, &wire.Readv, r, nil, buf.B[:r.N])
}

func writev(q *request) {
	m := parse(q, &wire.Writev)
	if m == nil {
		return
	}
	h := q.file()
	if h == nil {
		return
	}
	defer q.c.put(h)
	if q.payload != nil {
		m.Data = q.payload.B
	}
	r, err := h.file.Writev(q.ctx, m)
	reply(q, &wire.Writev, r, err, nil)
}

func lk(q *request) {
	m := parse(q, &wire.Lk)
	if m == nil {
		return
	}
	h := q.file()
	if h == nil {
		return
	}
	defer q.c.put(h)
	if m.Cmd != fop.LkGet {
		q.c.mu.Lock()
		h.locked = true
		q.c.mu.Unlock()
	}
	if m.Cmd == fop.LkWait {
		if err := q.wait(); err != nil {
			q.fail(err)
			return
		}
	}
	r, err := h.file.Lk(q.ctx, m)
	reply(q, &wire.Lk, r, err, nil)
}

func copyFileRange(q *request) {
	m := parse(q, &wire.CopyFileRange)
	if m == nil {
		return
	}
	src := q.file()
	if src == nil {
		return
	}
	defer q.c.put(src)
	dst, err := q.c.use(m.Dst)
	if err != nil {
		q.fail(err)
		return
	}
	defer q.c.put(dst)
	if dst.file == nil {
		q.fail(syscall.EBADF)
		return
	}
	r, err := src.file.CopyFileRange(q.ctx, &m.CopyRangeReq, dst.file)
	reply(q, &wire.CopyFileRange, r, err, nil)
}
