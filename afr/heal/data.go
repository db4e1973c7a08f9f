package heal

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// window is how much is compared with one checksum at first.
	window = 1 << 20
	// stretch is how much is healed under one lock of a range: writers wait for no more.
	stretch = 8 * window
)

// A transfer is the copying of one file's data.
type transfer struct {
	j       *job
	from    int
	to      set // that still follow; guarded by the copier's single goroutine between stretches
	size    int64
	old     [changelog.MaxReplicas]int64 // the sinks' sizes before
	files   [changelog.MaxReplicas]xlator.File
	session [changelog.MaxReplicas]uint64 // under which it began
	sources set                           // by the marks
	equal   set                           // besides to: copies that are right already, and the arbiter
	where   *fop.Spans                    // what is to be healed; nil: all. See missed
}

// data heals a regular file's data and times. The whole inode's lock is held, and given
// up here; u is what other classes have to undo, changed where they changed something.
func (j *job) data(ctx context.Context, l *lock, c *copies, changed set, u undo) error {
	t := j.plan(ctx, l, c)
	if t == nil {
		j.settle(ctx, l, changed, u)
		return nil
	}
	if t.to == 0 {
		u.merge(j.h.undoing(c, t.equal, t.sources, changelog.Data))
		j.settle(ctx, l, changed, u)
		return nil
	}
	defer t.close()
	if !t.open(ctx, l) {
		j.settle(ctx, l, changed, u)
		return nil
	}
	if t.size <= j.h.Short {
		t.stretch(ctx, l, 0, t.size)
		changed |= t.finish(ctx, l)
		u.merge(j.h.undoing(c, t.to|t.equal, t.sources, changelog.Data))
		j.settle(ctx, l, changed, u)
		return ctx.Err()
	}
	t.where = j.missed(ctx, l, c, t)
	t.tails(ctx, l, c)
	for i := range t.to.Each {
		// From here on clients' changes go to all alike, from the same size on.
		if err := t.resize(ctx, l, i, uint64(t.size)); err != nil {
			t.lose(i, "truncating", err)
		}
	}
	j.settle(ctx, l, changed, u)
	for off := int64(0); t.to != 0 && ctx.Err() == nil; {
		next := t.next(off)
		if next.Off >= next.End {
			break
		}
		if err := t.lockedStretch(ctx, c, next.Off, next.End-next.Off); err != nil {
			return err
		}
		off = next.End
	}
	if t.to == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	j.h.syncFiles(ctx, t)
	return t.conclude(ctx, c)
}

// tails gives sinks that nobody accuses what lies beyond their end, and a little before it. They
// are read from: bytes that nobody wrote, as a longer file would have for a while, must not be
// seen, nor, if the healing ends here, half of the write that made the source longer. So it goes
// from the front to the back, by windows.
func (t *transfer) tails(ctx context.Context, l *lock, c *copies) {
	all, where := t.to, t.where
	end := t.size
	for i := range (t.to &^ c.m.Accused(changelog.Data)).Each {
		end = min(end, t.old[i])
	}
	t.to, t.where = all&^c.m.Accused(changelog.Data), nil
	if end < t.size {
		end -= end % window
	}
	for ; end < t.size && t.to != 0 && ctx.Err() == nil; end += window {
		t.stretch(ctx, l, end, min(window, t.size-end))
	}
	t.to, t.where = t.to|all&c.m.Accused(changelog.Data), where
}

