package afr

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Lookup asks all live bricks, compares what they say, and answers with the copy that
// nobody accuses. While the whole set is clean, one brick answers for all, or the lease.
func (r *replicate) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	st := r.state.Load()
	if !r.usable(st.up) {
		return nil, errDown
	}
	where := q.GFID
	if q.Name != "" {
		where = q.Parent
	}
	if r.cleanOf(where, st) {
		if r.absent(q, st) {
			return nil, syscall.ENOENT
		}
		reply, err := r.children[r.prefer(where, st.up)].Lookup(ctx, q)
		if fop.Errno(err) == syscall.ENOENT && q.Name != "" {
			r.lookedInVain(q.Parent, st)
		}
		if !fop.IsDown(err) && fop.Errno(err) != syscall.ESTALE && fop.Errno(err) != syscall.EIO {
			return reply, err
		}
	}
	l, err := r.lookupAll(ctx, q, st, false)
	if err != nil {
		return nil, err
	}
	return l.reply(r, q)
}

// looked is what the bricks said to a lookup, after those that do not count were
// sorted out.
type looked struct {
	replies [changelog.MaxReplicas]*fop.LookupReply
	present set // children that have it
	matrix  changelog.Matrix
	iatt    *fop.Iatt // of some present child: GFID and type are right
}

// lookupAll asks all live children. leased: the caller holds the name's lease, or has waited for
// it, so that nothing about it can be in flight.
func (r *replicate) lookupAll(ctx context.Context, q *fop.LookupReq, st *state, leased bool) (*looked, error) {
	at := r.glance(st)
	qq := *q
	qq.Want = slices.Concat(q.Want, r.glanceWant)
	idx := r.indexes(st.up)
	got := xlator.Each(len(idx), func(k int) (*fop.LookupReply, error) {
		return r.children[idx[k]].Lookup(ctx, &qq)
	})
	l := &looked{}
	var absent, answered set
	errs := make([]error, len(r.children))
	for k, i := range idx {
		switch errs[i] = got[k].Err; {
		case errs[i] == nil:
			l.replies[i] = got[k].Reply
			l.present |= changelog.Of(i)
		case fop.IsGone(errs[i]):
			absent |= changelog.Of(i)
		}
		if !mayHaveChanged(errs[i]) {
			answered |= changelog.Of(i)
		}
	}
	// Accusations are on a quorum, and so is whatever was acknowledged. For an inode that
	// a quorum does not have, nobody can vouch.
	if !r.quorum.Met(answered) || l.present == 0 || q.Name == "" && !r.quorum.Met(l.present) {
		if !leased && q.Name == "" && l.present != 0 && absent != 0 {
			r.waitOut(ctx, &q.Req, q.GFID, l.present)
			return r.lookupAll(ctx, q, r.state.Load(), true)
		}
		return nil, r.verdict(r.all(), errs)
	}
	if q.Name != "" && (absent != 0 || r.mixed(l)) {
		again, err := r.agree(ctx, q, l, absent, leased)
		if err != nil {
			return nil, err
		}
		if again {
			return r.lookupLeased(ctx, q)
		}
	}
	if q.Name != "" && l.present != st.up {
		return r.lookupRest(ctx, q, l, st, leased)
	}
	l.matrix = r.matrix()
	for i := range l.present.Each {
		r.row(&l.matrix, i, l.replies[i].Xattrs)
		l.iatt = &l.replies[i].Iatt
	}
	if q.Name == "" && r.removed(ctx, q.GFID, &l.matrix, absent) {
		return nil, syscall.ESTALE
	}
	// Only for an inode that something refers to: it would be forgotten at once, and be too
	// old by its next use.
	if in := r.inodes.peek(l.iatt.GFID); in != nil {
		r.remember(in, &l.matrix, at)
	}
	return l, nil
}

// lookupRest asks all bricks about the inode that a name was found to refer to: those
// that miss the name may have the inode all the same, and know who is bad.
func (r *replicate) lookupRest(ctx context.Context, q *fop.LookupReq, named *looked, st *state, leased bool) (*looked, error) {
	var first *fop.LookupReply
	for i := range named.present.Each {
		first = named.replies[i]
	}
	l, err := r.lookupAll(ctx, &fop.LookupReq{Req: q.Req, GFID: first.Iatt.GFID, Want: q.Want}, st, leased)
	switch {
	case fop.Errno(err) == syscall.ESTALE && !leased:
		return r.lookupLeased(ctx, q) // it was removed since, but another may have its name now
	case fop.Errno(err) == syscall.ESTALE:
		return nil, errDown // all good copies have the name; that few have the inode will be healed
	case err != nil:
		return nil, err
	}
	for i := range l.present.Each {
		l.replies[i].Parent = first.Parent
	}
	return l, nil
}

