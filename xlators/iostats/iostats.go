// Package iostats counts and times every fop: for profile, top, metrics and dumps.
//
// Intercepts: every fop, without changing any.
//
// Counting is always on. A fop costs a handful of atomic additions, no lock and no
// allocation; opening a file that was not opened lately allocates its counters.
//
// Volfile:
//
//	volume v
//	    type debug/io-stats
//	    subvolumes v-dht
//	end-volume
package iostats

import (
	"context"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// Buckets is the number of latency buckets: bucket i counts fops that took less than
	// 2^i microseconds (and not less than 2^(i-1)); the last one counts all longer ones.
	Buckets = 28
	// Blocks is the number of sizes that reads and writes are sorted by: block i counts
	// those of at least 2^i bytes and less than 2^(i+1).
	Blocks = 32
)

// Stats are the counters of a translator, or of several; safe for concurrent use. The zero
// value begins with the first translator that counts into it.
type Stats struct {
	fops   [fop.OpCount]opStats
	reads  sizes
	writes sizes
	files  fileTable
	opened openCount

	mu    sync.Mutex // guards what follows; no fop takes it
	since time.Time  // beginning of the cumulative counts
	base  totals     // of the counters then
	worst extremes   // of the intervals before the present one
	began time.Time  // beginning of the present interval
	mark  totals     // of the counters then
	count int        // of intervals that have ended
}

// opStats are the counters of one fop since the process began, but for the extremes.
type opStats struct {
	count, errors, nanos atomic.Uint64
	buckets              [Buckets]atomic.Uint64
	// The extremes of the present interval, in nanoseconds; 0: no fop yet. A fop that ends
	// as an interval does may count for either.
	least, most atomic.Int64
}

// sizes are the counters of data read, or written.
type sizes struct {
	bytes  atomic.Uint64
	blocks [Blocks]atomic.Uint64
}

func (s *sizes) add(n int) {
	s.bytes.Add(uint64(n))
	if n > 0 {
		s.blocks[min(bits.Len64(uint64(n))-1, Blocks-1)].Add(1)
	}
}

// A Sample is a copy of the counters of one fop.
type Sample struct {
	Fop     fop.Fop
	Count   uint64
	Errors  uint64
	Total   time.Duration // sum of all latencies
	Buckets [Buckets]uint64
}

// Samples returns the counters of every fop that happened at least once, since the
// process began: Clear does not change them.
func (s *Stats) Samples() []Sample {
	var out []Sample
	for i := range s.fops {
		o := &s.fops[i]
		if n := o.count.Load(); n > 0 {
			sm := Sample{Fop: fop.Fop(i), Count: n, Errors: o.errors.Load(), Total: time.Duration(o.nanos.Load())}
			for b := range o.buckets {
				sm.Buckets[b] = o.buckets[b].Load()
			}
			out = append(out, sm)
		}
	}
	return out
}

// Bytes returns the bytes read and written by programs since the process began.
func (s *Stats) Bytes() (read, written uint64) { return s.reads.bytes.Load(), s.writes.bytes.Load() }

// ioStats is the translator.
type ioStats struct {
	xlator.Pass
	*Stats
}

// New makes an io-stats translator over one subvolume, with counters of its own. Of gives
// access to them.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	return Into(NewStats())(env, opts, subvols)
}

// Into returns a constructor like New whose translators all count into s: the graphs that
// one process has in the course of time.
func Into(s *Stats) xlator.New {
	return func(env xlator.Env, _ xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
		if len(subvols) != 1 {
			return nil, fmt.Errorf("debug/io-stats %s: wants one subvolume, has %d", env.Name, len(subvols))
		}
		s.begin(time.Now())
		return &ioStats{Pass: xlator.Pass{Child: subvols[0]}, Stats: s}, nil
	}
}

// NewStats makes counters that begin now.
func NewStats() *Stats { return newStats(time.Now()) }

func newStats(now time.Time) *Stats {
	s := &Stats{}
	s.begin(now)
	return s
}

// begin sets when the counts began, if that is not known.
func (s *Stats) begin(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		s.since, s.began = now, now
	}
}

// Of returns the counters of a translator that New made, nil of any other.
func Of(x xlator.Xlator) *Stats {
	if s, ok := x.(*ioStats); ok {
		return s.Stats
	}
	return nil
}

// timed performs one fop and accounts for it.
func timed[Q, R any](s *Stats, op fop.Fop, do func(context.Context, Q) (R, error), ctx context.Context, q Q) (R, error) {
	r, _, err := clocked(s, op, do, ctx, q)
	return r, err
}

// clocked is timed, and says how long it took.
func clocked[Q, R any](s *Stats, op fop.Fop, do func(context.Context, Q) (R, error), ctx context.Context, q Q) (R, time.Duration, error) {
	start := time.Now()
	r, err := do(ctx, q)
	d := time.Since(start)
	s.fops[op].add(d, err)
	return r, d, err
}

func (o *opStats) add(d time.Duration, err error) {
	o.count.Add(1)
	o.nanos.Add(uint64(d))
	o.buckets[min(bits.Len64(uint64(d/time.Microsecond)), Buckets-1)].Add(1)
	if err != nil {
		o.errors.Add(1)
	}
	n := max(int64(d), 1)
	for l := o.least.Load(); (l == 0 || n < l) && !o.least.CompareAndSwap(l, n); {
		l = o.least.Load()
	}
	for m := o.most.Load(); n > m && !o.most.CompareAndSwap(m, n); {
		m = o.most.Load()
	}
}
