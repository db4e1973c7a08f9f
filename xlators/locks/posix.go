package locks

import (
	"context"
	"math"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A plock is a granted POSIX or flock lock. One owner's plocks of one kind never
// overlap.
type plock struct {
	owner      owner
	flock      bool
	typ        fop.LkType
	start, end uint64 // inclusive
	pid        uint32
}

func (k *plock) conflicts(o *plock) bool {
	return k.flock == o.flock && k.owner != o.owner && (k.typ == fop.LkWrite || o.typ == fop.LkWrite) &&
		k.start <= o.end && o.start <= k.end
}

type pwaiter struct {
	lock    plock
	granted chan struct{} // closed under shard.mu when the lock was granted, or refused
	refused error         // set before granted is closed
	since   time.Time
}

// A posixTable holds the program locks of one inode; guarded by shard.mu.
type posixTable struct {
	granted []plock
	waiting []*pwaiter
}

func (t *posixTable) idle() bool { return len(t.granted) == 0 && len(t.waiting) == 0 }

// conflict returns a granted lock in the way of k, or nil.
func (t *posixTable) conflict(k *plock) *plock {
	for i := range t.granted {
		if t.granted[i].conflicts(k) {
			return &t.granted[i]
		}
	}
	return nil
}

// set replaces what k.owner holds in k's range by k: splitting, and merging with
// neighbours of the same type, as fcntl(2) says.
func (t *posixTable) set(k plock) {
	var out []plock
	for _, g := range t.granted {
		if g.owner != k.owner || g.flock != k.flock || g.end < k.start && (g.end+1 != k.start || g.typ != k.typ) ||
			g.start > k.end && (k.end+1 != g.start || g.typ != k.typ) {
			out = append(out, g)
			continue
		}
		if g.typ == k.typ { // touching or overlapping: one lock
			k.start, k.end = min(k.start, g.start), max(k.end, g.end)
			continue
		}
		if g.start < k.start {
			left := g
			left.end = k.start - 1
			out = append(out, left)
		}
		if g.end > k.end {
			right := g
			right.start = k.end + 1
			out = append(out, right)
		}
	}
	if k.typ != fop.LkUnlock {
		out = append(out, k)
	}
	t.granted = out
}

func (t *posixTable) grant() {
	kept := t.waiting[:0]
	for _, w := range t.waiting {
		if t.conflict(&w.lock) == nil {
			t.set(w.lock)
			close(w.granted)
		} else {
			kept = append(kept, w)
		}
	}
	clear(t.waiting[len(kept):])
	t.waiting = kept
}

func (t *posixTable) dropClient(client uint64) {
	t.granted = slices.DeleteFunc(t.granted, func(k plock) bool { return k.owner.client == client })
	t.waiting = slices.DeleteFunc(t.waiting, func(w *pwaiter) bool { return w.lock.owner.client == client })
}

// dropOwner removes the locks of o, of one kind.
func (t *posixTable) dropOwner(o owner, flock bool) {
	t.granted = slices.DeleteFunc(t.granted, func(k plock) bool { return k.owner == o && k.flock == flock })
}

// A file remembers which owners locked through it.
type file struct {
	xlator.PassFile
	l    *locks
	gfid fop.GFID

	mu     sync.Mutex
	owners map[lockedBy]struct{} // guarded by mu; nil until the first lock
}

type lockedBy struct {
	owner owner
	flock bool
}

// Lk does fcntl(2) and flock(2) locking.
func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	k := plock{owner: ownerOf(&q.Req, q.Owner), flock: q.Flock, typ: q.Type, start: q.Start, end: q.End, pid: q.PID}
	if k.end >= math.MaxInt64 {
		k.end = math.MaxUint64 - 1 // so that end+1 never wraps
	}
	if k.start > k.end {
		return nil, syscall.EINVAL
	}
	if q.Cmd == fop.LkGet {
		return f.test(&k), nil
	}
	if k.typ != fop.LkUnlock {
		f.remember(lockedBy{k.owner, k.flock})
	}
	w, err := f.tryOrQueue(k, q.Cmd == fop.LkWait)
	if err != nil || w == nil {
		return &fop.LkReply{Type: q.Type, PID: q.PID, Start: q.Start, End: q.End}, err
	}
	select {
	case <-w.granted:
	case <-ctx.Done():
		if f.withdraw(w) {
			return nil, syscall.EINTR
		}
	}
	if w.refused != nil {
		return nil, w.refused
	}
	return &fop.LkReply{Type: q.Type, PID: q.PID, Start: q.Start, End: q.End}, nil
}

func (f *file) test(k *plock) *fop.LkReply {
	s := f.l.shard(f.gfid)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.get(f.gfid)
	defer s.put(in)
	c := in.posix.conflict(k)
	if c == nil {
		return &fop.LkReply{Type: fop.LkUnlock}
	}
	r := &fop.LkReply{Type: c.typ, PID: c.pid, Start: c.start, End: c.end}
	if c.end == math.MaxUint64-1 {
		r.End = math.MaxInt64
	}
	return r
}

func (f *file) remember(b lockedBy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owners == nil {
		f.owners = map[lockedBy]struct{}{}
	}
	f.owners[b] = struct{}{}
}

// tryOrQueue sets the lock, or queues a waiter for it, or answers EAGAIN.
func (f *file) tryOrQueue(k plock, wait bool) (*pwaiter, error) {
	s := f.l.shard(f.gfid)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.get(f.gfid)
	defer s.put(in)
	if k.typ == fop.LkUnlock || in.posix.conflict(&k) == nil {
		in.posix.set(k)
		in.posix.grant() // an unlock or a downgrade lets others in
		return nil, nil
	}
	if !wait {
		return nil, syscall.EAGAIN
	}
	w := &pwaiter{lock: k, granted: make(chan struct{}), since: time.Now()}
	in.posix.waiting = append(in.posix.waiting, w)
	return w, nil
}

// withdraw takes w out of the queue; false: it was granted or refused.
func (f *file) withdraw(w *pwaiter) bool {
	s := f.l.shard(f.gfid)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted:
		return false
	default:
	}
	in := s.get(f.gfid)
	in.posix.waiting = slices.DeleteFunc(in.posix.waiting, func(x *pwaiter) bool { return x == w })
	s.put(in)
	return true
}

// Flush drops the owner's POSIX locks on the inode, whichever file took them, as
// close(2) must.
func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	f.drop(lockedBy{ownerOf(&q.Req, q.Owner), false})
	return f.Child.Flush(ctx, q)
}

func (f *file) drop(b lockedBy) {
	s := f.l.shard(f.gfid)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.get(f.gfid)
	in.posix.dropOwner(b.owner, b.flock)
	in.posix.grant()
	s.put(in)
}

// Close drops the locks of those who locked through this file.
func (f *file) Close() error {
	f.mu.Lock()
	owners := f.owners
	f.owners = nil
	f.mu.Unlock()
	for b := range owners {
		f.drop(b)
	}
	return f.Child.Close()
}

// CopyFileRange hands the child its own file.
func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok {
		return nil, syscall.EXDEV
	}
	return f.Child.CopyFileRange(ctx, q, d.Child)
}