// mixed reports whether the present children disagree about what the name is.
func (r *replicate) mixed(l *looked) bool {
	var first *fop.Iatt
	for i := range l.present.Each {
		a := &l.replies[i].Iatt
		if first == nil {
			first = a
		}
		if a.GFID != first.GFID || a.Type != first.Type {
			return true
		}
	}
	return false
}

// lookupLeased looks once more while nobody can be changing the name.
func (r *replicate) lookupLeased(ctx context.Context, q *fop.LookupReq) (*looked, error) {
	leave, err := r.watch(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	defer leave()
	return r.lookupAll(ctx, q, r.state.Load(), true)
}

// agree decides about a name on which the bricks disagree. Only those that are not
// accused of having missed names count. If these disagree too, a change is in flight,
// and it must be looked again under the lease; if that does not help, an existing name
// needs a quorum, since a creation is not acknowledged without.
func (r *replicate) agree(ctx context.Context, q *fop.LookupReq, l *looked, absent set, leased bool) (again bool, err error) {
	good, err := r.goodFor(ctx, q.Parent, changelog.Entry)
	if err != nil {
		return false, err
	}
	l.present &= good
	absent &= good
	switch {
	case l.present == 0 && absent == 0:
		return false, errDown // those who would know did not say
	case l.present == 0:
		return false, syscall.ENOENT
	}
	groups := map[fop.GFID]set{}
	for i := range l.present.Each {
		groups[l.replies[i].Iatt.GFID] |= changelog.Of(i)
	}
	switch {
	case len(groups) == 1 && absent == 0:
		return false, nil
	case !leased:
		return true, nil
	case len(groups) == 1:
		if !r.quorum.Met(l.present) {
			return false, syscall.ENOENT
		}
		return false, nil
	}
	for _, s := range groups {
		if 2*s.Len() > len(r.children) {
			l.present = s
			return false, nil
		}
	}
	r.log.Error("bricks disagree about what a name is (GFID split-brain)", "parent", q.Parent, "name", q.Name)
	return false, syscall.EIO
}

// reply builds the answer from the copies that may be read.
func (l *looked) reply(r *replicate, q *fop.LookupReq) (*fop.LookupReply, error) {
	g := l.iatt.GFID
	meta := l.matrix.Readable(changelog.Metadata)
	data := meta
	switch l.iatt.Type {
	case fop.TypeReg:
		data = l.matrix.Readable(changelog.Data)
		if data != 0 && data&r.dataSet() == 0 { // only the arbiter is good
			return nil, errDown
		}
	case fop.TypeDir:
		data = l.matrix.Readable(changelog.Entry)
	}
	if (data == 0 || meta == 0) && l.matrix.Replied != r.all() {
		return nil, errDown // the right copy may be on a brick that is away
	}
	// In a split-brain stat shows the copy that the user chose, or some.
	chosen := l.present & r.choices.of(g)
	if chosen == 0 {
		chosen = l.present
	}
	if data == 0 {
		data = chosen
	}
	if meta == 0 {
		meta = chosen
	}
	from := r.prefer(g, data)
	if both := data & meta; both != 0 && (both&r.dataSet() != 0 || l.iatt.Type != fop.TypeReg) {
		from = r.prefer(g, both)
	}
	out := l.replies[from]
	if !meta.Has(from) {
		m := l.replies[r.prefer(g, meta)].Iatt
		m.Size, m.Blocks, m.Blksize = out.Iatt.Size, out.Iatt.Blocks, out.Iatt.Blksize
		out.Iatt = m
	}
	out.Xattrs = slices.DeleteFunc(out.Xattrs, func(x fop.Xattr) bool { return !slices.Contains(q.Want, x.Name) })
	return out, nil
}

// goodFor returns the children whose copy of g may be read for a class: by the lease
// if one is held, else by what was seen lately, else by asking.
func (r *replicate) goodFor(ctx context.Context, g fop.GFID, class changelog.Class) (set, error) {
	st := r.state.Load()
	if !r.usable(st.up) {
		return 0, errDown
	}
	in := r.inodes.get(g)
	defer r.inodes.put(in)
	s := &in.data
	if class == changelog.Entry {
		s = &in.names
	}
	in.mu.Lock()
	if s.state == held && !s.lease.stale(st) {
		live := s.lease.live(st)
		good := s.lease.good[class] & live
		in.mu.Unlock()
		return r.orAway(good, live)
	}
	in.mu.Unlock()
	if r.cleanOf(g, st) {
		return st.up, nil
	}
	if k, ok := in.recall(st.sum, time.Now()); ok {
		return r.orAway(k.good[class], st.up)
	}
	l, err := r.lookupAll(ctx, &fop.LookupReq{Req: fop.Req{Caller: internalCaller}, GFID: g}, st, true)
	if err != nil {
		return 0, err
	}
	return r.orAway(l.matrix.Readable(class), l.matrix.Replied)
}

// orAway is good, and ENOTCONN if it is empty while somebody who was not asked may have
// the right copy: only if all are accused is it a split-brain.
func (r *replicate) orAway(good, asked set) (set, error) {
	if good == 0 && asked != r.all() {
		return 0, errDown
	}
	return good, nil
}

// readFrom does a reading fop on one good copy, and on the next if that one fails.
func readFrom[R any](ctx context.Context, r *replicate, g fop.GFID, class changelog.Class, do func(i int) (R, error)) (R, error) {
	var zero R
	good, err := r.goodFor(ctx, g, class)
	if err != nil {
		return zero, err
	}
	if good == 0 {
		good = r.choices.of(g)
	}
	if good == 0 {
		return zero, syscall.EIO // split-brain
	}
	if class == changelog.Data {
		if good &= r.dataSet(); good == 0 {
			return zero, errDown
		}
	}
	var errs []error
	for good != 0 {
		i, done := r.prefer(g, good), func() {}
		if class == changelog.Data {
			i = r.preferData(g, good)
			done = r.reading(i)
		}
		reply, err := do(i)
		done()
		switch {
		case err == nil:
			return reply, nil
		case elsewhere(err):
			errs = append(errs, err)
			good &^= changelog.Of(i)
		default:
			return zero, err
		}
	}
	return zero, worst(errs)
}

// elsewhere reports whether another good copy may do better than the one that answered
// a reading fop with err.
func elsewhere(err error) bool {
	switch fop.Errno(err) {
	case syscall.ENOTCONN, syscall.ESTALE, syscall.ENOENT, syscall.EIO, syscall.EBADFD:
		return true
	}
	return false
}

// Stat is a lookup by GFID, unless one good copy is known.
func (r *replicate) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	if i := r.trusted(q.GFID); i >= 0 {
		reply, err := r.children[i].Stat(ctx, q)
		if !fop.IsDown(err) && !fop.IsGone(err) && fop.Errno(err) != syscall.EIO {
			return reply, err
		}
	}
	l, err := r.Lookup(ctx, &fop.LookupReq{Req: q.Req, GFID: q.GFID})
	if err != nil {
		return nil, err
	}
	return &fop.StatReply{Iatt: l.Iatt}, nil
}

