package afr

import (
	"context"
	"math"
	"strings"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// onInode runs a change of one inode under its lease.
func onInode[R any](ctx context.Context, r *replicate, q *fop.Req, g fop.GFID, key opKey, c *change, do func(i int, req fop.Req) (R, error)) (R, error) {
	in := r.inodes.get(g)
	defer r.inodes.put(in)
	var zero R
	l, err := r.begin(ctx, q, &in.data, key, c.class)
	if err != nil {
		return zero, err
	}
	defer r.end(l, key)
	c.leases = []*lease{l}
	if c.class == changelog.Data && c.span == (fop.Span{}) && !c.bricksPlace {
		c.span = key.span()
	}
	reply, _, err := transact(ctx, r, q, c, do)
	return reply, err
}

func (r *replicate) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return onInode(ctx, r, &q.Req, q.GFID, metaKey(), &change{class: changelog.Metadata},
		func(i int, req fop.Req) (*fop.InodeReply, error) {
			qq := *q
			qq.Req = req
			return r.children[i].Setattr(ctx, &qq)
		})
}

// Truncate changes data: nothing else may go on meanwhile.
func (r *replicate) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return onInode(ctx, r, &q.Req, q.GFID, rangeKey(0, math.MaxInt64), &change{class: changelog.Data, dataOnly: true, span: fop.From(int64(q.Size))},
		func(i int, req fop.Req) (*fop.InodeReply, error) {
			qq := *q
			qq.Req = req
			return r.children[i].Truncate(ctx, &qq)
		})
}

func (r *replicate) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	for _, x := range q.Xattrs {
		if strings.HasPrefix(x.Name, changelog.KeyPrefix) && !q.Internal {
			return nil, syscall.EPERM
		}
		if strings.HasPrefix(x.Name, splitPrefix) {
			return r.splitSet(ctx, q, x)
		}
	}
	return onInode(ctx, r, &q.Req, q.GFID, metaKey(), &change{class: changelog.Metadata},
		func(i int, req fop.Req) (*fop.InodeReply, error) {
			qq := *q
			qq.Req = req
			return r.children[i].Setxattr(ctx, &qq)
		})
}

func (r *replicate) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	for _, n := range q.Names {
		if strings.HasPrefix(n, changelog.KeyPrefix) && !q.Internal {
			return nil, syscall.EPERM
		}
	}
	return onInode(ctx, r, &q.Req, q.GFID, metaKey(), &change{class: changelog.Metadata},
		func(i int, req fop.Req) (*fop.InodeReply, error) {
			qq := *q
			qq.Req = req
			return r.children[i].Removexattr(ctx, &qq)
		})
}

// Xattrop changes counters of the layers above on all copies.
func (r *replicate) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return onInode(ctx, r, &q.Req, q.GFID, metaKey(), &change{class: changelog.Metadata},
		func(i int, req fop.Req) (*fop.XattropReply, error) {
			qq := *q
			qq.Req = req
			return r.children[i].Xattrop(ctx, &qq)
		})
}
