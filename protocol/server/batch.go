package server

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// batched performs one request of a batch and returns the message of its reply. An error
// that wraps wire.ErrMalformed ends the connection.
type batched func(q *request, msg []byte) ([]byte, error)

// inBatch is what may be in a batch. It is not changed.
var inBatch = map[wire.Op]batched{
	wire.OpLookup:   batchable(&wire.Lookup, xlator.Xlator.Lookup),
	wire.OpGetxattr: batchable(&wire.Getxattr, xlator.Xlator.Getxattr),
	wire.OpXattrop:  batchable(&wire.Xattrop, xlator.Xlator.Xattrop),
	wire.OpMknod:    batchable(&wire.Mknod, xlator.Xlator.Mknod),
	wire.OpInodelk: batchable(&wire.Inodelk, func(x xlator.Xlator, ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
		if q.Cmd == fop.LockWait { // all that follows would wait too
			return nil, syscall.EINVAL
		}
		return x.Inodelk(ctx, q)
	}),
}

func batchable[Q, R any](f *wire.Fop[Q, R], do func(xlator.Xlator, context.Context, *Q) (*R, error)) batched {
	return func(q *request, msg []byte) ([]byte, error) {
		m, err := f.Req.Parse(msg)
		if err != nil {
			return nil, fmt.Errorf("op %d in a batch: %w", f.Op, err)
		}
		f.Base(m).Caller.Client = q.c.id
		r, err := do(q.c.s.top, q.ctx, m)
		if err != nil {
			return nil, err
		}
		return f.Reply.Append(nil, r)
	}
}

// batch performs a batch. Its requests are one call: one place among those in flight.
func batch(q *request) {
	m := parse(q, &wire.Batch)
	if m == nil {
		return
	}
	r := &wire.BatchReply{Items: make([]wire.BatchAnswer, len(m.Items))}
	size := 0
	for i := range m.Items {
		a := &r.Items[i]
		do := inBatch[m.Items[i].Op]
		if do == nil {
			a.Errno = uint32(syscall.EOPNOTSUPP)
			continue
		}
		msg, err := do(q, m.Items[i].Message)
		if errors.Is(err, wire.ErrMalformed) {
			q.c.abort(err)
			return
		}
		if size += len(msg) + 16; err == nil && size > wire.MaxReply {
			err, msg = syscall.EMSGSIZE, nil
		}
		a.Errno, a.Message = uint32(fop.Errno(err)), msg
	}
	reply(q, &wire.Batch, r, nil, nil)
}
