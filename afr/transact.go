package afr

import (
	"context"
	"slices"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A change is one modifying fop under the leases it needs.
type change struct {
	class  changelog.Class
	leases []*lease
	// names[k] are the names of leases[k]'s directory that change, for the granular
	// entry index.
	names [][]string
	// span is where data is changed; see missedData. bricksPlace: each brick decides, by what is
	// there, and span is not all, or nothing.
	span        fop.Span
	bricksPlace bool
	// dataOnly: the arbiter does not get the fop; it stores no data, and its lock and
	// marks stand for it.
	dataOnly bool
	// moves: the fop takes names away. A copy that has missed changes of the directory may
	// have another inode under the name, perhaps the only good copy of it; so it takes no
	// part. (When all copies of the names accuse one another, all do.)
	moves bool
	// spare are children that take no part either: see lastName.
	spare set
	// missing is set before do is called: the children that do not take part.
	missing set
	// idle are children on which the fop changes nothing, without an error: they failed,
	// unless it is so on all, or on a quorum while no quorum did it.
	idle set
}

// outcome is what came of a change.
type outcome struct {
	targets set // children that the fop went to
	ok      set // of these, those that did it
	failed  set // those that did not, blamed by now
	missing set // children that did not take part, blamed before
	chosen  int // whose reply to use
}

// transact runs one modifying fop under the protocol of the package comment. do is
// called for each child, concurrently, with the request header to use.
func transact[R any](ctx context.Context, r *replicate, q *fop.Req, c *change, do func(i int, req fop.Req) (R, error)) (R, outcome, error) {
	return transactAll(ctx, r, q, c, func(ctx context.Context, idx []int, header func(i int) fop.Req) []xlator.Result[R] {
		return xlator.Each(len(idx), func(k int) (R, error) { return do(idx[k], header(idx[k])) })
	})
}

// transactOn is transact for a fop of Xlator, f; request makes the request for each child.
func transactOn[Q, R any](ctx context.Context, r *replicate, q *fop.Req, c *change, f func(xlator.Xlator, context.Context, *Q) (R, error), request func(i int, req fop.Req) *Q) (R, outcome, error) {
	return transactAll(ctx, r, q, c, func(ctx context.Context, idx []int, header func(i int) fop.Req) []xlator.Result[R] {
		return windOn(ctx, r, idx, f, func(i int) *Q { return request(i, header(i)) })
	})
}

// windOn performs f on the children in idx at once; request makes the request for each.
func windOn[Q, R any](ctx context.Context, r *replicate, idx []int, f func(xlator.Xlator, context.Context, *Q) (R, error), request func(i int) *Q) []xlator.Result[R] {
	to := make([]xlator.Xlator, len(idx))
	for k, i := range idx {
		to[k] = r.children[i]
	}
	return xlator.WindEach(ctx, to, f, func(k int) *Q { return request(idx[k]) })
}

// transactAll is transact with the children asked by wind, which returns their answers in the
// order of idx.
func transactAll[R any](ctx context.Context, r *replicate, q *fop.Req, c *change, wind func(ctx context.Context, idx []int, header func(i int) fop.Req) []xlator.Result[R]) (R, outcome, error) {
	var zero R
	ctx = context.WithoutCancel(ctx)
	o, good, err := r.prepare(ctx, c)
	if err != nil {
		return zero, o, err
	}
	header := func(i int) fop.Req { return fop.Req{Caller: q.Caller, Session: c.leases[0].session[i]} }
	idx := r.indexes(o.targets)
	var later []int
	if c.class == changelog.Entry && o.targets&^good != 0 {
		// A copy that has missed names may do what the good ones refuse. It gets what they did.
		idx, later = r.indexes(o.targets&good), r.indexes(o.targets&^good)
	}
	got := wind(ctx, idx, header)
	if later != nil && r.quorum.Met(succeeded(idx, got)) {
		got, idx = append(got, wind(ctx, later, header)...), append(idx, later...)
	} else if later != nil {
		o.targets &= good
	}
	errs := make([]error, len(idx))
	for k := range got {
		errs[k] = got[k].Err
	}
	if err := r.finish(ctx, c, &o, good, idx, errs); err != nil {
		return zero, o, err
	}
	for k, i := range idx {
		if i == o.chosen {
			return got[k].Reply, o, nil
		}
	}
	return zero, o, syscall.EIO
}

func succeeded[R any](idx []int, got []xlator.Result[R]) (s set) {
	for k, i := range idx {
		if got[k].Err == nil {
			s |= changelog.Of(i)
		}
	}
	return s
}

// prepare decides who takes part, marks what is not marked yet, and blames those who
// cannot take part.
func (r *replicate) prepare(ctx context.Context, c *change) (outcome, set, error) {
	st := r.state.Load()
	part, good := r.all(), r.all()
	for _, l := range c.leases {
		part &= l.taking(st)
		good &= l.good[c.class]
		for i := range part.Each { // one message goes over one connection
			if l.session[i] != c.leases[0].session[i] {
				part &^= changelog.Of(i)
			}
		}
	}
	part &^= c.spare
	good &= part
	if c.moves {
		part = good
	}
	if err := r.enough(good, part); err != nil {
		return outcome{}, 0, err
	}
	c.lose(r.all() &^ part)
	// Who cannot store a mark does not take part, and is blamed in turn.
	for victims := r.all() &^ part; ; {
		stored, err := r.markAndBlame(ctx, c, part, victims)
		if stored == part {
			break
		}
		victims = part &^ stored
		part = stored
		c.lose(victims)
		if r.enough(good&part, part) != nil {
			c.spoil()
			return outcome{}, 0, err
		}
	}
	good &= part
	c.missing = r.all() &^ part
	if c.bricksPlace && part&^good&r.dataSet() != 0 {
		c.leases[0].strays()
	}
	o := outcome{targets: part, missing: c.missing}
	if c.dataOnly {
		o.targets &= r.dataSet()
	}
	return o, good, nil
}

// enough says whether a change may be made when these children are good, of those
// that take part.
func (r *replicate) enough(good, part set) error {
	if r.quorum.Met(good) && good&r.dataSet() != 0 {
		return nil
	}
	if good == 0 && part == r.all() {
		return syscall.EIO // split-brain: every copy is accused
	}
	return errDown
}

// markAndBlame adds, on the children in part, what marks the change needs beyond those
// that came with the leases, and returns the children that have them all.
func (r *replicate) markAndBlame(ctx context.Context, c *change, part, victims set) (stored set, err error) {
	stored = part
	for k, l := range c.leases {
		mu := l.lockState()
		needMark := l.mark[c.class] == 0
		against := victims
		if c.class != changelog.Entry {
			against &^= l.blamed[c.class]
		}
		l.changed[c.class] = true
		l.missed.spans.Add(c.span)
		mu.unlock()
		if needMark {
			ok, e := r.addMark(ctx, l, c.class, part)
			stored, err = stored&ok, worst([]error{err, e})
		}
		if against != 0 {
			ok, e := r.blame(ctx, l, c.class, against, c.namesOf(k), part)
			stored, err = stored&ok, worst([]error{err, e})
		}
	}
	return stored, err
}

// namesOf returns the names that change in the directory of leases[k].
func (c *change) namesOf(k int) []string {
	if c.names == nil {
		return nil
	}
	return c.names[k]
}

// finish judges the answers: who failed is blamed, and without quorum the change
// failed.
func (r *replicate) finish(ctx context.Context, c *change, o *outcome, good set, idx []int, errs []error) error {
	idle := c.idle
	if o.targets&^idle == 0 {
		idle = 0
	}
	byChild := make([]error, len(r.children))
	var idled set
	for k, i := range idx {
		switch {
		case errs[k] != nil:
			byChild[i] = errs[k]
		case idle.Has(i):
			idled |= changelog.Of(i)
		default:
			o.ok |= changelog.Of(i)
		}
	}
	if r.quorum.Met(idled&good) && !r.quorum.Met(o.ok&good) {
		o.ok = idled // there was nothing to do, and who did something, or nobody knows what, is wrong
	}
	o.failed = o.targets &^ o.ok
	stand := o.ok
	if c.dataOnly && r.arbiter >= 0 {
		stand |= changelog.Of(r.arbiter) & good
	}
	if o.ok&good == 0 || !r.quorum.Met(stand&good) {
		if o.ok != 0 || slices.ContainsFunc(errs, mayHaveChanged) {
			c.spoil() // some did it, or it happened where no answer, or EIO, came from
		}
		if c.dataOnly && r.arbiter >= 0 && !slices.ContainsFunc(errs, mayHaveChanged) {
			byChild[r.arbiter] = worst(errs) // it has no opinion of its own
		}
		return r.verdict(good, byChild)
	}
	if o.failed != 0 {
		if err := r.blameFailed(ctx, c, o, stand, good); err != nil {
			return err
		}
	}
	o.chosen = r.prefer(c.leases[0].gfid, o.ok&good)
	return nil
}

// blameFailed records, before the caller hears of success, who did not do the change.
func (r *replicate) blameFailed(ctx context.Context, c *change, o *outcome, stand, good set) error {
	c.lose(o.failed)
	for k, l := range c.leases {
		blamed, _ := r.blame(ctx, l, c.class, o.failed, c.namesOf(k), stand)
		stand &= blamed
	}
	if !r.quorum.Met(stand & good) {
		c.spoil()
		return errDown
	}
	return nil
}

// spoil keeps the dirty marks for the healer and ends the leases after this change.
func (c *change) spoil() {
	for _, l := range c.leases {
		mu := l.lockState()
		l.keepDirty, l.contended = true, true
		mu.unlock()
	}
}

// lose takes children out of the leases: they have missed something.
func (c *change) lose(who set) {
	for _, l := range c.leases {
		mu := l.lockState()
		l.active &^= who
		mu.unlock()
	}
}

// mayHaveChanged reports whether a brick that answers so may have done the fop, wholly
// or in part. Others were refused, as they would be on every copy.
func mayHaveChanged(err error) bool {
	switch fop.Errno(err) {
	case 0, syscall.ENOENT, syscall.ESTALE, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ENOTDIR, syscall.EISDIR,
		syscall.EPERM, syscall.EACCES, syscall.EROFS, syscall.EINVAL, syscall.ENODATA, syscall.EXDEV, syscall.EMLINK,
		syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EBADF, syscall.EBADFD, syscall.EOPNOTSUPP, syscall.ENOSYS,
		syscall.ERANGE, syscall.E2BIG, syscall.EBUSY, syscall.EFBIG, syscall.ENXIO:
		return false
	}
	return true
}

// leaseState is the lock that guards a lease's fields, or none for a transient one.
type leaseState struct{ s *slot }

func (l *lease) lockState() leaseState {
	if l.slot != nil {
		l.slot.in.mu.Lock()
	}
	return leaseState{l.slot}
}

// taking is live for one who uses the lease together with others.
func (l *lease) taking(st *state) set {
	mu := l.lockState()
	defer mu.unlock()
	return l.live(st)
}

func (m leaseState) unlock() {
	if m.s != nil {
		m.s.in.mu.Unlock()
	}
}

// addMark adds the dirty mark of a class to a lease that was taken for another.
func (r *replicate) addMark(ctx context.Context, l *lease, class changelog.Class, on set) (set, error) {
	one := changelog.One(class)
	ok, err := r.xattrop(ctx, l, on, &fop.XattropReq{Deltas: []fop.Xattr{{Name: changelog.DirtyKey, Value: one.Bytes()}}})
	mu := l.lockState()
	l.mark[class] = 1
	l.active &^= on &^ ok
	mu.unlock()
	return ok, err
}

// blame adds pending counters against victims on the children in on, and returns
// those that have stored them. Names that are not known need a full look by the healer.
func (r *replicate) blame(ctx context.Context, l *lease, class changelog.Class, victims set, names []string, on set) (set, error) {
	on &^= victims
	r.log.Debug("blaming", "children", victims, "class", class, "gfid", l.gfid, "names", names)
	c := changelog.One(class)
	if class == changelog.Entry && names == nil {
		c = changelog.One(changelog.Entry, changelog.Data)
	}
	if class == changelog.Entry && len(names) == 2 {
		c[changelog.Entry] = 2
	}
	q := &fop.XattropReq{EntryCreate: names}
	for j := range victims.Each {
		q.Deltas = append(q.Deltas, fop.Xattr{Name: r.keys[j], Value: c.Bytes()})
	}
	ok, err := r.xattrop(ctx, l, on, q)
	if class == changelog.Data {
		l.told(ok, victims)
	}
	r.clean.spoil()
	r.inodes.forgetKnown(l.gfid)
	if r.quorum.Met(ok) && names == nil { // of a directory, all names are to be looked at
		mu := l.lockState()
		l.blamed[class] |= victims
		mu.unlock()
	}
	return ok, err
}

// xattrop adds counters on the lease's inode and returns the children that did, and
// why others did not: ESTALE where the inode is gone, ENOTCONN if nothing better is
// known.
func (r *replicate) xattrop(ctx context.Context, l *lease, on set, q *fop.XattropReq) (set, error) {
	q.GFID, q.Op = l.gfid, fop.XattropAdd32
	idx := r.indexes(on)
	got := xlator.Each(len(idx), func(k int) (*fop.XattropReply, error) {
		qq := *q
		qq.Req = fop.Req{Caller: internalCaller, Session: l.session[idx[k]]}
		return r.children[idx[k]].Xattrop(ctx, &qq)
	})
	var ok set
	err := error(errDown)
	for k, i := range idx {
		if got[k].Err == nil {
			ok |= changelog.Of(i)
			continue
		}
		err = worst([]error{err, got[k].Err})
		if !fop.IsDown(got[k].Err) && !fop.IsGone(got[k].Err) {
			r.log.Warn("a mark could not be stored", "child", r.names[i], "gfid", l.gfid, "op_errno", fop.Errno(got[k].Err))
		}
	}
	if ok == on {
		err = nil
	}
	return ok, err
}
