package afr

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// lockChildren takes a lock of the layers above on all live children: at once if it is
// free everywhere, else one after the other in order. It is held if a quorum has it.
func (r *replicate) lockChildren(ctx context.Context, cmd fop.LockCmd, do func(ctx context.Context, i int, cmd fop.LockCmd) (*fop.LockReply, error)) (*fop.LockReply, error) {
	st := r.state.Load()
	if !r.usable(st.up) {
		return nil, errDown
	}
	idx := r.indexes(st.up)
	if cmd == fop.LockUnlock {
		return r.judgeLocks(ctx, idx, xlator.Each(len(idx), func(k int) (*fop.LockReply, error) {
			return do(context.WithoutCancel(ctx), idx[k], cmd)
		}), nil)
	}
	undo := func(i int) { do(context.WithoutCancel(ctx), i, fop.LockUnlock) }
	reply, err := r.judgeLocks(ctx, idx, xlator.Each(len(idx), func(k int) (*fop.LockReply, error) {
		return do(ctx, idx[k], fop.LockTry)
	}), undo)
	if fop.Errno(err) != syscall.EAGAIN || cmd == fop.LockTry {
		return reply, err
	}
	got := make([]xlator.Result[*fop.LockReply], len(idx))
	for k, i := range idx {
		got[k].Reply, got[k].Err = do(ctx, i, fop.LockWait)
		if fop.Errno(got[k].Err) == syscall.EINTR {
			break
		}
	}
	return r.judgeLocks(ctx, idx, got, undo)
}

// judgeLocks says whether a lock is held; if not, what is held of it is undone.
func (r *replicate) judgeLocks(ctx context.Context, idx []int, got []xlator.Result[*fop.LockReply], undo func(i int)) (*fop.LockReply, error) {
	var have set
	var reply *fop.LockReply
	var refused error
	var errs []error
	for k, i := range idx {
		switch e := fop.Errno(got[k].Err); {
		case e == 0 && got[k].Reply != nil:
			have |= changelog.Of(i)
			reply = got[k].Reply
		case e == syscall.EAGAIN || e == syscall.EINTR:
			refused = e
		case e != 0:
			errs = append(errs, got[k].Err)
		}
	}
	if refused == nil && r.quorum.Met(have) {
		out := *reply
		out.Session = 0 // several connections; none to bind to
		return &out, nil
	}
	if undo != nil {
		for i := range have.Each {
			undo(i)
		}
	}
	if refused != nil {
		return nil, refused
	}
	if e := worst(errs); e != nil {
		return nil, e
	}
	return nil, errDown
}

func (r *replicate) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return r.lockChildren(ctx, q.Cmd, func(ctx context.Context, i int, cmd fop.LockCmd) (*fop.LockReply, error) {
		qq := *q
		qq.Cmd = cmd
		return r.children[i].Inodelk(ctx, &qq)
	})
}

func (r *replicate) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return r.lockChildren(ctx, q.Cmd, func(ctx context.Context, i int, cmd fop.LockCmd) (*fop.LockReply, error) {
		qq := *q
		qq.Cmd = cmd
		return r.children[i].Entrylk(ctx, &qq)
	})
}

// Release passes what the layers above release to every live child.
func (r *replicate) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	idx := r.indexes(r.state.Load().up)
	got := xlator.Each(len(idx), func(k int) (*fop.ReleaseReply, error) { return r.children[idx[k]].Release(ctx, q) })
	var errs []error
	for _, a := range got {
		if a.Err == nil {
			return a.Reply, nil
		}
		errs = append(errs, a.Err)
	}
	if e := worst(errs); e != nil {
		return nil, e
	}
	return nil, errDown
}

// Forget needs nothing: the table holds only what is in use.
func (r *replicate) Forget(ctx context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

// Disconnect does not come here: afr lives in clients.
func (r *replicate) Disconnect(ctx context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

// Lk takes a program's lock on one child after the other, in order, so that two
// programs never wait for each other. It is held if a quorum has it.
func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	r := f.r
	st := r.state.Load()
	if !r.usable(st.up) {
		return nil, errDown
	}
	var have set
	var reply *fop.LkReply
	var errs []error
	for i := range st.up.Each {
		c, err := f.on(ctx, i)
		if err == nil {
			var a *fop.LkReply
			if a, err = c.Lk(ctx, q); err == nil {
				have, reply = have|changelog.Of(i), a
			}
		}
		switch fop.Errno(err) {
		case 0:
			if q.Cmd == fop.LkGet {
				return reply, nil
			}
		case syscall.EAGAIN, syscall.EINTR, syscall.EINVAL, syscall.EDEADLK:
			f.unlockOn(ctx, q, have)
			return nil, err
		default:
			errs = append(errs, err)
		}
	}
	if r.quorum.Met(have) {
		return reply, nil
	}
	f.unlockOn(ctx, q, have)
	if e := worst(errs); e != nil {
		return nil, e
	}
	return nil, errDown
}

// unlockOn takes a lock back that not enough bricks granted.
func (f *file) unlockOn(ctx context.Context, q *fop.LkReq, have set) {
	if q.Type == fop.LkUnlock || q.Cmd == fop.LkGet {
		return
	}
	qq := *q
	qq.Cmd, qq.Type = fop.LkSet, fop.LkUnlock
	for i := range have.Each {
		if c, err := f.on(ctx, i); err == nil {
			c.Lk(context.WithoutCancel(ctx), &qq)
		}
	}
}

// Flush drops an owner's locks on all bricks that have the file open.
func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	f.mu.Lock()
	files := f.files
	f.mu.Unlock()
	var on []xlator.File
	for _, c := range files {
		if c != nil {
			on = append(on, c)
		}
	}
	ok := false
	var errs []error
	for _, a := range xlator.Wind(context.WithoutCancel(ctx), on, xlator.File.Flush, q) {
		ok = ok || a.Err == nil
		errs = append(errs, a.Err)
	}
	if ok || len(on) == 0 {
		return &fop.Empty{}, nil
	}
	return nil, worst(errs)
}
