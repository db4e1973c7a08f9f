package afr

import (
	"context"
	"sync"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// slowness is which children do not answer in time. A brick whose disk hangs would hold up
// every change, which waits for all live bricks. It is given up, and healed later, if
// those that do answer can go on without it and miss nothing themselves.
type slowness struct {
	mu      sync.Mutex
	told    [changelog.MaxReplicas]time.Time // guarded by mu; when a child last was slow
	judging bool                             // guarded by mu
}

const (
	// slowFor is how long a child counts as slow after the last word of it, which is
	// repeated several times a second.
	slowFor = 2 * time.Second
	// judgement bounds the question to the others.
	judgement = 3 * time.Second
)

// childSlow is told that child i keeps a request waiting. It does not block.
func (r *replicate) childSlow(i int, reason string) {
	r.slow.mu.Lock()
	defer r.slow.mu.Unlock()
	r.slow.told[i] = time.Now()
	if r.slow.judging {
		return
	}
	r.slow.judging = true
	r.keeper.spawn(func() {
		r.judge(i, reason)
		r.slow.mu.Lock()
		defer r.slow.mu.Unlock()
		r.slow.judging = false
	})
}

// judge gives up child i if the others are enough.
func (r *replicate) judge(i int, reason string) {
	up := r.state.Load().up
	rest := up &^ r.slow.now()
	e, can := r.children[i].(xlator.Ejector)
	ctx, cancel := context.WithTimeout(context.Background(), judgement) // the keeper waits for it
	defer cancel()
	if !can || !up.Has(i) || !r.usable(rest) || !r.nothingPending(ctx, rest, fop.PendingCountXattr) {
		return
	}
	r.log.Warn("a brick is slow, and the others go on without it", "child", r.names[i], "reason", reason)
	e.Eject(reason)
}

// now is who is slow.
func (s *slowness) now() (slow set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.told {
		if time.Since(t) < slowFor {
			slow |= changelog.Of(i)
		}
	}
	return slow
}
