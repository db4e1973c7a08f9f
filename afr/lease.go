package afr

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A slot is where one kind of lease of one inode lives. Everything is guarded by
// in.mu.
type slot struct {
	in      *inode
	entry   bool // a directory's names, else the inode's data and metadata
	state   slotState
	lease   *lease
	running []opKey
	wanted  bool          // contention was told while the lease was being acquired
	changed chan struct{} // closed when anything changes; nil if nobody waits
}

type slotState uint8

const (
	free slotState = iota
	acquiring
	held
	releasing
)

// A lease is a lock held on bricks, with its marks. The fields above the line are set
// before anybody else sees it.
type lease struct {
	slot  *slot // nil: a transient lease on single names
	gfid  fop.GFID
	entry bool
	names []string // transient entry lease: the names locked; else nil
	owner fop.LkOwner
	// ---- guarded by slot.in.mu (a transient lease has only one user)
	locked  set // children that granted the lock
	active  set // of these, those that took part in everything since
	gen     [changelog.MaxReplicas]uint64
	session [changelog.MaxReplicas]uint64
	good    [3]set // who nobody accused at the grant, by class
	// pristine: at the grant all children had no mark but this lease's.
	pristine bool
	mark     changelog.Counters
	// changed: classes in which something was changed under this lease.
	changed [3]bool
	// blamed: children for which pending counters were stored under this lease.
	blamed [3]set
	// missed is where data was changed under this lease, and who was told how often that
	// others missed it.
	missed missedData
	// keepDirty: a change ended without quorum; its marks are for the healer.
	keepDirty bool
	contended bool
	absent    absence // a directory's whole lease
	users     int
	uses      uint64 // how often somebody began to use it
	lastUse   time.Time
}

// opKey says what a running operation touches, so that two operations of this client
// that do not commute reach all bricks in the same order.
type opKey struct {
	start, end   int64 // data range, inclusive; end < start: none
	meta         bool
	name1, name2 string
}

func (k opKey) conflicts(o opKey) bool {
	if k.start <= o.end && o.start <= k.end {
		return true
	}
	if k.meta && o.meta {
		return true
	}
	same := func(a, b string) bool { return a != "" && a == b }
	return same(k.name1, o.name1) || same(k.name1, o.name2) || same(k.name2, o.name1) || same(k.name2, o.name2)
}

var noRange = opKey{start: 0, end: -1}

func rangeKey(start, end int64) opKey { return opKey{start: start, end: end} }
func metaKey() opKey                  { k := noRange; k.meta = true; return k }
func nameKey(a, b string) opKey       { k := noRange; k.name1, k.name2 = a, b; return k }

// tell wakes those who wait for the slot to change.
func (s *slot) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// wait unlocks in.mu until the slot changes or ctx ends; it returns with in.mu locked.
func (s *slot) wait(ctx context.Context) error {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	c := s.changed
	s.in.mu.Unlock()
	defer s.in.mu.Lock()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return syscall.EINTR
	}
}

// stale reports whether the lease must be taken anew before its next use: somebody
// wants it, or a brick is there that does not take part in it.
func (l *lease) stale(st *state) bool {
	if l.contended {
		return true
	}
	for i := range st.up.Each {
		if l.gen[i] != st.gen[i] {
			return true // it came (back) after the lock was taken
		}
	}
	return false
}

// live returns the children that still take part.
func (l *lease) live(st *state) set { return l.active & l.lasting(st) }

// lasting returns the children that have been there ever since they granted the lock.
func (l *lease) lasting(st *state) set {
	s := l.locked & st.up
	for i := range s.Each {
		if l.gen[i] != st.gen[i] {
			s &^= changelog.Of(i)
		}
	}
	return s
}

// begin joins the slot's lease, taking it first if need be, and registers key as
// running. The caller holds a reference to the inode and calls end.
func (r *replicate) begin(ctx context.Context, q *fop.Req, s *slot, key opKey, class changelog.Class) (*lease, error) {
	in := s.in
	in.mu.Lock()
	defer in.mu.Unlock()
	var fresh *lease // taken by this call and not used yet
	for {
		switch {
		case s.state == free:
			s.state, s.wanted = acquiring, false
			in.mu.Unlock()
			l, err := r.acquire(ctx, q, s, class)
			in.mu.Lock()
			s.state = free
			s.tell()
			if err != nil {
				return nil, err
			}
			s.state, s.lease = held, l
			l.contended, s.wanted = s.wanted, false
			r.keeper.add(r, s)
			fresh = l
		case s.state == held && s.lease != fresh && s.lease.users == 0 && s.lease.stale(r.state.Load()):
			r.giveUp(s)
		case s.state == held && (s.lease == fresh || !s.lease.stale(r.state.Load())) &&
			!slices.ContainsFunc(s.running, key.conflicts):
			// A lease just taken serves the one who took it even if it is wanted already, or
			// nobody would ever get anything done.
			fresh = nil
			s.lease.users++
			s.lease.uses++
			s.running = append(s.running, key)
			return s.lease, nil
		default:
			if err := s.wait(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// end leaves the lease. One that somebody else wants goes as soon as nobody uses it.
func (r *replicate) end(l *lease, key opKey) {
	s := l.slot
	if s == nil {
		r.keeper.depart(r, l)
		return
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	l.users--
	l.lastUse = time.Now()
	if i := slices.Index(s.running, key); i >= 0 {
		s.running = slices.Delete(s.running, i, i+1)
	}
	s.tell()
	switch {
	case l.users > 0:
	case l.contended && s.state == held:
		s.state = releasing
		r.keeper.spawn(func() { r.finishGiveUp(s) })
	default:
		r.settleSoon(l)
	}
}

// giveUp releases the slot's unused lease on the caller's goroutine; in.mu is held,
// and let go meanwhile.
func (r *replicate) giveUp(s *slot) {
	s.state = releasing
	s.in.mu.Unlock()
	r.finishGiveUp(s)
	s.in.mu.Lock()
}

// finishGiveUp releases the lease of a slot in state releasing.
func (r *replicate) finishGiveUp(s *slot) {
	r.settle(s.lease, r.syncInodes([]*lease{s.lease}))
	r.releaseLeases([]*lease{s.lease})
	s.in.mu.Lock()
	s.state, s.lease = free, nil
	s.tell()
	r.keeper.remove(r, s)
	s.in.mu.Unlock()
}

// contended handles the news that somebody wants a lock of ours.
func (r *replicate) contended(e xlator.Event) {
	in := r.inodes.peek(e.GFID)
	if in == nil {
		return
	}
	s := &in.data
	if e.Entry {
		s = &in.names
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if e.Entry && e.Name == "" {
		in.contendedUntil = time.Now().Add(contendedFor)
	}
	if s.state == acquiring {
		s.wanted = true
	}
	if s.state != held {
		return
	}
	s.lease.contended = true
	if s.lease.users == 0 {
		s.state = releasing
		r.keeper.spawn(func() { r.finishGiveUp(s) })
	}
}

// contendedFor is how long a directory that several clients want is locked name by
// name.
const contendedFor = 3 * time.Second
