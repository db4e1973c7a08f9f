// Package iostats counts and times every fop.
//
// Intercepts: every fop, without changing any.
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
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Buckets is the number of latency buckets: bucket i counts fops that took less than
// 2^i microseconds (and not less than 2^(i-1)); the last one counts all longer ones.
const Buckets = 28

// Stats are the counters of one translator; safe for concurrent use.
type Stats struct {
	fops         [fop.OpCount]opStats
	bytesRead    atomic.Uint64
	bytesWritten atomic.Uint64
}

type opStats struct {
	count, errors, nanos atomic.Uint64
	buckets              [Buckets]atomic.Uint64
}

// A Sample is a copy of the counters of one fop.
type Sample struct {
	Fop     fop.Fop
	Count   uint64
	Errors  uint64
	Total   time.Duration // sum of all latencies
	Buckets [Buckets]uint64
}

// Samples returns the counters of every fop that happened at least once.
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

// Bytes returns the bytes read and written by programs since the start.
func (s *Stats) Bytes() (read, written uint64) { return s.bytesRead.Load(), s.bytesWritten.Load() }

// ioStats is the translator.
type ioStats struct {
	xlator.Pass
	Stats
}

type file struct {
	xlator.PassFile
	s *Stats
}

// New makes an io-stats translator over one subvolume. The result has a method
// Samples, for whoever shows the counters.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("debug/io-stats %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	return &ioStats{Pass: xlator.Pass{Child: subvols[0]}}, nil
}

// timed performs one fop and accounts for it.
func timed[Q, R any](s *Stats, op fop.Fop, do func(context.Context, Q) (R, error), ctx context.Context, q Q) (R, error) {
	start := time.Now()
	r, err := do(ctx, q)
	d := time.Since(start)
	o := &s.fops[op]
	o.count.Add(1)
	o.nanos.Add(uint64(d))
	o.buckets[min(bits.Len64(uint64(d/time.Microsecond)), Buckets-1)].Add(1)
	if err != nil {
		o.errors.Add(1)
	}
	return r, err
}
