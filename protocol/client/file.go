package client

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// restorer is on whose behalf handles are opened again: their users were let in when
// they opened them, and may have lost the permission since.
var restorer = fop.Caller{PID: -1}

// opened is what a File and a Dir have in common.
type opened struct {
	c    *client
	id   uint64 // the handle's number, the same in all sessions
	gfid fop.GFID
	// broken is the errno of all later fops, because a reconnect could not restore the
	// handle or its locks. It is set before ChildUp is told.
	broken atomic.Uint32
}

// session is client.session for a fop on this handle.
func (o *opened) session(q *fop.Req) (*session, error) {
	s, err := o.c.session(q)
	if err != nil {
		return nil, err
	}
	if e := o.broken.Load(); e != 0 {
		return nil, fmt.Errorf("handle lost in a reconnect: %w", syscall.Errno(e))
	}
	return s, nil
}

// on performs a fop on a handle.
func on[Q, R any](ctx context.Context, o *opened, f *wire.Fop[Q, R], q *Q, t transfer) (*R, error) {
	s, err := o.session(f.Base(q))
	if err != nil {
		return nil, err
	}
	t.handle = o.id
	return do(ctx, s, f, q, t)
}

// restored notes how reopening went. An error of the connection is left to the next
// session.
func (o *opened) restored(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil || fop.IsDown(err) {
		return
	}
	o.c.env.Log.Warn("open file lost in a reconnect", "gfid", o.gfid.String(), "reason", err)
	o.broken.Store(uint32(syscall.EBADFD))
}

// file is an open file.
type file struct {
	opened
	flags uint32 // to open it again with
}

var _ xlator.File = (*file)(nil)

// Create makes and opens a file.
func (c *client) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	return c.beginCreate(ctx, q)()
}

// Open opens a file.
func (c *client) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	s, err := c.session(&q.Req)
	if err != nil {
		return nil, err
	}
	f := c.newFile(q.GFID, q.Flags)
	var content []byte
	r, err := do(ctx, s, &wire.Open, q, transfer{handle: f.id, payload: &content, keep: true})
	if err != nil {
		return nil, err
	}
	if !c.adopt(s, f.id, f) {
		return nil, syscall.ENOTCONN
	}
	if r.HasContent {
		if r.Content = content; content == nil {
			r.Content = []byte{}
		}
	}
	return &xlator.OpenReply{OpenAnswer: r.OpenAnswer, File: f}, nil
}

func (c *client) newFile(gfid fop.GFID, flags uint32) *file {
	f := &file{flags: flags &^ (syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC)}
	f.c, f.id, f.gfid = c, c.lastHandle.Add(1), gfid
	return f
}

// reopen makes the file's handle known to a new session, and takes its locks again.
func (f *file) reopen(ctx context.Context, s *session) {
	if f.broken.Load() != 0 {
		return
	}
	q := &fop.OpenReq{Req: fop.Req{Caller: &restorer}, GFID: f.gfid, Flags: f.flags}
	_, err := do(ctx, s, &wire.Open, q, transfer{handle: f.id})
	for _, l := range f.c.locks.of(f.gfid, f.id) {
		if err != nil {
			break
		}
		l.Caller, l.Cmd = &restorer, fop.LkSet
		_, err = do(ctx, s, &wire.Lk, &l, transfer{handle: f.id})
	}
	f.restored(ctx, err)
}

// Readv reads straight from the socket into q.Buf.
func (f *file) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	var total int
	for {
		want := q.Buf[total:min(len(q.Buf), total+wire.MaxPayload)]
		var got []byte
		a := &wire.ReadvArgs{Req: q.Req, Off: q.Off + int64(total), Size: uint32(len(want))}
		r, err := on(ctx, &f.opened, &wire.Readv, a, transfer{into: want, payload: &got})
		if err != nil {
			return nil, err
		}
		total += len(got)
		if len(got) < len(want) || total == len(q.Buf) {
			r.N = total
			return r, nil
		}
	}
}

