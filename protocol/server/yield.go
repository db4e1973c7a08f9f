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
	pause = 2
	// mostPause bounds one wait, and mostAhead the sum of pauses: healing goes on whatever
	// programs do, and faster than they can change what has to be healed.
	mostPause = 50 * time.Millisecond
	mostAhead = 200 * time.Millisecond
)

// A yielder has healers give way to programs. Before each piece of work, when it holds no
// lock, a healer asks for Statfs; while programs are at work the answer waits until healers
// have used no more than a third of the time. All calls of healers count, save those that wait
// for locks.
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
	case caller.PID != healer || op == wire.OpInodelk || op == wire.OpEntrylk:
		return false
	case op != wire.OpStatfs:
		return true
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
