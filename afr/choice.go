package afr

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// readMode is option read-hash-mode: which of several good bricks is read from, if neither
// read-subvolume nor choose-local has one to prefer.
type readMode int

const (
	readFirst     readMode = iota // the first
	readByInode                   // by GFID: the same for all clients
	readByClient                  // by GFID and client
	readLeastBusy                 // the one with the fewest reads of this client under way
	readFastest                   // the one that answered reads in the shortest time lately
	readLeastWait                 // the least product of both
	readModes
)

// A readLoad is what reading data from one child is like. Only modes from readLeastBusy on
// look at it, and only then it is kept.
type readLoad struct {
	underWay atomic.Int64
	// took is about how long a read takes, in nanoseconds; 0: not known. It sinks while others
	// are read from, so that a child that was slow once is tried again.
	took atomic.Int64
}

// prefer returns the child of s to read inode g from: the configured one, else spread
// by the mode over those that store data, or those of them that are on this machine.
func (r *replicate) prefer(g fop.GFID, s set) int {
	if d := s & r.dataSet(); d != 0 {
		s = d
	}
	if r.readIdx >= 0 && s.Has(r.readIdx) {
		return r.readIdx
	}
	if l := s & r.state.Load().local; l != 0 {
		s = l
	}
	n := 0
	if r.readMode != readFirst {
		h := uint64(g[15] ^ g[7])
		if r.readMode == readByClient {
			h ^= r.salt
		}
		n = int(h % uint64(max(s.Len(), 1)))
	}
	for i := range s.Each {
		if n == 0 {
			return i
		}
		n--
	}
	return -1
}

// preferData is prefer for a read of data.
func (r *replicate) preferData(g fop.GFID, s set) int {
	first := r.prefer(g, s)
	local := r.state.Load().local
	if r.readMode < readLeastBusy || first < 0 || first == r.readIdx {
		return first
	}
	if local.Has(first) {
		s &= local
	}
	best := first // of equals, as any other mode
	for i := range (s & r.dataSet()).Each {
		if r.cost(i) < r.cost(best) {
			best = i
		}
	}
	return best
}

// cost is what a read from child i costs, in the mode's measure.
func (r *replicate) cost(i int) uint64 {
	l := &r.loads[i]
	switch r.readMode {
	case readLeastBusy:
		return uint64(l.underWay.Load())
	case readFastest:
		return uint64(l.took.Load())
	}
	over, product := bits.Mul64(uint64(l.underWay.Load()+1), uint64(l.took.Load()))
	if over != 0 {
		return 1<<64 - 1
	}
	return product
}

// reading counts a read of data from child i; done is to be called at its end.
func (r *replicate) reading(i int) (done func()) {
	if r.readMode < readLeastBusy {
		return func() {}
	}
	begin := time.Now()
	l := &r.loads[i]
	l.underWay.Add(1)
	return func() {
		l.underWay.Add(-1)
		now := max(int64(time.Since(begin)), 1)
		if was := l.took.Load(); was != 0 {
			now = was + (now-was)/8
		}
		l.took.Store(now) // that a racing read's time is lost does not matter
		for k := range r.all().Each {
			if k != i {
				o := &r.loads[k].took
				o.Store(o.Load() * 127 / 128)
			}
		}
	}
}