// plan decides who is to be healed from whom; nil: nothing is to be done about data, or
// nothing can be.
func (j *job) plan(ctx context.Context, l *lock, c *copies) *transfer {
	d := c.m.Direct(changelog.Data, j.h.Quorum, j.h.stores())
	stored := c.m.Replied & j.h.stores()
	if !j.full && !c.m.Marked(changelog.Data) {
		return nil
	}
	t := &transfer{j: j, sources: d.Sources}
	switch {
	case d.Doubt == changelog.Split:
		if t.from = j.splitSource(ctx, l, c, stored); t.from < 0 {
			j.doubt(d, changelog.Data)
			return nil
		}
		d.Sources = changelog.Of(t.from)
	case d.Sources == 0:
		j.doubt(d, changelog.Data)
		return nil
	default:
		if clean := d.Sources & c.m.Clean(changelog.Data); d.Differ && clean != 0 {
			d.Sources, d.Differ = clean, false // the dirty ones may have more, which nobody was told of
		}
		t.from = largest(c, d.Sources)
		if d.Differ || j.full {
			d.Sources = changelog.Of(t.from)
		}
	}
	t.to = stored &^ d.Sources
	t.equal = c.m.Replied &^ t.to
	t.size = int64(c.iatt[t.from].Size)
	for i := range t.to.Each {
		t.old[i] = int64(c.iatt[i].Size)
	}
	return t
}

// largest picks the largest file; of several, that which was changed last.
func largest(c *copies, among set) int {
	best := -1
	for i := range among.Each {
		if best < 0 || c.iatt[i].Size > c.iatt[best].Size ||
			c.iatt[i].Size == c.iatt[best].Size && c.iatt[best].Mtime.Before(c.iatt[i].Mtime) {
			best = i
		}
	}
	return best
}

// splitSource picks a copy although all are accused: any if all are the same, else what
// the user or the policy says. -1: neither says anything.
func (j *job) splitSource(ctx context.Context, l *lock, c *copies, stored set) int {
	if j.identical(ctx, l, c, stored) {
		return lowest(stored)
	}
	if j.source >= 0 {
		return lowest(only(j.source) & stored)
	}
	return lowest(j.favourite(c, stored))
}

// identical reports whether all copies have the same content.
func (j *job) identical(ctx context.Context, l *lock, c *copies, stored set) bool {
	first := lowest(stored)
	for i := range stored.Each {
		if c.iatt[i].Size != c.iatt[first].Size {
			return false
		}
	}
	if c.iatt[first].Size == 0 {
		return true
	}
	t := &transfer{j: j, from: first, to: stored &^ changelog.Of(first)}
	defer t.close()
	if !t.open(ctx, l) || t.to != stored&^changelog.Of(first) {
		return false
	}
	for off := int64(0); off < int64(c.iatt[first].Size) && ctx.Err() == nil; off += window {
		_, differ := t.differing(ctx, l, t.to, off, min(window, int64(c.iatt[first].Size)-off))
		if differ != 0 {
			return false
		}
	}
	return ctx.Err() == nil
}

// open opens the file on the source and the sinks. false: it cannot be copied.
func (t *transfer) open(ctx context.Context, l *lock) bool {
	got := on(t.to|changelog.Of(t.from), func(i int) (*xlator.OpenReply, error) {
		flags := uint32(syscall.O_RDWR)
		if i == t.from {
			flags = syscall.O_RDONLY
		}
		return t.j.h.children[i].Open(ctx, &fop.OpenReq{Req: l.req(i), GFID: t.j.gfid, Flags: flags})
	})
	t.session = l.session
	for i := range (t.to | changelog.Of(t.from)).Each {
		if got[i].Err != nil {
			t.lose(i, "opening", got[i].Err)
			continue
		}
		t.files[i] = got[i].Reply.File
	}
	return t.files[t.from] != nil
}

func (t *transfer) close() {
	for _, f := range t.files {
		if f != nil {
			_ = f.Close() // what was written is made durable by name
		}
	}
}

// lose takes a child out: its copy stays as wrong as it was, and blamed. Without the
// source all sinks are out.
func (t *transfer) lose(i int, what string, err error) {
	if i == t.from {
		t.to = 0
	}
	t.to &^= changelog.Of(i)
	t.j.refused(i, what, err)
}

// lockedStretch heals a stretch under a lock of its range. The source must still be one.
func (t *transfer) lockedStretch(ctx context.Context, c *copies, off, n int64) error {
	t.j.turn.next(ctx)
	t.j.turn.windows((min(n, stretch) + window - 1) / window)
	l := t.j.h.newLock(t.j.gfid)
	l.start, l.n = off, n
	if err := t.j.turn.wait(ctx, l); err != nil {
		return err
	}
	defer l.release(ctx)
	if now := t.j.h.look(ctx, l, t.j.gfid); !t.stillRight(l, c, now) {
		return nil
	}
	t.stretch(ctx, l, off, n)
	return nil
}

