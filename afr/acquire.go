package afr

import (
	"context"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// acquire takes the slot's lock on all live children, marks set.
func (r *replicate) acquire(ctx context.Context, q *fop.Req, s *slot, class changelog.Class) (*lease, error) {
	l := &lease{slot: s, gfid: s.in.gfid, entry: s.entry, owner: r.newOwner(), lastUse: time.Now()}
	l.missed.since = l.lastUse
	l.mark = changelog.One(class)
	if class == changelog.Data {
		l.mark = changelog.One(changelog.Data, changelog.Metadata)
	}
	return l, r.lockAll(ctx, q, l)
}

// acquireNames takes a transient lease on single names of a directory.
func (r *replicate) acquireNames(ctx context.Context, q *fop.Req, in *inode, names []string) (*lease, error) {
	l := &lease{gfid: in.gfid, entry: true, names: names, owner: r.newOwner(), mark: changelog.One(changelog.Entry)}
	return l, r.lockAll(ctx, q, l)
}

// lockAll fills in the lease: first by asking all live children at once, then, if one
// refused, one after the other in order.
func (r *replicate) lockAll(ctx context.Context, q *fop.Req, l *lease) error {
	select {
	case <-r.settled:
	case <-ctx.Done():
		return syscall.EINTR
	}
	st := r.state.Load()
	if !r.usable(st.up) {
		return errDown
	}
	l.gen = st.gen
	replies, err := r.tryLocks(ctx, q, l, st.up)
	if err == syscall.EAGAIN {
		replies, err = r.waitLocks(ctx, q, l, st.up)
	}
	if err != nil {
		return err
	}
	return r.admit(ctx, l, replies)
}

type lockReplies = []xlator.Result[*fop.LockReply]

// tryLocks asks all children in up at once. EAGAIN: one refused, and none is held.
func (r *replicate) tryLocks(ctx context.Context, q *fop.Req, l *lease, up set) (lockReplies, error) {
	out := make(lockReplies, len(r.children))
	idx := r.indexes(up)
	got := xlator.Each(len(idx), func(k int) (*fop.LockReply, error) {
		return r.lockOne(ctx, q, l, idx[k], fop.LockTry)
	})
	refused := false
	for k, i := range idx {
		out[i] = got[k]
		refused = refused || fop.Errno(got[k].Err) == syscall.EAGAIN
		l.note(i, got[k])
	}
	if !refused {
		return out, nil
	}
	r.releaseLeases([]*lease{l})
	l.locked, l.active = 0, 0
	return nil, syscall.EAGAIN
}

// waitLocks asks one child after the other, in order, and waits for each.
func (r *replicate) waitLocks(ctx context.Context, q *fop.Req, l *lease, up set) (lockReplies, error) {
	out := make(lockReplies, len(r.children))
	for i := range up.Each {
		reply, err := r.lockOne(ctx, q, l, i, fop.LockWait)
		out[i] = xlator.Result[*fop.LockReply]{Reply: reply, Err: err}
		l.note(i, out[i])
		if fop.Errno(err) == syscall.EINTR {
			r.releaseLeases([]*lease{l})
			return nil, syscall.EINTR
		}
	}
	return out, nil
}

// note records a child's answer to a lock request.
func (l *lease) note(i int, a xlator.Result[*fop.LockReply]) {
	if a.Err == nil {
		l.locked |= changelog.Of(i)
		l.active |= changelog.Of(i)
		l.session[i] = a.Reply.Session
	}
}

// lockOne takes the lease's lock (each of its names) on child i. Only the first name
// carries the mark.
func (r *replicate) lockOne(ctx context.Context, q *fop.Req, l *lease, i int, cmd fop.LockCmd) (*fop.LockReply, error) {
	req := fop.Req{Caller: q.Caller}
	var mark []fop.Xattr
	if !l.mark.IsZero() {
		mark = []fop.Xattr{{Name: changelog.DirtyKey, Value: l.mark.Bytes()}}
	}
	if !l.entry {
		return r.children[i].Inodelk(ctx, &fop.InodelkReq{Req: req, GFID: l.gfid, Domain: r.name, Owner: l.owner,
			Cmd: cmd, Type: fop.LkWrite, Mark: mark, Want: r.want})
	}
	names := l.names
	if names == nil {
		names = []string{""}
	}
	var first *fop.LockReply
	for k, name := range names {
		el := &fop.EntrylkReq{Req: req, GFID: l.gfid, Domain: r.name, Owner: l.owner, Cmd: cmd, Name: name}
		if k == 0 {
			el.Mark, el.Want = mark, r.want
		} else {
			el.Session = first.Session
		}
		reply, err := r.children[i].Entrylk(ctx, el)
		if err != nil {
			if k > 0 {
				r.unlockNames(ctx, l, i, names[:k], first.Session)
			}
			return nil, err
		}
		if k == 0 {
			first = reply
		}
	}
	return first, nil
}

// unlockNames takes back the first names of a lease that could not be had whole.
func (r *replicate) unlockNames(ctx context.Context, l *lease, i int, names []string, session uint64) {
	q := &fop.ReleaseReq{Req: fop.Req{Caller: internalCaller, Session: session}}
	for k, name := range names {
		it := fop.ReleaseItem{GFID: l.gfid, Domain: r.name, Owner: l.owner, Entry: true, Name: name}
		if k == 0 {
			it.Undo = []fop.Xattr{{Name: changelog.DirtyKey, Value: l.mark.Negated().Bytes()}}
		}
		q.Items = append(q.Items, it)
	}
	if _, err := r.children[i].Release(context.WithoutCancel(ctx), q); err != nil && !fop.IsDown(err) {
		r.log.Warn("a lock could not be taken back", "child", r.names[i], "gfid", l.gfid, "op_errno", fop.Errno(err))
	}
}

// admit reads the marks that came with the grants and checks quorum. On error nothing
// is held.
func (r *replicate) admit(ctx context.Context, l *lease, replies lockReplies) error {
	m := r.matrix()
	errs := make([]error, len(replies))
	var gone set
	for i := range replies {
		if errs[i] = replies[i].Err; l.locked.Has(i) {
			r.row(&m, i, replies[i].Reply.Xattrs)
		} else if fop.IsGone(errs[i]) {
			gone |= changelog.Of(i)
		}
	}
	// The dirty counts include our own mark; the matrix only judges accusations.
	for c := range l.good {
		l.good[c] = m.Readable(changelog.Class(c))
	}
	l.pristine = l.locked == r.all()
	for i := range l.locked.Each {
		l.pristine = l.pristine && m.Dirty[i] == l.mark && !m.Accused(changelog.Entry).Has(i)
	}
	if r.quorum.Met(l.locked) && !r.removed(ctx, l.gfid, &m, gone) {
		return nil
	}
	r.releaseLeases([]*lease{l})
	return r.verdict(r.all(), errs)
}

// row enters a child's marks into the matrix.
func (r *replicate) row(m *changelog.Matrix, i int, xs []fop.Xattr) {
	err := m.Enter(i, r.keys, func(key string) ([]byte, bool) { return fop.XattrOf(xs, key) })
	if err != nil {
		r.log.Error("the marks of a copy cannot be read", "child", r.names[i], "error", err)
	}
}

func (r *replicate) indexes(s set) []int {
	out := make([]int, 0, changelog.MaxReplicas)
	for i := range s.Each {
		out = append(out, i)
	}
	return out
}

// verdict picks the error to report of those of the children in among (by child; nil:
// it succeeded, or was not asked). A refusal counts if more than half refused, or all
// who said anything did; that something is gone, if more than half, or all, say just
// that: one copy may lack what the others have.
func (r *replicate) verdict(among set, errs []error) error {
	var refused, gone, said set
	var refusals, losses, failures []error
	for i, err := range errs {
		switch {
		case err == nil || !among.Has(i):
			continue
		case mayHaveChanged(err):
			failures = append(failures, err)
		case fop.IsGone(err):
			gone |= changelog.Of(i)
			losses = append(losses, err)
		default:
			refused |= changelog.Of(i)
			refusals = append(refusals, err)
		}
		if !fop.IsDown(err) {
			said |= changelog.Of(i)
		}
	}
	agreed := func(s set) bool { return 2*s.Len() > len(r.children) || s == said && r.quorum.Met(s) }
	switch {
	case agreed(gone):
		return worst(losses)
	case refused != 0 && agreed(refused|gone):
		return worst(refusals)
	case len(failures) > 0:
		return worst(failures)
	}
	return errDown
}

// worst picks the error to report of several: what bricks said before what could not
// be reached, in GlusterFS's order.
func worst(errs []error) error {
	rank := func(e error) int {
		switch fop.Errno(e) {
		case syscall.ENOTCONN:
			return 0
		case syscall.ENOSPC:
			return 2
		case syscall.ESTALE:
			return 3
		case syscall.ENOENT:
			return 4
		case syscall.ENODATA:
			return 5
		}
		return 1
	}
	var w error
	for _, e := range errs {
		if e != nil && (w == nil || rank(e) > rank(w)) {
			w = e
		}
	}
	return w
}
