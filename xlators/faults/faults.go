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
	"reflect"
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

	mu      sync.Mutex
	rule    Rule   // guarded by mu; nil: nothing fails
	down    bool   // guarded by mu
	client  uint64 // guarded by mu; 0: does not stand for a connection
	session uint64 // guarded by mu
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

// SetClient makes this translator stand for client's connection, as protocol/client and
// protocol/server do together: fops carry Caller.Client, locks are bound to a session,
// and SetDown(true) disconnects.
func (x *Faults) SetClient(client uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.client, x.session = client, 1
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
		if x.client != 0 {
			x.Child.Disconnect(context.Background(), &fop.DisconnectReq{Client: x.client})
		}
		return
	}
	x.mu.Lock()
	x.down = false
	x.session++
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
		if !down && (e.Client == 0 || e.Client == x.client) {
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
	q, session, err := enterSession(x, q)
	if err != nil {
		return zero, err
	}
	if a.Err == 0 {
		r, err := do(ctx, q)
		stamp(r, session, err)
		return r, err
	}
	if a.After {
		do(ctx, q)
	}
	return zero, a.Err
}

// enterSession makes q a request of the connection that x stands for.
func enterSession[Q any](x *Faults, q Q) (Q, uint64, error) {
	x.mu.Lock()
	client, session, down := x.client, x.session, x.down
	x.mu.Unlock()
	if client == 0 {
		return q, 0, nil
	}
	copied := reflect.New(reflect.TypeOf(q).Elem())
	copied.Elem().Set(reflect.ValueOf(q).Elem())
	req := copied.Elem().FieldByName("Req").Addr().Interface().(*fop.Req)
	if down || req.Session != 0 && req.Session != session {
		return q, 0, syscall.ENOTCONN
	}
	caller := fop.Caller{}
	if req.Caller != nil {
		caller = *req.Caller
	}
	caller.Client = client
	req.Caller = &caller
	return copied.Interface().(Q), session, nil
}

// stamp tells in a reply which session holds the lock.
func stamp(r any, session uint64, err error) {
	if err != nil || session == 0 {
		return
	}
	switch r := r.(type) {
	case *fop.LockReply:
		r.Session = session
	case *fop.EntryReply:
		r.Session = session
	case *xlator.CreateReply:
		r.Session = session
	}
}
