package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// A Store is this node's copy of the configuration. All methods may be called
// concurrently.
type Store struct {
	raft  *raft.Raft
	log   *logStore
	state atomic.Pointer[State]

	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed at the next change
}

// Open opens the configuration in dir, made at the first start, and returns when it is
// complete. The node is the only voter of a cluster of one.
func Open(ctx context.Context, dir, nodeID string, log *slog.Logger) (*Store, error) {
	l, err := openLog(filepath.Join(dir, "raft.db"))
	if err != nil {
		return nil, err
	}
	s := &Store{log: l, changed: make(chan struct{})}
	s.state.Store(&State{Nodes: map[string]Node{}, Volumes: map[string]*Volume{}})
	if err := s.startRaft(dir, nodeID, hclog.New(&hclog.LoggerOptions{Name: "raft", Level: hclog.Error, Output: lineLog{log}, DisableTime: true})); err != nil {
		l.Close()
		return nil, fmt.Errorf("opening the configuration in %s: %w", dir, err)
	}
	if err := s.ready(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("opening the configuration in %s: %w", dir, err)
	}
	return s, nil
}

// startRaft starts Raft on the log, with a cluster of this node alone if it is new.
func (s *Store) startRaft(dir, nodeID string, log hclog.Logger) error {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(nodeID)
	c.Logger = log
	c.NoLegacyTelemetry = true
	// A single voter has nobody to hear from: it need not wait long to lead.
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	c.CommitTimeout = 50 * time.Millisecond
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, log)
	if err != nil {
		return err
	}
	addr, transport := raft.NewInmemTransport(raft.ServerAddress(nodeID))
	used, err := raft.HasExistingState(s.log, s.log, snapshots)
	if err != nil {
		return err
	}
	if !used {
		alone := raft.Configuration{Servers: []raft.Server{{ID: c.LocalID, Address: addr}}}
		if err := raft.BootstrapCluster(c, s.log, s.log, snapshots, transport, alone); err != nil {
			return err
		}
	}
	s.raft, err = raft.NewRaft(c, (*fsm)(s), s.log, s.log, snapshots, transport)
	return err
}

// ready waits until this node leads and everything in its log is in the state.
func (s *Store) ready(ctx context.Context) error {
	for s.raft.State() != raft.Leader {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.raft.LeaderCh():
		case <-time.After(10 * time.Millisecond): // LeaderCh may have been read before
		}
	}
	return s.raft.Barrier(30 * time.Second).Error()
}

// Close stops Raft and closes the files.
func (s *Store) Close() error {
	return errors.Join(s.raft.Shutdown().Error(), s.log.Close())
}

// State returns the present state.
func (s *Store) State() *State { return s.state.Load() }

// Changed returns a channel that is closed when the state is no longer the one of now.
// Take it before State to miss nothing.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Do appends a command to the log and returns when it is durable and applied. A
// *Refusal tells that it does not fit the state.
func (s *Store) Do(c *Command) error {
	entry, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a log entry: %w", err)
	}
	f := s.raft.Apply(entry, 30*time.Second)
	if err := f.Error(); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err, ok := f.Response().(error); ok {
		return err
	}
	return nil
}

// publish makes next the present state.
func (s *Store) publish(next *State) {
	s.state.Store(next)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// fsm is the Store as Raft sees it. Its methods are called by one goroutine of Raft.
type fsm Store

// Apply applies one log entry; the result is nil or an error.
func (f *fsm) Apply(l *raft.Log) any {
	var c Command
	if err := json.Unmarshal(l.Data, &c); err != nil {
		return fmt.Errorf("log entry %d cannot be read: %w", l.Index, err)
	}
	s := (*Store)(f)
	next, err := s.State().apply(&c)
	if err != nil {
		return err
	}
	s.publish(next)
	return nil
}

// Snapshot returns the present state for Raft to save.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return (*snapshot)((*Store)(f).State()), nil }

// Restore replaces the state by a saved one.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	next := &State{Nodes: map[string]Node{}, Volumes: map[string]*Volume{}}
	if err := json.NewDecoder(r).Decode(next); err != nil {
		return fmt.Errorf("reading a snapshot: %w", err)
	}
	(*Store)(f).publish(next)
	return nil
}

// snapshot is a State that Raft saves. It is immutable, so nothing is held.
type snapshot State

func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode((*State)(s)); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (s *snapshot) Release() {}

// lineLog passes Raft's log lines on.
type lineLog struct{ log *slog.Logger }

func (l lineLog) Write(line []byte) (int, error) {
	l.log.Error("raft", "line", strings.TrimSpace(string(line)))
	return len(line), nil
}
