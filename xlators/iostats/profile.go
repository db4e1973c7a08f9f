package iostats

import (
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// A Profile is what happened in some time.
type Profile struct {
	Took          time.Duration
	Read, Written uint64         // bytes
	Reads, Writes [Blocks]uint64 // how many, by size
	Fops          []Times        // of fops that happened
}

// Times are the latencies of one fop.
type Times struct {
	Fop             fop.Fop
	Count           uint64
	Total, Min, Max time.Duration
}

// totals are the counters at one moment.
type totals struct {
	count, nanos  [fop.OpCount]uint64
	read, written uint64
	reads, writes [Blocks]uint64
}

// extremes are the shortest and the longest of each fop, in nanoseconds; 0: none.
type extremes struct{ least, most [fop.OpCount]int64 }

// join makes e the extremes of e's and o's times together.
func (e *extremes) join(o *extremes) {
	for i := range e.least {
		if e.least[i] == 0 || o.least[i] != 0 && o.least[i] < e.least[i] {
			e.least[i] = o.least[i]
		}
		e.most[i] = max(e.most[i], o.most[i])
	}
}

// Profile returns what happened since the start (or since Clear), what happened in the
// present interval, and the interval's number, counting from 0. If next, a new interval begins.
func (s *Stats) Profile(next bool) (all, interval Profile, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, at := s.now(), time.Now()
	present := s.extremes(next)
	total := s.worst
	total.join(&present)
	all = difference(&s.base, &now, &total)
	interval = difference(&s.mark, &now, &present)
	all.Took, interval.Took, number = at.Sub(s.since), at.Sub(s.began), s.count
	if next {
		s.worst, s.mark, s.began = total, now, at
		s.count++
	}
	return all, interval, number
}

// Clear begins anew what Profile and Top tell.
func (s *Stats) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extremes(true)
	s.base = s.now()
	s.mark, s.worst, s.count = s.base, extremes{}, 0
	s.since = time.Now()
	s.began = s.since
}

// now copies the counters.
func (s *Stats) now() totals {
	var t totals
	for i := range s.fops {
		t.count[i], t.nanos[i] = s.fops[i].count.Load(), s.fops[i].nanos.Load()
	}
	t.read, t.written = s.reads.bytes.Load(), s.writes.bytes.Load()
	for i := range t.reads {
		t.reads[i], t.writes[i] = s.reads.blocks[i].Load(), s.writes.blocks[i].Load()
	}
	return t
}

// extremes returns those of the present interval; if take, they begin anew.
func (s *Stats) extremes(take bool) (e extremes) {
	for i := range s.fops {
		o := &s.fops[i]
		if take {
			e.least[i], e.most[i] = o.least.Swap(0), o.most.Swap(0)
		} else {
			e.least[i], e.most[i] = o.least.Load(), o.most.Load()
		}
	}
	return e
}

// difference is what happened between two moments.
func difference(from, to *totals, e *extremes) (p Profile) {
	p.Read, p.Written = to.read-from.read, to.written-from.written
	for i := range p.Reads {
		p.Reads[i], p.Writes[i] = to.reads[i]-from.reads[i], to.writes[i]-from.writes[i]
	}
	for i := range to.count {
		if n := to.count[i] - from.count[i]; n > 0 {
			p.Fops = append(p.Fops, Times{Fop: fop.Fop(i), Count: n, Total: time.Duration(to.nanos[i] - from.nanos[i]),
				Min: time.Duration(e.least[i]), Max: time.Duration(e.most[i])})
		}
	}
	return p
}