// stillRight reports whether the source has missed nothing since c; if it has, all is
// left as it is. Sinks that cannot be seen any more are out, and so is who was away meanwhile: the
// machine of a sink may have lost power, and with that what it was given before, and the healers'
// lock went with the connection.
func (t *transfer) stillRight(l *lock, c, now *copies) bool {
	var same set
	for i := range now.m.Replied.Each {
		if l.session[i] == t.session[i] {
			same |= changelog.Of(i)
		}
	}
	ok := same.Has(t.from) && t.j.h.Quorum.Met(now.m.Replied)
	for i := range now.m.Replied.Each {
		ok = ok && now.m.Pending[i][t.from][changelog.Data] == c.m.Pending[i][t.from][changelog.Data]
	}
	if gone := t.to &^ same; ok && gone != 0 {
		t.to &^= gone
		t.j.out.note(Partly, "a brick went away")
	}
	if !ok {
		t.to = 0
		t.j.out.note(Partly, "the source went away, or missed something itself")
	}
	return ok && t.to != 0
}

// finish gives the sinks the source's size and times, under a lock that covers the whole
// file, and returns the sinks that it left equal.
func (t *transfer) finish(ctx context.Context, l *lock) set {
	r, err := t.j.h.children[t.from].Stat(ctx, &fop.StatReq{Req: l.req(t.from), GFID: t.j.gfid})
	if err != nil {
		t.lose(t.from, "reading attributes", err)
		return 0
	}
	for i := range t.to.Each {
		if err := t.resize(ctx, l, i, r.Iatt.Size); err != nil {
			t.lose(i, "truncating", err)
		}
	}
	ok := t.j.times(ctx, l, t.to, &r.Iatt)
	t.to = ok
	return ok
}

// resize makes sink i as long as the source is.
func (t *transfer) resize(ctx context.Context, l *lock, i int, size uint64) error {
	x := t.j.h.children[i]
	r, err := x.Stat(ctx, &fop.StatReq{Req: l.req(i), GFID: t.j.gfid})
	if err == nil && r.Iatt.Size != size {
		_, err = x.Truncate(ctx, &fop.TruncateReq{Req: l.req(i), GFID: t.j.gfid, Size: size})
	}
	return err
}

// syncFiles makes most of what was written durable while writers go on, so that the last
// lock is short.
func (h *Healer) syncFiles(ctx context.Context, t *transfer) {
	got := on(t.to, func(i int) (*fop.InodeReply, error) {
		return t.files[i].Fsync(ctx, &fop.FsyncReq{Req: fop.Req{Caller: caller()}})
	})
	for i := range t.to.Each {
		if got[i].Err != nil {
			t.lose(i, "making durable", got[i].Err)
		}
	}
}

// conclude ends a long transfer: under the whole lock again, if the source still is one,
// what was seen at its beginning is undone.
func (t *transfer) conclude(ctx context.Context, c *copies) error {
	l := t.j.h.newLock(t.j.gfid)
	if err := t.j.turn.wait(ctx, l); err != nil {
		return err
	}
	now := t.j.h.look(ctx, l, t.j.gfid)
	if !t.stillRight(l, c, now) {
		l.release(ctx)
		return nil
	}
	for i := range t.to.Each {
		// Clients write to sinks too. One that differs in size now has missed a change that
		// it will be blamed for.
		if now.iatt[i].Size != now.iatt[t.from].Size {
			t.to &^= changelog.Of(i)
			t.j.out.note(Partly, "a brick missed changes while it was healed")
		}
	}
	changed := t.finish(ctx, l)
	t.j.settle(ctx, l, changed, t.j.h.undoing(c, t.to|t.equal, t.sources, changelog.Data))
	return nil
}
