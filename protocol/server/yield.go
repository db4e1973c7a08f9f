package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
)

const (
	// healer is the pid by which healers are known (semantics 1.2).
	healer = -6
	// lately is for how long a program's call makes healers give way.
	lately = 50 * time.Millisecond
	// pause is how long a healer's call has others wait after it, in its own durations.
	pause = 4
	// mostPause bounds the wait of one call, and mostAhead the sum of pauses: healing goes on
	// whatever programs do.
	mostPause = 250 * time.Millisecond
	mostAhead = time.Second
)

// A yielder has the calls of healers give way to those of programs: while programs are at work
// healers may use a fifth of the time. Calls that only lock, unlock and clear marks do not
// wait, as programs may be waiting for them.
type yielder struct {
	program atomic.Int64 // when a program's last call came, in nanoseconds since 1970

	mu   sync.Mutex
	next time.Time // guarded by mu; when a healer's next call may begin
}

// enter is called before a call is performed. yields: leave is to be called after it.
func (y *yielder) enter(ctx context.Context, op wire.Op, caller *fop.Caller) (yields bool) {
	switch {
	case caller.PID >= 0:
		y.program.Store(time.Now().UnixNano())
		return false
	case caller.PID != healer || op == wire.OpInodelk || op == wire.OpEntrylk || op == wire.OpRelease:
		return false
	}
	y.mu.Lock()
	wait := min(time.Until(y.next), mostPause)
	y.mu.Unlock()
	if wait <= 0 || !y.busy() {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return true
}

// leave notes that a healer's call took so long.
func (y *yielder) leave(took time.Duration) {
	if !y.busy() {
		return
	}
	now := time.Now()
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.next.Before(now) {
		y.next = now
	}
	if y.next = y.next.Add(pause * took); y.next.Sub(now) > mostAhead {
		y.next = now.Add(mostAhead)
	}
}

// busy reports whether programs are at work.
func (y *yielder) busy() bool { return time.Since(time.Unix(0, y.program.Load())) < lately }
