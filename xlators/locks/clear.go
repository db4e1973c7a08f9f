package locks

import (
	"math"
	"slices"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Kind says which of the three tables of an inode is meant.
type Kind uint8

// The kinds of locks.
const (
	Inode Kind = iota + 1 // byte ranges, of translators
	Entry                 // names, of translators
	Posix                 // of programs, flock too
)

// ClearReq says which locks of an inode are to go.
type ClearReq struct {
	GFID             fop.GFID
	Kind             Kind
	Granted, Blocked bool
	// Ranged restricts Inode and Posix to locks of exactly Len bytes (0: to the end) from Start.
	Ranged     bool
	Start, Len int64
	// Named restricts Entry to the locks on this one name.
	Named bool
	Name  string
}

// Cleared tells what was cleared.
type Cleared struct {
	Granted, Blocked int
	// Holders are the clients whose granted locks of translators were taken away: they do
	// not know, and must not go on as if they held them.
	Holders []uint64
}

// A Table is what this translator offers to whoever looks after the brick. Safe for
// concurrent use.
type Table interface {
	// Recall tells the clients that hold translators' locks which q means that somebody wants
	// them: those that are well give them up soon. left counts which are still held.
	Recall(q *ClearReq) (count int, left func() int)
	Clear(*ClearReq) Cleared
	Dump() []InodeLocks
}

var _ Table = (*locks)(nil)

// Of returns the table of a translator that New made, nil of any other.
func Of(x xlator.Xlator) Table {
	if l, ok := x.(*locks); ok {
		return l
	}
	return nil
}

// Clear takes locks away from those who hold them or wait for them. A translator that
// waits gets EAGAIN, a program EINTR.
func (l *locks) Clear(q *ClearReq) (c Cleared) {
	s := l.shard(q.GFID)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.inodes[q.GFID]
	if in == nil {
		return c
	}
	if q.Kind == Posix {
		in.posix.clear(q, &c)
	} else {
		in.clear(q, &c)
	}
	in.grant()
	s.put(in)
	slices.Sort(c.Holders)
	c.Holders = slices.Compact(c.Holders)
	return c
}

func (l *locks) Recall(q *ClearReq) (count int, left func() int) {
	var held []*lock
	s := l.shard(q.GFID)
	s.mu.Lock()
	if in := s.inodes[q.GFID]; in != nil && q.Granted && q.Kind != Posix {
		for _, k := range in.granted {
			if q.picks(k) {
				held = append(held, k)
			}
		}
	}
	s.mu.Unlock()
	for _, k := range held {
		l.w.Tell(xlator.Event{Kind: xlator.Contention, GFID: q.GFID, Domain: k.domain, Entry: k.entry, Name: k.name, Client: k.owner.client})
	}
	return len(held), func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		in := s.inodes[q.GFID]
		if in == nil {
			return 0
		}
		for _, k := range held {
			if slices.Contains(in.granted, k) {
				n++
			}
		}
		return n
	}
}

// picks tells whether q means the translators' lock k.
func (q *ClearReq) picks(k *lock) bool {
	if k.entry {
		return q.Kind == Entry && (!q.Named || k.name == q.Name)
	}
	return q.Kind == Inode && (!q.Ranged || k.start == q.Start && k.length() == q.Len)
}

// length of a range; 0: to the end.
func (k *lock) length() int64 {
	if k.end == infinity {
		return 0
	}
	return k.end - k.start + 1
}

// length of a program's range; 0: to the end.
func (k *plock) length() uint64 {
	if k.end == math.MaxUint64-1 {
		return 0
	}
	return k.end - k.start + 1
}

func (in *inode) clear(q *ClearReq, c *Cleared) {
	if q.Blocked {
		in.waiting = slices.DeleteFunc(in.waiting, func(w *waiter) bool {
			if !q.picks(w.lock) {
				return false
			}
			c.Blocked++
			w.refused = syscall.EAGAIN
			close(w.granted)
			return true
		})
	}
	if q.Granted {
		in.granted = slices.DeleteFunc(in.granted, func(k *lock) bool {
			if !q.picks(k) {
				return false
			}
			c.Granted++
			c.Holders = append(c.Holders, k.owner.client)
			return true
		})
	}
}

func (t *posixTable) clear(q *ClearReq, c *Cleared) {
	picks := func(k *plock) bool {
		return !q.Ranged || k.start == uint64(q.Start) && k.length() == uint64(q.Len)
	}
	if q.Blocked {
		t.waiting = slices.DeleteFunc(t.waiting, func(w *pwaiter) bool {
			if !picks(&w.lock) {
				return false
			}
			c.Blocked++
			w.refused = syscall.EINTR
			close(w.granted)
			return true
		})
	}
	if q.Granted {
		n := len(t.granted)
		t.granted = slices.DeleteFunc(t.granted, func(k plock) bool { return picks(&k) })
		c.Granted += n - len(t.granted)
	}
}
