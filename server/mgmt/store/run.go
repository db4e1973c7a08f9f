package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
)

// Raft's timing. A leader that a majority does not hear for as long as that is replaced;
// a node that is alone has nobody to hear from and need not wait to lead.
const (
	heartbeat  = 400 * time.Millisecond
	lease      = 300 * time.Millisecond
	aloneFor   = 40 * time.Millisecond
	commitTick = 50 * time.Millisecond // followers learn within it how far the log is committed
	rpcTimeout = time.Second
	// cachedEntries of the log are kept in memory too, for sending them to many followers.
	cachedEntries = 64
	keepEntries   = 1024 // of the log behind a snapshot, for followers that lag
)

const logName = "raft.db"

// settings are Raft's for a node that is alone, or not.
func (s *Store) settings(alone bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(s.cfg.Node)
	c.Logger = s.hclog()
	c.NoLegacyTelemetry = true
	c.ShutdownOnRemove = false
	c.TrailingLogs = keepEntries
	c.CommitTimeout = commitTick
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = heartbeat, heartbeat, lease
	if alone {
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = aloneFor, aloneFor, aloneFor
	}
	return c
}

// start starts Raft on what is in the directory. restarting is held for writing, or the
// Store is not shared yet.
func (s *Store) start() (err error) {
	if s.log, err = openLog(filepath.Join(s.cfg.Dir, logName)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.log.Close())
		}
	}()
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(s.cfg.Dir, 2, s.hclog())
	if err != nil {
		return err
	}
	s.transport = s.connect()
	used, err := raft.HasExistingState(s.log, s.log, snapshots)
	if err != nil {
		return err
	}
	c := s.settings(!s.cfg.Member)
	if !used && !s.cfg.Member {
		alone := raft.Configuration{Servers: []raft.Server{{ID: c.LocalID, Address: address(&Node{UUID: s.cfg.Node})}}}
		if err := raft.BootstrapCluster(c, s.log, s.log, snapshots, s.transport, alone); err != nil {
			return err
		}
	}
	entries, err := raft.NewLogCache(cachedEntries, s.log)
	if err != nil {
		return err
	}
	s.saved.run(s.cfg.Log)
	if s.raft, err = raft.NewRaft(c, &fsm{store: s, now: newState()}, entries, s.log, snapshots, s.transport); err != nil {
		s.saved.close()
	}
	return err
}

// connect makes the transport. Addresses in Raft are the nodes' UUIDs; the streams know
// where a node is.
func (s *Store) connect() raft.Transport {
	if s.cfg.Streams == nil {
		_, t := raft.NewInmemTransport(raft.ServerAddress(s.cfg.Node))
		return t
	}
	return newPatient(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: s.cfg.Streams(), MaxPool: 3, Timeout: rpcTimeout, Logger: s.hclog()}))
}

// stop stops Raft. restarting is held for writing.
func (s *Store) stop() error {
	if p, ok := s.transport.(*patient); ok {
		p.release()
	}
	err := s.raft.Shutdown().Error()
	if c, ok := s.transport.(raft.WithClose); ok {
		err = errors.Join(err, c.Close())
	}
	s.saved.close()
	return errors.Join(err, s.log.Close())
}

// Join makes this node one that waits for the log of another pool. What it had is set
// aside.
func (s *Store) Join() error { return s.restart(true, s.setAside) }

// Leave makes this node alone, with nothing. What it had is set aside.
func (s *Store) Leave(ctx context.Context) error {
	if err := s.restart(false, s.setAside); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Widen takes the timing of a pool, before this node's first peer comes in.
func (s *Store) Widen(ctx context.Context) error {
	s.restarting.RLock()
	member := s.cfg.Member
	s.restarting.RUnlock()
	if member {
		return nil
	}
	if err := s.restart(true, func() error { return nil }); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Recover makes this node the only voter, with the log as it is here: what a majority
// had that is gone for good. Entries that were never committed may become so.
func (s *Store) Recover(ctx context.Context) error {
	if err := s.restart(true, s.onlyVoter); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// ownLog makes sure that the log of a node that is alone is that of this node. It is not
// if somebody has given the node the UUID of one that was lost, to be taken in for it.
func (s *Store) ownLog() error {
	f := s.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return err
	}
	for _, v := range f.Configuration().Servers {
		if string(v.ID) == s.cfg.Node {
			return nil
		}
	}
	if len(s.State().Volumes) > 0 {
		return fmt.Errorf("the configuration in %s is that of another node, and this node is %s: write the UUID it had into gofsd.info, or move raft.db away", s.cfg.Dir, s.cfg.Node)
	}
	return s.restart(false, s.setAside)
}

// restart stops Raft, lets change change the files, and starts it.
func (s *Store) restart(member bool, change func() error) error {
	s.restarting.Lock()
	defer s.restarting.Unlock()
	if err := s.stop(); err != nil {
		s.cfg.Log.Warn("stopping the log", "error", err)
	}
	changing := change()
	if changing == nil {
		s.cfg.Member = member
	}
	return errors.Join(changing, s.start())
}

// setAside renames what belongs to the present pool, one generation of it.
func (s *Store) setAside() error {
	for _, name := range []string{logName, "snapshots", "state.json"} {
		path := filepath.Join(s.cfg.Dir, name)
		if err := os.RemoveAll(path + ".old"); err != nil {
			return err
		}
		if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.shown.Store(&view{state: newState()})
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// onlyVoter rewrites the log's membership. Raft is stopped.
func (s *Store) onlyVoter() error {
	log, err := openLog(filepath.Join(s.cfg.Dir, logName))
	if err != nil {
		return err
	}
	defer log.Close()
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(s.cfg.Dir, 2, s.hclog())
	if err != nil {
		return err
	}
	s.saved.run(s.cfg.Log) // the machine that works through the log publishes
	defer s.saved.close()
	c := s.settings(false)
	_, none := raft.NewInmemTransport(raft.ServerAddress(s.cfg.Node))
	alone := raft.Configuration{Servers: []raft.Server{{ID: c.LocalID, Address: address(&Node{UUID: s.cfg.Node, Life: s.State().Nodes[s.cfg.Node].Life})}}}
	if err := raft.RecoverCluster(c, &fsm{store: s, now: newState()}, log, log, snapshots, none, alone); err != nil {
		return fmt.Errorf("making this node the only voter: %w", err)
	}
	return nil
}
