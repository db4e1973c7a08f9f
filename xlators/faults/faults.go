// Package faults makes chosen fops fail, hang or be late, by rule: the part of
// GlusterFS's debug/error-gen and debug/delay-gen, for tests and simulation.
//
// Intercepts: every fop.
//
// Volfile (a test may also set rules on the *Faults that New returns):
//
//	volume v-faults
//	    type debug/faults
//	    subvolumes v-posix
//	end-volume
package faults

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// An Action is what a Rule wants done with one fop.
type Action struct {
	// Err, when not 0, is the answer.
	Err syscall.Errno
	// After: the child does the fop first, and its answer is lost (Err is given instead).
	After bool
	// Wait, when not nil, is waited for before anything else happens (or ctx ends).
	Wait <-chan struct{}
}

// A Rule looks at each fop before it is done. It must be safe for concurrent use.
type Rule func(op fop.Fop, q any) Action

// Faults is the translator.
type Faults struct {
	xlator.Pass
	w xlator.Watchers

	mu   sync.Mutex
	rule Rule // guarded by mu; nil: nothing fails
	down bool // guarded by mu
}

type file struct {
	xlator.PassFile
	x *Faults
}

// New makes a fault translator over one subvolume, without rules.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("debug/faults %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	return &Faults{Pass: xlator.Pass{Child: subvols[0]}}, nil
}

// SetRule replaces the rule; nil removes it.
func (x *Faults) SetRule(r Rule) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rule = r
}

// SetDown takes the subvolume away (every fop fails with ENOTCONN, watchers are told
// ChildDown first) or brings it back (ChildUp).
func (x *Faults) SetDown(down bool) {
	x.mu.Lock()
	changed := x.down != down
	if down {
		x.down = true
	}
	x.mu.Unlock()
	if !changed {
		return
	}
	if down {
		x.w.Tell(xlator.Event{Kind: xlator.ChildDown})
		return
	}
	x.mu.Lock()
	x.down = false
	x.mu.Unlock()
	x.w.Tell(xlator.Event{Kind: xlator.ChildUp})
}

// Watch passes on events from below while the subvolume is not taken away.
func (x *Faults) Watch(f func(xlator.Event)) {
	x.w.Add(f)
	x.Child.Watch(func(e xlator.Event) {
		x.mu.Lock()
		down := x.down
		x.mu.Unlock()
		if !down {
			f(e)
		}
	})
}

func (x *Faults) action(op fop.Fop, q any) Action {
	x.mu.Lock()
	rule, down := x.rule, x.down
	x.mu.Unlock()
	if down {
		return Action{Err: syscall.ENOTCONN}
	}
	if rule == nil {
		return Action{}
	}
	return rule(op, q)
}

// inject performs one fop under the rule.
func inject[Q, R any](x *Faults, op fop.Fop, do func(context.Context, Q) (R, error), ctx context.Context, q Q) (R, error) {
	var zero R
	a := x.action(op, q)
	if a.Wait != nil {
		select {
		case <-a.Wait:
		case <-ctx.Done():
			return zero, syscall.EINTR
		}
	}
	if a.Err == 0 {
		return do(ctx, q)
	}
	if a.After {
		do(ctx, q)
	}
	return zero, a.Err
}
