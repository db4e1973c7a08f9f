package client

import (
	"context"
	"fmt"
	"syscall"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.Batcher = (*client)(nil)

// A part is one request of a batch: its message, and what its answer means.
type part struct {
	req    *fop.Req
	item   wire.BatchItem
	answer func(session uint64, msg []byte) (any, error)
}

// Batch implements xlator.Batcher.
func (c *client) Batch(ctx context.Context, qs []any) []xlator.Result[any] {
	out := make([]xlator.Result[any], len(qs))
	fail := func(err error) []xlator.Result[any] {
		for i := range out {
			out[i] = xlator.Result[any]{Err: err}
		}
		return out
	}
	parts := make([]part, len(qs))
	b := &wire.BatchReq{Items: make([]wire.BatchItem, len(qs))}
	for i, q := range qs {
		var err error
		if parts[i], err = partOf(q); err != nil {
			return fail(err)
		}
		b.Items[i] = parts[i].item
		b.Session = max(b.Session, parts[i].req.Session)
	}
	s, err := c.session(&b.Req)
	if err != nil {
		return fail(err)
	}
	// Locks may have been granted, so the answer is awaited.
	r, err := do(ctx, s, &wire.Batch, b, transfer{keep: true})
	if err == nil && len(r.Items) != len(qs) {
		err = fmt.Errorf("answer of the brick to %d requests has %d: %w", len(qs), len(r.Items), syscall.EIO)
	}
	if err != nil {
		return fail(err)
	}
	for i := range out {
		if a := &r.Items[i]; a.Errno != 0 {
			out[i].Err = syscall.Errno(a.Errno)
		} else {
			out[i].Reply, out[i].Err = parts[i].answer(s.id, a.Message)
		}
	}
	return out
}

func partOf(q any) (part, error) {
	switch q := q.(type) {
	case *fop.LookupReq:
		return newPart(&wire.Lookup, q, nil)
	case *fop.GetxattrReq:
		return newPart(&wire.Getxattr, q, nil)
	case *fop.XattropReq:
		return newPart(&wire.Xattrop, q, nil)
	case *fop.MknodReq:
		return newPart(&wire.Mknod, q, func(r *fop.EntryReply, session uint64) { r.Session = session })
	case *fop.InodelkReq:
		return newPart(&wire.Inodelk, q, func(r *fop.LockReply, session uint64) { r.Session = session })
	}
	return part{}, fmt.Errorf("%T cannot be in a batch: %w", q, syscall.EOPNOTSUPP)
}

// newPart makes the part of one request; note, if there is one, sees the answer.
func newPart[Q, R any](f *wire.Fop[Q, R], q *Q, note func(r *R, session uint64)) (part, error) {
	msg, err := f.Req.Append(nil, q)
	if err != nil {
		return part{}, fmt.Errorf("%w: %v", syscall.EINVAL, err)
	}
	return part{f.Base(q), wire.BatchItem{Op: f.Op, Message: msg}, func(session uint64, msg []byte) (any, error) {
		r, err := f.Reply.Parse(msg)
		if err != nil {
			return nil, fmt.Errorf("answer of the brick: %w: %v", syscall.EIO, err)
		}
		if note != nil {
			note(r, session)
		}
		return r, nil
	}}, nil
}
