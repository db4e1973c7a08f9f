package brickproc

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A keeper is the life of one brick under supervision: one goroutine runs keep.
type keeper struct {
	spec Spec
	gone chan struct{} // closed when the keeper has ended; the brick has no process then
	kick chan struct{} // holds a token: look again now
	// taken is how many starts in a row found the port taken since it was given. Only keep's
	// goroutine uses it.
	taken int

	mu      sync.Mutex
	wanted  bool          // guarded by mu
	state   State         // guarded by mu
	changed chan struct{} // guarded by mu; closed at the next change of state
}

func newKeeper(spec Spec) *keeper {
	return &keeper{spec: spec, gone: make(chan struct{}), kick: make(chan struct{}, 1), changed: make(chan struct{})}
}

// want sets whether the brick should run.
func (k *keeper) want(yes bool) {
	k.mu.Lock()
	same := k.wanted == yes
	k.wanted = yes
	k.mu.Unlock()
	if !same || !yes {
		k.poke()
	}
}

func (k *keeper) isWanted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wanted
}

func (k *keeper) poke() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// forgive makes a failed start count as not tried yet.
func (k *keeper) forgive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state.failed = false
}

// now returns the state and a channel that is closed when it changes.
func (k *keeper) now() (State, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state, k.changed
}

func (k *keeper) set(s State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state = s
	close(k.changed)
	k.changed = make(chan struct{})
}

// keep finds or starts the brick, watches it, and starts it again when it ended, until
// it is not wanted any more and gone, or the Supervisor closes.
func (s *Supervisor) keep(k *keeper) {
	log := s.cfg.Log.With("vol", k.spec.Volume, "brick", k.spec.Path)
	backoff := leastBackoff
	for s.ctx.Err() == nil {
		p, err := s.find(&k.spec)
		switch {
		case err != nil:
			// Neither found nor known to be dead: starting a second one could do harm.
			k.set(State{Reason: err.Error(), failed: true})
		case p != nil:
			log.Info("found the running brick", "pid", p.pid)
		case !k.isWanted():
			s.remove(k)
			return
		default:
			p, err = s.start(&k.spec)
			if err != nil {
				k.set(State{Reason: err.Error(), failed: true})
			} else {
				log.Info("started the brick", "pid", p.pid, "port", p.port)
			}
		}
		if err != nil {
			log.Error("cannot run the brick", "error", err)
		} else {
			began := time.Now()
			s.attend(k, p)
			if s.ctx.Err() != nil {
				return
			}
			if time.Since(began) >= settled {
				backoff = leastBackoff
			}
			if k.taken > 0 && k.isWanted() {
				continue
			}
			now, _ := k.now()
			if k.isWanted() {
				log.Warn("the brick is not running; it will be started again", "reason", now.Reason, "in", backoff)
			} else {
				log.Info("the brick has stopped")
			}
		}
		if k.isWanted() && !s.pause(k, backoff) {
			return
		}
		backoff = min(2*backoff, mostBackoff)
	}
}

// remove ends a keeper whose brick has no process and is not wanted. If it is wanted
// again since, a new keeper takes over.
func (s *Supervisor) remove(k *keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keepers[k.spec.Path] == k {
		delete(s.keepers, k.spec.Path)
	}
	k.set(State{})
	close(k.gone)
	if k.isWanted() && s.ctx.Err() == nil {
		next := newKeeper(k.spec)
		next.want(true)
		s.keepers[k.spec.Path] = next
		s.wg.Go(func() { s.keep(next) })
	}
}

// pause waits before the next start; false if the Supervisor closed.
func (s *Supervisor) pause(k *keeper, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-k.kick:
	case <-s.ctx.Done():
		return false
	}
	return true
}

// attend watches process p until it ended or the Supervisor closed; it stops it when
// the brick is not wanted. The state is then that of a dead brick.
func (s *Supervisor) attend(k *keeper, p *process) {
	k.set(State{PID: p.pid, Port: 0, Reason: "starting"})
	ctx, cancel := context.WithCancel(s.ctx)
	type end struct {
		how string
		err error
	}
	ended := make(chan end, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		how, err := p.wait(ctx)
		ended <- end{how, err}
	})
	var asking sync.WaitGroup
	asking.Go(func() { s.await(ctx, k, p) })
	defer asking.Wait()
	defer cancel() // first, so that both end
	var deadline <-chan time.Time
	for {
		if !k.isWanted() && deadline == nil {
			if err := p.signal(syscall.SIGTERM); err == nil {
				deadline = time.After(graceful)
			}
		}
		select {
		case e := <-ended:
			cancel()
			asking.Wait() // it must not say Online after this
			if e.err == nil {
				now, _ := k.now()
				k.set(k.ended(reasonOf(s.cfg.RunDir, &k.spec, "the process "+e.how), now.Online))
			}
			if e.err != nil && s.ctx.Err() == nil {
				k.set(State{Reason: e.err.Error(), failed: true})
			}
			return
		case <-deadline:
			s.cfg.Log.Warn("the brick does not stop; killing it", "brick", k.spec.Path, "pid", p.pid)
			p.signal(syscall.SIGKILL)
			deadline = nil
		case <-k.kick:
		case <-s.ctx.Done():
			return
		}
	}
}

// portTries is how many ports may turn out to be taken before a start has failed.
const portTries = 5

// ended is the state of a brick whose process has ended, and served before or not. A port that
// was free when it was given may be some connection's own by the time the brick listens: then
// the start has not failed yet, and the next one gets another.
func (k *keeper) ended(reason string, served bool) State {
	if !served && k.taken < portTries && strings.Contains(reason, syscall.EADDRINUSE.Error()) {
		k.taken++
		return State{Reason: reason}
	}
	k.taken = 0
	return State{Reason: reason, failed: !served}
}

// await asks the brick until it says that it serves. It has all the time it needs: a
// brick that repairs itself at start is not killed for that.
func (s *Supervisor) await(ctx context.Context, k *keeper, p *process) {
	wait := 5 * time.Millisecond
	for {
		r, err := s.ask(ctx, &k.spec)
		if ctx.Err() != nil {
			return
		}
		if err == nil && r.Serving && r.PID == p.pid {
			if k.spec.Kind == Heald {
				// It has none.
			} else if err := s.cfg.Ports.Keep(k.spec.Path, r.Port); err != nil {
				s.cfg.Log.Error("cannot record a brick's port", "brick", k.spec.Path, "error", err)
			}
			k.set(State{Online: true, PID: p.pid, Port: r.Port})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Second)
	}
}
