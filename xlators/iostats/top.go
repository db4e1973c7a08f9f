package iostats

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// A TopKind is what files can be ranked by.
type TopKind uint8

// The kinds of Top.
const (
	TopOpen TopKind = iota
	TopRead
	TopWrite
	TopOpendir
	TopReaddir
	TopReadRate
	TopWriteRate

	topCounts = TopReadRate // kinds that are counts
)

// FileTop is a file's place in a ranking.
type FileTop struct {
	GFID  fop.GFID
	Value uint64    // how often; of the rates the best one, in bytes per second
	At    time.Time // of the rates: when it was reached
}

// The files that are counted are kept in sets, by GFID. In a full set the file that was
// used least gives way, so that the busiest stay however many pass: memory is bounded and
// no lock is needed.
const (
	topSets = 1024
	topWays = 4
)

type fileTable [topSets][topWays]atomic.Pointer[fileCounts]

// fileCounts are the counters of one file or directory.
type fileCounts struct {
	gfid   fop.GFID
	opened atomic.Int32 // times that it is open now
	n      [topCounts]atomic.Uint64
	best   [2]rate // of reading and writing
}

// rate is the best throughput of one call.
type rate struct {
	perSecond atomic.Uint64 // bytes
	at        atomic.Int64  // Unix nanoseconds
}

func (r *rate) offer(bytes int, d time.Duration) {
	now := uint64(float64(bytes) / max(d.Seconds(), 1e-9))
	if now > r.perSecond.Load() { // two at once: either will do
		r.perSecond.Store(now)
		r.at.Store(time.Now().UnixNano())
	}
}

func (c *fileCounts) score() (n uint64) {
	for i := range c.n {
		n += c.n[i].Load()
	}
	return n
}

// of returns the counters of g, new ones if it has none. It never fails: in a set whose
// files are all open, they are counters that nobody will see.
func (t *fileTable) of(g fop.GFID) *fileCounts {
	set := &t[(int(g[14])<<8|int(g[15]))%topSets]
	var victim *atomic.Pointer[fileCounts]
	var old *fileCounts
	for i := range set {
		c := set[i].Load()
		switch {
		case c == nil:
			if victim == nil || old != nil {
				victim, old = &set[i], nil
			}
		case c.gfid == g:
			return c
		case c.opened.Load() > 0:
		case victim == nil || old != nil && c.score() < old.score():
			victim, old = &set[i], c
		}
	}
	c := &fileCounts{gfid: g}
	if victim != nil {
		victim.CompareAndSwap(old, c)
	}
	return c
}

// openCount is how many files are open, and were at most.
type openCount struct {
	now, most, at atomic.Int64
}

func (o *openCount) add() {
	n := o.now.Add(1)
	for m := o.most.Load(); n > m; m = o.most.Load() {
		if o.most.CompareAndSwap(m, n) {
			o.at.Store(time.Now().UnixNano())
			return
		}
	}
}

// Open returns how many files are open, how many were at most at once, and when; the
// zero time if none was.
func (s *Stats) OpenFiles() (now, most int64, at time.Time) {
	if n := s.opened.at.Load(); n != 0 {
		at = time.Unix(0, n)
	}
	return s.opened.now.Load(), s.opened.most.Load(), at
}

// Top returns the n files that lead in kind, best first.
func (s *Stats) Top(kind TopKind, n int) []FileTop {
	var out []FileTop
	for i := range s.files {
		for w := range s.files[i] {
			c := s.files[i][w].Load()
			if c == nil {
				continue
			}
			f := FileTop{GFID: c.gfid}
			switch kind {
			case TopReadRate, TopWriteRate:
				r := &c.best[kind-TopReadRate]
				f.Value, f.At = r.perSecond.Load(), time.Unix(0, r.at.Load())
			default:
				f.Value = c.n[kind].Load()
			}
			if f.Value > 0 {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b FileTop) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), slices.Compare(a.GFID[:], b.GFID[:]))
	})
	return out[:min(n, len(out))]
}

// ClearTop begins the rankings anew. Files that are open now are still counted.
func (s *Stats) ClearTop() {
	for i := range s.files {
		for w := range s.files[i] {
			c := s.files[i][w].Load()
			if c == nil {
				continue
			}
			if c.opened.Load() == 0 {
				s.files[i][w].CompareAndSwap(c, nil)
			}
			for k := range c.n {
				c.n[k].Store(0)
			}
			for k := range c.best {
				c.best[k].perSecond.Store(0)
			}
		}
	}
	s.opened.most.Store(s.opened.now.Load())
	s.opened.at.Store(0)
}
