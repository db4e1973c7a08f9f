package dht

import (
	"context"
	"sync"
	"syscall"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// where returns what is known about an inode, asking all subvolumes if nothing is.
func (d *distribute) where(ctx context.Context, q *fop.Req, g fop.GFID) (*inodeCtx, error) {
	if c := d.ctx.get(g); c != nil {
		return c, nil
	}
	if _, err := d.discover(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, GFID: g, Want: lookupWant}); err != nil {
		return nil, err
	}
	if c := d.ctx.get(g); c != nil {
		return c, nil
	}
	return nil, syscall.ESTALE
}

// onFile does a fop on the subvolume that has the file. If it is not there any more it
// is looked for once.
func onFile[R any](ctx context.Context, d *distribute, q *fop.Req, g fop.GFID, do func(i int) (R, error)) (R, error) {
	var zero R
	c, err := d.where(ctx, q, g)
	if err != nil {
		return zero, err
	}
	r, err := do(c.cached)
	if !fop.IsGone(err) {
		return r, err
	}
	d.ctx.drop(g)
	again, e := d.where(ctx, q, g)
	if e != nil || again.isDir() || again.cached == c.cached {
		return zero, err
	}
	return do(again.cached)
}

// onDir changes a directory: on the copy whose attributes count first, then on the
// others. One of these failing is no error, but is noted in the mds xattr, so that a
// lookup evens them out.
func onDir[R any](ctx context.Context, d *distribute, q *fop.Req, g fop.GFID, c *inodeCtx, do func(i int) (R, error)) (R, error) {
	r, err := do(c.mds)
	if err != nil {
		return r, err
	}
	ctx = context.WithoutCancel(ctx)
	for _, a := range on(d.but(c.mds), do) {
		if a.Err == nil || fop.Errno(a.Err) == syscall.ENODATA {
			continue
		}
		if _, err := d.subs[c.mds].Xattrop(ctx, &fop.XattropReq{Req: rootCaller(q), GFID: g, Op: fop.XattropAdd32,
			Deltas: []fop.Xattr{{Name: layout.MDSXattr, Value: []byte{0xff, 0xff, 0xff, 0xff}}}}); err != nil {
			d.log.Error("a directory's copies differ and that could not be noted", "gfid", g, "op_errno", fop.Errno(err))
		}
		break
	}
	return r, nil
}

// change does a modifying fop on a file's subvolume or on all copies of a directory.
func change[R any](ctx context.Context, d *distribute, q *fop.Req, g fop.GFID, do func(i int) (R, error)) (R, error) {
	if d.single() {
		return do(0)
	}
	c, err := d.where(ctx, q, g)
	if err != nil {
		var zero R
		return zero, err
	}
	if c.isDir() {
		return onDir(ctx, d, q, g, c, do)
	}
	return onFile(ctx, d, q, g, do)
}

// read does a reading fop on a file's subvolume or on one copy of a directory.
func read[R any](ctx context.Context, d *distribute, q *fop.Req, g fop.GFID, do func(i int) (R, error)) (R, error) {
	if d.single() {
		return do(0)
	}
	c, err := d.where(ctx, q, g)
	if err != nil {
		var zero R
		return zero, err
	}
	if !c.isDir() {
		return onFile(ctx, d, q, g, do)
	}
	r, err := do(c.mds)
	for i := 0; i < len(d.subs) && fop.IsDown(err); i++ {
		if i != c.mds {
			r, err = do(i)
		}
	}
	return r, err
}

func (d *distribute) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	if d.single() {
		r, err := d.subs[0].Stat(ctx, q)
		if err == nil && r.Iatt.IsDir() {
			showDir(&r.Iatt)
		}
		return r, err
	}
	c, err := d.where(ctx, &q.Req, q.GFID)
	if err != nil {
		return nil, err
	}
	if c.isDir() {
		l, err := d.discover(ctx, &fop.LookupReq{Req: q.Req, GFID: q.GFID, Want: lookupWant})
		if err != nil {
			return nil, err
		}
		return &fop.StatReply{Iatt: l.Iatt}, nil
	}
	return onFile(ctx, d, &q.Req, q.GFID, func(i int) (*fop.StatReply, error) { return d.subs[i].Stat(ctx, q) })
}