// Writev sends q.Data; a write above the size of a frame becomes several.
func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	if len(q.Data) <= wire.MaxPayload {
		return on(ctx, &f.opened, &wire.Writev, q, transfer{send: q.Data})
	}
	var all *fop.WritevReply
	for done := 0; done < len(q.Data); {
		part := *q
		part.Off += int64(done)
		part.Data = q.Data[done:min(len(q.Data), done+wire.MaxPayload)]
		r, err := on(ctx, &f.opened, &wire.Writev, &part, transfer{send: part.Data})
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = r
		} else {
			all.N, all.Post = all.N+r.N, r.Post
		}
		done += r.N
		if r.N < len(part.Data) {
			break
		}
	}
	return all, nil
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return on(ctx, &f.opened, &wire.Fsync, q, transfer{})
}

// Flush drops the POSIX locks of an owner.
func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	f.c.locks.flush(f.gfid, q.Owner)
	return on(ctx, &f.opened, &wire.Flush, q, transfer{})
}

func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	return on(ctx, &f.opened, &wire.Fallocate, q, transfer{})
}

func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return on(ctx, &f.opened, &wire.Seek, q, transfer{})
}

// Lk locks, and remembers what it locked for the next session.
func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	s, err := f.session(&q.Req)
	if err != nil {
		return nil, err
	}
	r, err := do(ctx, s, &wire.Lk, q, transfer{handle: f.id, keep: true})
	if err != nil || q.Cmd == fop.LkGet {
		return r, err
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.c.sess != s && q.Type != fop.LkUnlock {
		return nil, syscall.ENOTCONN // the lock went with the session that granted it
	}
	f.c.locks.record(f.gfid, f.id, q)
	return r, nil
}

// CopyFileRange copies on the brick, if dst is on the same one.
func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok || d.c != f.c {
		return nil, syscall.EXDEV
	}
	if _, err := d.session(&q.Req); err != nil {
		return nil, err
	}
	a := &wire.CopyRangeArgs{CopyRangeReq: *q, Dst: d.id}
	return on(ctx, &f.opened, &wire.CopyFileRange, a, transfer{})
}

func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return on(ctx, &f.opened, &wire.Rchecksum, q, transfer{})
}

// Close gives the handle up without waiting for the brick.
func (f *file) Close() error {
	f.c.locks.close(f.gfid, f.id)
	f.c.drop(f.id)
	return nil
}

// dir is an open directory.
type dir struct{ opened }

var _ xlator.Dir = (*dir)(nil)

// Opendir opens a directory.
func (c *client) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	s, err := c.session(&q.Req)
	if err != nil {
		return nil, err
	}
	d := &dir{}
	d.c, d.id, d.gfid = c, c.lastHandle.Add(1), q.GFID
	r, err := do(ctx, s, &wire.Opendir, q, transfer{handle: d.id, keep: true})
	if err != nil {
		return nil, err
	}
	if !c.adopt(s, d.id, d) {
		return nil, syscall.ENOTCONN
	}
	return &xlator.OpendirReply{Dir: d, Iatt: r.Iatt}, nil
}

func (d *dir) reopen(ctx context.Context, s *session) {
	if d.broken.Load() != 0 {
		return
	}
	q := &fop.OpendirReq{Req: fop.Req{Caller: &restorer}, GFID: d.gfid}
	_, err := do(ctx, s, &wire.Opendir, q, transfer{handle: d.id})
	d.restored(ctx, err)
}

func (d *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	return on(ctx, &d.opened, &wire.Readdirp, q, transfer{})
}

func (d *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	return on(ctx, &d.opened, &wire.Fsyncdir, q, transfer{})
}

// Close gives the handle up without waiting for the brick.
func (d *dir) Close() error {
	d.c.drop(d.id)
	return nil
}
