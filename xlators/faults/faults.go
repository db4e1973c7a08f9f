// Package faults makes chosen fops fail, hang or be late, by rule: the part of
// GlusterFS's debug/error-gen and debug/delay-gen, for tests and simulation.
//
// It can also stand for a connection (SetClient), as protocol/client and protocol/server
// do together: when it is lost, fops in flight fail with ENOTCONN, whether or not they
// happened; then what the client had open is closed and its locks go. When it is back,
// files and directories are opened again, by GFID.
//
// Intercepts: every fop.
//
// Lock order: Faults.linkMu, then Faults.mu or handle.mu. Only linkMu is held across
// calls to the child, by SetDown.
//
// Volfile (a test may also set rules on the *Faults that New returns):
//
//	volume v-faults
//	    type debug/faults
//	    subvolumes v-posix
//	end-volume
package faults

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// An Action is what a Rule wants done with one fop.
type Action struct {
	// Err, when not 0, is the answer.
	Err syscall.Errno
	// After: the child does the fop first, and its answer is lost (Err is given instead).
	After bool
	// Delay passes before anything else happens (or ctx ends).
	Delay time.Duration
	// Wait, when not nil, is waited for before the fop is done (or ctx ends).
	Wait <-chan struct{}
	// Late, when not nil, is waited for after the fop was done, before the answer.
	Late <-chan struct{}
}

// A Rule looks at each fop before it is done. It must be safe for concurrent use.
type Rule func(op fop.Fop, q any) Action

// Faults is the translator.
type Faults struct {
	xlator.Pass
	w xlator.Watchers

	linkMu sync.Mutex // serialises SetDown

	mu      sync.Mutex
	rule    Rule              // guarded by mu; nil: nothing fails
	down    bool              // guarded by mu
	client  uint64            // guarded by mu; 0: does not stand for a connection
	session uint64            // guarded by mu
	conn    *conn             // guarded by mu; nil while down
	handles map[handle]uint64 // guarded by mu; what the client has open, with numbers
	opened  uint64            // guarded by mu; the last number
}

// A conn is the time between two losses of the connection.
type conn struct {
	ctx  context.Context // ends when the connection is lost
	lose context.CancelFunc
	fops sync.WaitGroup // in flight; added to only while it is Faults.conn
}

func newConn() *conn {
	c := &conn{}
	c.ctx, c.lose = context.WithCancel(context.Background())
	return c
}

// A handle is an open file or directory of a client.
type handle interface {
	lost()   // the connection is gone, and the child's handle with it
	reopen() // there is a new connection
}

// New makes a fault translator over one subvolume, without rules.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("debug/faults %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	return &Faults{Pass: xlator.Pass{Child: subvols[0]}, handles: map[handle]uint64{}}, nil
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
	x.client, x.session, x.conn = client, 1, newConn()
}

// SetDown takes the subvolume away (watchers are told ChildDown, then every fop fails
// with ENOTCONN) or brings it back (ChildUp). A connection is lost for good when it
// returns: no fop of it will happen any more.
func (x *Faults) SetDown(down bool) {
	x.linkMu.Lock()
	defer x.linkMu.Unlock()
	x.mu.Lock()
	if x.down == down {
		x.mu.Unlock()
		return
	}
	if !down {
		open := x.open()
		x.mu.Unlock()
		for _, h := range open {
			h.reopen()
		}
		x.mu.Lock()
		x.down = false
		if x.session++; x.client != 0 {
			x.conn = newConn()
		}
		x.mu.Unlock()
		x.w.Tell(xlator.Event{Kind: xlator.ChildUp})
		return
	}
	x.down = true
	c := x.conn
	x.conn = nil
	x.mu.Unlock()
	x.w.Tell(xlator.Event{Kind: xlator.ChildDown})
	if c == nil {
		return
	}
	c.lose()
	c.fops.Wait()
	x.mu.Lock()
	open := x.open()
	x.mu.Unlock()
	for _, h := range open {
		h.lost()
	}
	x.Child.Disconnect(context.Background(), &fop.DisconnectReq{Client: x.client})
}

// open lists the handles of a connection in the order of their making, so that what
// happens is the same each time; mu is held.
func (x *Faults) open() []handle {
	if x.client == 0 {
		return nil
	}
	hs := slices.Collect(maps.Keys(x.handles))
	slices.SortFunc(hs, func(a, b handle) int { return cmp.Compare(x.handles[a], x.handles[b]) })
	return hs
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
func inject[Q, R any](x *Faults, op fop.Fop, do func(context.Context, *Q) (R, error), ctx context.Context, q *Q) (R, error) {
	var zero R
	a := x.action(op, q)
	q, session, c, err := enterSession(x, q)
	if err != nil {
		return zero, err
	}
	if c != nil {
		defer c.fops.Done()
		if ctx.Done() == nil {
			ctx = c.ctx
		} else {
			bound, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(c.ctx, cancel)()
			ctx = bound
		}
	}
	r, err := perform(ctx, a, do, q)
	if c != nil && c.ctx.Err() != nil {
		discard(r, err)
		return zero, syscall.ENOTCONN
	}
	stamp(r, session, err)
	return r, err
}

func perform[Q, R any](ctx context.Context, a Action, do func(context.Context, *Q) (R, error), q *Q) (R, error) {
	var zero R
	if !pause(ctx, a.Delay) || !await(ctx, a.Wait) {
		return zero, syscall.EINTR
	}
	if a.Err != 0 && !a.After {
		return zero, a.Err
	}
	r, err := do(ctx, q)
	await(ctx, a.Late)
	if a.Err != 0 {
		discard(r, err)
		return zero, a.Err
	}
	return r, err
}

func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func await(ctx context.Context, c <-chan struct{}) bool {
	if c == nil {
		return true
	}
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// discard closes what came with an answer that nobody gets.
func discard(r any, err error) {
	if err != nil {
		return
	}
	switch r := r.(type) {
	case *xlator.CreateReply:
		r.File.Close()
	case *xlator.OpenReply:
		r.File.Close()
	case *xlator.OpendirReply:
		r.Dir.Close()
	}
}

// enterSession makes q a request of the connection that x stands for, one in flight.
func enterSession[Q any](x *Faults, q *Q) (*Q, uint64, *conn, error) {
	x.mu.Lock()
	client, session, c := x.client, x.session, x.conn
	if c != nil {
		c.fops.Add(1)
	}
	x.mu.Unlock()
	if client == 0 {
		return q, 0, nil, nil
	}
	if c == nil {
		return q, 0, nil, syscall.ENOTCONN
	}
	copied := new(Q)
	*copied = *q
	req := any(copied).(interface{ Header() *fop.Req }).Header()
	if req.Session != 0 && req.Session != session {
		c.fops.Done()
		return q, 0, nil, syscall.ENOTCONN
	}
	caller := fop.Caller{}
	if req.Caller != nil {
		caller = *req.Caller
	}
	caller.Client = client
	req.Caller = &caller
	return copied, session, c, nil
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