// Setattr answers for a directory with the latest times of its copies, as lookup does:
// names are made on one copy, whose times then are later than those of the others.
func (d *distribute) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	var mu sync.Mutex
	var latest fop.Iatt // guarded by mu
	r, err := change(ctx, d, &q.Req, q.GFID, func(i int) (*fop.InodeReply, error) {
		r, err := d.subs[i].Setattr(ctx, q)
		if err == nil && r.Post.IsDir() {
			mu.Lock()
			defer mu.Unlock()
			latest.Atime, latest.Mtime, latest.Ctime = latest.Atime.Later(r.Post.Atime), latest.Mtime.Later(r.Post.Mtime), latest.Ctime.Later(r.Post.Ctime)
		}
		return r, err
	})
	if err == nil && r.Post.IsDir() {
		r.Post.Atime, r.Post.Mtime, r.Post.Ctime = latest.Atime, latest.Mtime, latest.Ctime
		showDir(&r.Pre)
		showDir(&r.Post)
	}
	return r, err
}

func (d *distribute) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return read(ctx, d, &q.Req, q.GFID, func(i int) (*fop.InodeReply, error) { return d.subs[i].Truncate(ctx, q) })
}

func (d *distribute) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return read(ctx, d, &q.Req, q.GFID, func(i int) (*fop.ReadlinkReply, error) { return d.subs[i].Readlink(ctx, q) })
}

func (d *distribute) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return read(ctx, d, &q.Req, q.GFID, func(i int) (*fop.GetxattrReply, error) { return d.subs[i].Getxattr(ctx, q) })
}

func (d *distribute) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return change(ctx, d, &q.Req, q.GFID, func(i int) (*fop.InodeReply, error) { return d.subs[i].Setxattr(ctx, q) })
}

func (d *distribute) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return change(ctx, d, &q.Req, q.GFID, func(i int) (*fop.InodeReply, error) { return d.subs[i].Removexattr(ctx, q) })
}

func (d *distribute) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return change(ctx, d, &q.Req, q.GFID, func(i int) (*fop.XattropReply, error) { return d.subs[i].Xattrop(ctx, q) })
}

func (d *distribute) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	return read(ctx, d, &q.Req, q.GFID, func(i int) (*xlator.OpenReply, error) { return d.subs[i].Open(ctx, q) })
}

// Inodelk and Entrylk of the layers above go where the inode's state lives.
func (d *distribute) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return d.locked(ctx, &q.Req, q.GFID, func(i int) (*fop.LockReply, error) { return d.subs[i].Inodelk(ctx, q) })
}

func (d *distribute) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return d.locked(ctx, &q.Req, q.GFID, func(i int) (*fop.LockReply, error) { return d.subs[i].Entrylk(ctx, q) })
}

// locked takes a lock on a file's subvolume, or on the copy of a directory that
// counts, and nowhere else: two clients must meet.
func (d *distribute) locked(ctx context.Context, q *fop.Req, g fop.GFID, do func(i int) (*fop.LockReply, error)) (*fop.LockReply, error) {
	if d.single() {
		return do(0)
	}
	c, err := d.where(ctx, q, g)
	if err != nil {
		return nil, err
	}
	if c.isDir() {
		return do(c.mds)
	}
	return do(c.cached)
}

func (d *distribute) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	if d.single() {
		return d.subs[0].Release(ctx, q)
	}
	out := &fop.ReleaseReply{Errnos: make([]uint32, len(q.Items))}
	for k, it := range q.Items {
		one := &fop.ReleaseReq{Req: q.Req, Sync: q.Sync, Items: []fop.ReleaseItem{it}}
		r, err := read(ctx, d, &q.Req, it.GFID, func(i int) (*fop.ReleaseReply, error) { return d.subs[i].Release(ctx, one) })
		if err != nil {
			out.Errnos[k] = uint32(fop.Errno(err))
		} else if len(r.Errnos) == 1 {
			out.Errnos[k] = r.Errnos[0]
		}
	}
	return out, nil
}

func (d *distribute) Forget(ctx context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	for _, g := range q.GFIDs {
		d.ctx.drop(g)
	}
	for _, s := range d.subs {
		s.Forget(ctx, q) // a hint; nothing depends on it
	}
	return &fop.Empty{}, nil
}

// Disconnect does not come here: dht lives in clients.
func (d *distribute) Disconnect(ctx context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}
