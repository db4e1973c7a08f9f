package client

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.Beginner = (*client)(nil)

// Begin sends the request of a fop that changes entries; those come to all bricks of a replica
// set at once.
func (c *client) Begin(ctx context.Context, q any) func() (any, error) {
	switch q := q.(type) {
	case *fop.CreateReq:
		return untyped(c.beginCreate(ctx, q))
	case *fop.MkdirReq:
		return untyped(beginEntry(ctx, c, &wire.Mkdir, q))
	case *fop.MknodReq:
		return untyped(beginEntry(ctx, c, &wire.Mknod, q))
	case *fop.SymlinkReq:
		return untyped(beginEntry(ctx, c, &wire.Symlink, q))
	case *fop.LinkReq:
		return untyped(beginEntry(ctx, c, &wire.Link, q))
	case *fop.UnlinkReq:
		return untyped(begin(ctx, c, &wire.Unlink, q))
	case *fop.RmdirReq:
		return untyped(begin(ctx, c, &wire.Rmdir, q))
	case *fop.RenameReq:
		return untyped(begin(ctx, c, &wire.Rename, q))
	}
	return nil
}

func untyped[R any](wait func() (*R, error)) func() (any, error) {
	return func() (any, error) { return wait() }
}

// begin sends a fop that is not on a handle; wait returns its answer.
func begin[Q, R any](ctx context.Context, c *client, f *wire.Fop[Q, R], q *Q) (wait func() (*R, error)) {
	s, err := c.session(f.Base(q))
	if err != nil {
		return func() (*R, error) { return nil, err }
	}
	return start(ctx, s, f, q, transfer{})
}

// beginEntry is begin for the fops that make an entry.
func beginEntry[Q any](ctx context.Context, c *client, f *wire.Fop[Q, fop.EntryReply], q *Q) (wait func() (*fop.EntryReply, error)) {
	s, err := c.session(f.Base(q))
	if err != nil {
		return func() (*fop.EntryReply, error) { return nil, err }
	}
	answer := start(ctx, s, f, q, transfer{})
	return func() (*fop.EntryReply, error) {
		r, err := answer()
		if err == nil {
			r.Session = s.id
		}
		return r, err
	}
}

func (c *client) beginCreate(ctx context.Context, q *fop.CreateReq) (wait func() (*xlator.CreateReply, error)) {
	s, err := c.session(&q.Req)
	if err != nil {
		return func() (*xlator.CreateReply, error) { return nil, err }
	}
	f := c.newFile(q.GFID, q.Flags)
	answer := start(ctx, s, &wire.Create, q, transfer{handle: f.id, keep: true})
	return func() (*xlator.CreateReply, error) {
		r, err := answer()
		if err != nil {
			return nil, err
		}
		if !c.adopt(s, f.id, f) {
			return nil, syscall.ENOTCONN
		}
		r.Session = s.id
		return &xlator.CreateReply{EntryReply: *r, File: f}, nil
	}
}
