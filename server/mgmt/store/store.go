package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Config of a Store.
type Config struct {
	Dir  string // where the log is
	Node string // this node's UUID, its identity in Raft
	// Member tells that the node belongs to a pool of others. Without a log it then waits to
	// be given the pool's instead of making one of its own.
	Member bool
	// Streams makes the connections to other nodes' Stores, anew for each start of Raft. nil:
	// there are none.
	Streams func() raft.StreamLayer
	Log     *slog.Logger
}

// ErrNotLeader is returned by Do at a node that does not lead the pool.
var ErrNotLeader = errors.New("this node does not lead the pool")

// A Store is this node's copy of the configuration. All methods may be called
// concurrently.
type Store struct {
	cfg   Config
	saved savedState
	shown atomic.Pointer[view]
	// synced is the term in which this node, leading, has applied what it had to.
	synced atomic.Uint64

	restarting sync.RWMutex // held for writing while Raft is stopped and started anew
	raft       *raft.Raft   // guarded by restarting, as are the next two
	log        *logStore
	transport  raft.Transport

	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed at the next change
}

// A view is a state with the index of the log entry that made it.
type view struct {
	index uint64
	state *State
}

// Open opens the configuration, made at the first start. A node that is alone has its
// whole state when Open returns; a member of a pool has what it had when it last ran, and
// follows the pool from then on.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{cfg: cfg, changed: make(chan struct{})}
	s.saved.dir = cfg.Dir
	s.shown.Store(s.saved.load(cfg.Log))
	if err := s.start(); err != nil {
		return nil, fmt.Errorf("opening the configuration in %s: %w", cfg.Dir, err)
	}
	if cfg.Member {
		return s, nil
	}
	if err := s.ownLog(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.Ready(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("opening the configuration in %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// Ready waits until this node leads and everything in its log is in the state.
func (s *Store) Ready(ctx context.Context) error {
	for {
		r := s.running()
		if r.State() == raft.Leader {
			return r.Barrier(30 * time.Second).Error()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// running is the Raft of now.
func (s *Store) running() *raft.Raft {
	s.restarting.RLock()
	defer s.restarting.RUnlock()
	return s.raft
}

// Close stops Raft and closes the files.
func (s *Store) Close() error {
	s.restarting.Lock()
	defer s.restarting.Unlock()
	return s.stop()
}

// State returns the present state.
func (s *Store) State() *State { return s.shown.Load().state }

// Index returns the log entry that made the present state, for telling which of two
// nodes knows more.
func (s *Store) Index() uint64 { return s.shown.Load().index }

// Changed returns a channel that is closed when the state is no longer the one of now.
// Take it before State to miss nothing.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Await waits until this node's state contains the log entry index.
func (s *Store) Await(ctx context.Context, index uint64) error {
	for {
		changed := s.Changed()
		if s.Index() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Leader returns the node that leads the pool, "" if this node knows none.
func (s *Store) Leader() string {
	_, id := s.running().LeaderWithID()
	return string(id)
}

// Leads tells whether this node leads the pool.
func (s *Store) Leads() bool { return s.running().State() == raft.Leader }

// Sync returns how far the state is, at the node that leads; ErrNotLeader at others. A new
// leader has everything that an earlier one acknowledged.
func (s *Store) Sync() (uint64, error) {
	r := s.running()
	if r.State() != raft.Leader {
		return 0, ErrNotLeader
	}
	if term := r.CurrentTerm(); s.synced.Load() != term {
		if err := r.Barrier(5 * time.Second).Error(); err != nil {
			return 0, err
		}
		s.synced.Store(term)
	}
	return s.Index(), nil
}

// applied is the result of a log entry.
type applied struct {
	index uint64
	err   error // a *Refusal, or why the entry cannot be read
}

// Do appends a command to the log and returns its index when it is durable on a majority
// and applied here. A *Refusal tells that it does not fit the state. After any other error
// but ErrNotLeader it is not known whether the command is or will be applied: give it again,
// with the same ID.
func (s *Store) Do(c *Command) (uint64, error) {
	entry, err := json.Marshal(c)
	if err != nil {
		return 0, fmt.Errorf("encoding a log entry: %w", err)
	}
	f := s.running().Apply(entry, 5*time.Second)
	switch err := f.Error(); {
	case errors.Is(err, raft.ErrNotLeader):
		return 0, ErrNotLeader
	case err != nil:
		return 0, fmt.Errorf("writing the configuration: %w", err)
	}
	r := f.Response().(applied)
	return r.index, r.err
}

// publish makes v the present state, unless it is older: after a start Raft works through
// entries whose result is known.
func (s *Store) publish(v *view) {
	if v.index < s.Index() {
		return
	}
	s.shown.Store(v)
	s.saved.put(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// fsm is the state machine of one run of Raft, whose one goroutine calls its methods.
type fsm struct {
	store *Store
	now   *State
	index uint64
}

// Apply applies one log entry; the result is of type applied.
func (f *fsm) Apply(l *raft.Log) any {
	f.index = l.Index
	var c Command
	if err := json.Unmarshal(l.Data, &c); err != nil {
		return applied{l.Index, fmt.Errorf("log entry %d cannot be read: %w", l.Index, err)}
	}
	if f.now.knows(c.ID) {
		return applied{l.Index, nil}
	}
	next, err := f.now.apply(&c)
	if err != nil {
		// The index is shown nevertheless: somebody may wait for it.
		f.store.publish(&view{l.Index, f.now})
		return applied{l.Index, err}
	}
	next.remember(c.ID)
	f.now = next
	f.store.publish(&view{l.Index, next})
	return applied{l.Index, nil}
}

// Snapshot returns the present state for Raft to save.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return &snapshot{f.index, f.now}, nil }

// Restore replaces the state by a saved one.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	var saved snapshot
	if err := json.NewDecoder(r).Decode(&saved); err != nil {
		return fmt.Errorf("reading a snapshot: %w", err)
	}
	f.now, f.index = saved.State.complete(), saved.Index
	f.store.publish(&view{f.index, f.now})
	return nil
}

// snapshot is a State that Raft saves. It is immutable, so nothing is held.
type snapshot struct {
	Index uint64 `json:"index"`
	State *State `json:"state"`
}

func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(s); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (s *snapshot) Release() {}

// lineLog passes Raft's log lines on.
type lineLog struct{ log *slog.Logger }

func (l lineLog) Write(line []byte) (int, error) {
	l.log.Debug("raft", "line", strings.TrimSpace(string(line)))
	return len(line), nil
}

func (s *Store) hclog() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Warn, Output: lineLog{s.cfg.Log}, DisableTime: true})
}