// trusted returns a child whose attributes of g are right without asking others, or -1.
func (r *replicate) trusted(g fop.GFID) int {
	st := r.state.Load()
	if !r.usable(st.up) {
		return -1
	}
	if good, leased := r.leasedGood(g, st); leased {
		return r.prefer(g, good)
	}
	if r.cleanOf(g, st) {
		return r.prefer(g, st.up)
	}
	return -1
}

// leasedGood returns the children with data and attributes of g that are right, if this client
// has its lease.
func (r *replicate) leasedGood(g fop.GFID, st *state) (good set, leased bool) {
	in := r.inodes.peek(g)
	if in == nil {
		return 0, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	s := &in.data
	if s.state != held || s.lease.stale(st) {
		return 0, false
	}
	l := s.lease
	return l.good[changelog.Data] & l.good[changelog.Metadata] & l.live(st) & r.dataSet(), true
}

func (r *replicate) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return readFrom(ctx, r, q.GFID, changelog.Metadata, func(i int) (*fop.ReadlinkReply, error) {
		return r.children[i].Readlink(ctx, q)
	})
}

// Getxattr hides the marks: they are bookkeeping between bricks.
func (r *replicate) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if strings.HasPrefix(q.Name, splitPrefix) {
		return r.splitGet(ctx, q)
	}
	return readFrom(ctx, r, q.GFID, changelog.Metadata, func(i int) (*fop.GetxattrReply, error) {
		return r.children[i].Getxattr(ctx, q)
	})
}

// Statfs tells of the brick that has the least room, since every copy must fit.
func (r *replicate) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	idx := r.indexes(r.state.Load().up & r.dataSet())
	var least *fop.StatfsReply
	var errs []error
	got := xlator.Each(len(idx), func(k int) (*fop.StatfsReply, error) { return r.children[idx[k]].Statfs(ctx, q) })
	for _, a := range got {
		errs = append(errs, a.Err)
		if a.Err == nil && (least == nil || a.Reply.Bavail*a.Reply.Frsize < least.Bavail*least.Frsize) {
			least = a.Reply
		}
	}
	if least != nil {
		return least, nil
	}
	if e := worst(errs); e != nil {
		return nil, e
	}
	return nil, errDown
}
