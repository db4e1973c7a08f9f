package brickproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/portmap"
)

// Config of a Supervisor.
type Config struct {
	Exe    string // the gofs binary
	RunDir string // pid files and admin sockets
	// StateDir keeps, over restarts of the machine, until when bricks served; "": nothing does.
	StateDir string
	LogDir   string
	Daemon   string // where bricks reach this daemon: its unix socket
	Listen   string // address bricks listen on, "" for all
	Port     int    // of the daemons, this one and those beside other bricks
	Ports    *portmap.Map
	Log      *slog.Logger
}

const (
	// leastBackoff and mostBackoff bound the pause before a dead brick is started again.
	leastBackoff = time.Second
	mostBackoff  = 10 * time.Second
	// settled is how long a brick has to live for its next death to count as the first.
	settled = 5 * time.Second
	// graceful is how long a brick may take to stop before it is killed.
	graceful = 15 * time.Second
	// asking is how long a brick may take to answer on its admin socket.
	asking = 3 * time.Second
)

// A Supervisor keeps the wanted bricks running. All methods may be called concurrently.
type Supervisor struct {
	cfg    Config
	ctx    context.Context // of every keeper; ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // keepers

	mu      sync.Mutex
	keepers map[string]*keeper // guarded by mu; by brick path
}

// New makes a Supervisor that wants no bricks yet.
func New(cfg Config) *Supervisor {
	ctx, cancel := context.WithCancel(context.Background()) // until Close
	return &Supervisor{cfg: cfg, ctx: ctx, cancel: cancel, keepers: map[string]*keeper{}}
}

// Close stops supervising and leaves all bricks as they are.
func (s *Supervisor) Close() {
	s.cancel()
	s.wg.Wait()
}

// Want sets the bricks that should run. Others are stopped. It returns at once.
func (s *Supervisor) Want(specs []Spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	wanted := map[string]bool{}
	for _, spec := range specs {
		wanted[spec.Path] = true
		k := s.keepers[spec.Path]
		if k == nil {
			// Here, so that the ports of a volume's bricks are in their order.
			if spec.Kind == Heald {
				// It has none.
			} else if err := s.cfg.Ports.Reserve(spec.Path); err != nil {
				s.cfg.Log.Error("no port for a brick", "brick", spec.Path, "error", err)
			}
			k = newKeeper(spec)
			s.keepers[spec.Path] = k
			s.wg.Go(func() { s.keep(k) })
		}
		k.want(true)
	}
	for path, k := range s.keepers {
		if !wanted[path] {
			k.want(false)
		}
	}
}

// StopStray stops the brick of spec if a process serves it although nothing wants it,
// as after a volume was stopped while this daemon was down.
func (s *Supervisor) StopStray(spec Spec) {
	p, err := s.find(&spec)
	if p == nil || err != nil {
		return
	}
	p.pidfd.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keepers[spec.Path] != nil || s.ctx.Err() != nil {
		return
	}
	k := newKeeper(spec)
	s.keepers[spec.Path] = k
	k.want(false)
	s.wg.Go(func() { s.keep(k) })
}

// StopUnknown stops the processes of bricks of a volume that are not among known, and that
// this daemon's run directory tells of: bricks that left the volume while this daemon was
// down.
func (s *Supervisor) StopUnknown(volume string, known []Spec) {
	files, err := filepath.Glob(PidFile(s.cfg.RunDir, &Spec{Volume: volume, Host: "*", Path: "*"}))
	if err != nil {
		return // the run directory has no odd name
	}
	mine := map[string]bool{}
	for i := range known {
		mine[PidFile(s.cfg.RunDir, &known[i])] = true
	}
	for _, file := range files {
		if mine[file] {
			continue
		}
		p, err := findAt(file)
		if err != nil || p == nil {
			continue
		}
		s.cfg.Log.Warn("stopping a brick that is in no volume any more", "pid", p.pid, "file", file)
		if err := p.signal(syscall.SIGTERM); err != nil {
			s.cfg.Log.Warn("it cannot be stopped", "pid", p.pid, "error", err)
		}
		p.pidfd.Close()
	}
}

// Retry starts a dead brick again now instead of after its pause.
func (s *Supervisor) Retry(path string) {
	if k := s.keeper(path); k != nil {
		k.forgive()
		k.poke()
	}
}

func (s *Supervisor) keeper(path string) *keeper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepers[path]
}

// Started waits until the brick serves, and returns why it does not if its process
// ended, or ctx's error.
func (s *Supervisor) Started(ctx context.Context, path string) error {
	for {
		// Anew each time: a keeper that was ending when the brick was wanted again has left
		// it to another one.
		k := s.keeper(path)
		if k == nil {
			return fmt.Errorf("brick %s is not wanted", path)
		}
		now, changed := k.now()
		if now.Online {
			return nil
		}
		if now.failed {
			return fmt.Errorf("%s", now.Reason)
		}
		select {
		case <-changed:
		case <-k.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Gone waits until the brick's process has ended after it is no longer wanted.
func (s *Supervisor) Gone(ctx context.Context, path string) error {
	k := s.keeper(path)
	if k == nil {
		return nil
	}
	select {
	case <-k.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A State is what is known of a brick.
type State struct {
	Online  bool   // its process lives and serves
	PID     int    // 0: no process
	Port    int    // 0: not listening
	Socket  string // where clients on this machine connect; "": nowhere
	Reason  string // why it is not online, or lets no clients in
	Clients []mgmt.ClientInfo

	failed bool // the last start ended without serving
}

// State asks the brick itself, if it has a process.
func (s *Supervisor) State(ctx context.Context, path string) State {
	k := s.keeper(path)
	if k == nil {
		return State{}
	}
	now, _ := k.now()
	if now.PID == 0 {
		return now
	}
	r, err := s.ask(ctx, &k.spec)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		// The caller is in a hurry: what is known must do.
	case err != nil:
		now.Online, now.Reason = false, fmt.Sprintf("the process does not answer: %v", err)
	case !r.Serving:
		now.Online, now.Reason = false, r.Reason
	default:
		now.Online, now.Reason, now.Port, now.Socket, now.Clients = true, r.Reason, r.Port, r.Data, r.Clients
	}
	return now
}

// ask asks a brick on its admin socket.
func (s *Supervisor) ask(ctx context.Context, spec *Spec) (*mgmt.BrickStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	c, err := mgmt.Dial(ctx, Socket(s.cfg.RunDir, spec))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, err := c.Brick(ctx)
	if err == nil && (r.Path != spec.Path || r.VolumeID != spec.VolumeID) {
		err = fmt.Errorf("it is brick %s of volume %s", r.Path, r.VolumeID)
	}
	return r, err
}
