package locks

import (
	"context"
	"math"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const infinity = math.MaxInt64

type owner struct {
	client uint64
	lk     fop.LkOwner
}

// A lock is an inodelk (a range) or an entrylk (a name).
type lock struct {
	domain     string
	owner      owner
	typ        fop.LkType
	entry      bool
	name       string // entry: "" is all names
	start, end int64  // not entry: inclusive
	notified   time.Time
}

func (k *lock) conflicts(o *lock) bool {
	if k.entry != o.entry || k.owner == o.owner || k.domain != o.domain {
		return false
	}
	if k.entry {
		return k.name == "" || o.name == "" || k.name == o.name
	}
	return (k.typ == fop.LkWrite || o.typ == fop.LkWrite) && k.start <= o.end && o.start <= k.end
}

// same reports whether o names exactly the lock k, as an unlock must.
func (k *lock) same(o *lock) bool {
	return k.entry == o.entry && k.owner == o.owner && k.domain == o.domain &&
		k.name == o.name && k.start == o.start && k.end == o.end
}

type waiter struct {
	lock    *lock
	granted chan struct{} // closed under shard.mu when the lock was granted, or refused
	refused error         // set before granted is closed: it was not, see Clear
	since   time.Time
}

// mayGrant reports whether k can be granted now. A conflict with an earlier waiter
// counts too, or a stream of small locks would starve a large one; not for an owner
// that holds a lock in the domain already, which might be what the waiter waits for.
func (in *inode) mayGrant(k *lock, before []*waiter) bool {
	nested := false
	for _, g := range in.granted {
		if k.conflicts(g) {
			return false
		}
		nested = nested || g.owner == k.owner && g.domain == k.domain
	}
	if nested {
		return true
	}
	for _, w := range before {
		if k.conflicts(w.lock) {
			return false
		}
	}
	return true
}

// grant gives waiters what has become free, first come first served.
func (in *inode) grant() {
	kept := in.waiting[:0]
	for _, w := range in.waiting {
		if in.mayGrant(w.lock, kept) {
			in.granted = append(in.granted, w.lock)
			close(w.granted)
		} else {
			kept = append(kept, w)
		}
	}
	clear(in.waiting[len(kept):])
	in.waiting = kept
	in.posix.grant()
}

// holders returns the contention events for those who stand in the way of k.
func (in *inode) holders(k *lock, now time.Time) []xlator.Event {
	var es []xlator.Event
	for _, g := range in.granted {
		if !k.conflicts(g) || now.Sub(g.notified) < renotify {
			continue
		}
		g.notified = now
		es = append(es, xlator.Event{Kind: xlator.Contention, GFID: in.gfid, Domain: g.domain,
			Entry: g.entry, Name: g.name, Client: g.owner.client})
	}
	return es
}

// request does one Inodelk or Entrylk.
func (l *locks) request(ctx context.Context, q *fop.Req, g fop.GFID, cmd fop.LockCmd, k *lock, mark []fop.Xattr, want []string) (*fop.LockReply, error) {
	switch cmd {
	case fop.LockUnlock:
		return &fop.LockReply{}, l.unlock(g, k)
	case fop.LockTry, fop.LockWait:
	default:
		return nil, syscall.EINVAL
	}
	if err := l.acquire(ctx, g, k, cmd == fop.LockWait); err != nil {
		return nil, err
	}
	r, err := l.markAndRead(context.WithoutCancel(ctx), q, g, mark, want)
	if err != nil {
		l.drop(g, k)
		return nil, err
	}
	return r, nil
}

// markAndRead does what a lock request wants to be done as the lock is granted.
func (l *locks) markAndRead(ctx context.Context, q *fop.Req, g fop.GFID, mark []fop.Xattr, want []string) (*fop.LockReply, error) {
	if len(mark) > 0 {
		if _, err := l.Child.Xattrop(ctx, &fop.XattropReq{Req: *q, GFID: g, Op: fop.XattropAdd32, Deltas: mark}); err != nil {
			return nil, err
		}
	}
	if want == nil {
		return &fop.LockReply{}, nil
	}
	r, err := l.Child.Lookup(ctx, &fop.LookupReq{Req: *q, GFID: g, Want: want})
	if err != nil {
		return nil, err
	}
	return &fop.LockReply{Iatt: r.Iatt, Xattrs: r.Xattrs}, nil
}

// acquire grants k, at once or (wait) when it becomes free. EAGAIN: it is not free.
func (l *locks) acquire(ctx context.Context, g fop.GFID, k *lock, wait bool) error {
	s := l.shard(g)
	s.mu.Lock()
	in := s.get(g)
	if in.mayGrant(k, in.waiting) {
		in.granted = append(in.granted, k)
		s.mu.Unlock()
		return nil
	}
	events := in.holders(k, time.Now())
	var w *waiter
	if wait {
		w = &waiter{lock: k, granted: make(chan struct{}), since: time.Now()}
		in.waiting = append(in.waiting, w)
	}
	s.mu.Unlock()
	for _, e := range events {
		l.w.Tell(e)
	}
	if !wait {
		return syscall.EAGAIN
	}
	return l.await(ctx, g, w)
}

// await waits for w, and reminds the holders as long as it does.
func (l *locks) await(ctx context.Context, g fop.GFID, w *waiter) error {
	remind := time.NewTicker(time.Second)
	defer remind.Stop()
	for {
		select {
		case <-w.granted:
			return w.refused
		case <-remind.C:
			s := l.shard(g)
			s.mu.Lock()
			events := s.get(g).holders(w.lock, time.Now())
			s.put(s.get(g))
			s.mu.Unlock()
			for _, e := range events {
				l.w.Tell(e)
			}
		case <-ctx.Done():
			if l.withdraw(g, w) {
				return syscall.EINTR
			}
			return w.refused // or granted in the meantime; the caller holds it
		}
	}
}

// withdraw takes w out of the queue; false: it was granted or refused.
func (l *locks) withdraw(g fop.GFID, w *waiter) bool {
	s := l.shard(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted:
		return false
	default:
	}
	in := s.get(g)
	for i := range in.waiting {
		if in.waiting[i] == w {
			in.waiting = append(in.waiting[:i], in.waiting[i+1:]...)
			break
		}
	}
	in.grant()
	s.put(in)
	return true
}

// drop removes the granted lock k itself.
func (l *locks) drop(g fop.GFID, k *lock) {
	s := l.shard(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.get(g)
	for i := range in.granted {
		if in.granted[i] == k {
			in.remove(i)
			break
		}
	}
	in.grant()
	s.put(in)
}

// unlock removes the lock that k describes; EINVAL if there is none.
func (l *locks) unlock(g fop.GFID, k *lock) error {
	s := l.shard(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.get(g)
	defer s.put(in)
	for i := range in.granted {
		if in.granted[i].same(k) {
			in.remove(i)
			in.grant()
			return nil
		}
	}
	return syscall.EINVAL
}

func (in *inode) remove(i int) {
	last := len(in.granted) - 1
	in.granted[i] = in.granted[last]
	in.granted[last] = nil
	in.granted = in.granted[:last]
}
