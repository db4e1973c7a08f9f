package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

const (
	// patience is how long a change waits for a leader with a majority.
	patience = 5 * time.Second
	// attempt is how long one leader may take; another may lead by then.
	attempt = time.Second
	// retrying is the pause between attempts.
	retrying = 20 * time.Millisecond
)

// commit makes a change of the pool's configuration, wherever its leader is, and
// returns when it is durable on a majority and visible here, with its place in the log.
// A command that does not fit is an *mgmt.Error with the reason.
func (d *Daemon) commit(ctx context.Context, c *store.Command) (uint64, error) {
	c.ID = newUUID()
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	maybe := false // an attempt ended without an answer
	for {
		r := d.commitOnce(ctx, c)
		switch {
		case r.Refusal != "":
			return 0, mgmt.Errorf("%s", r.Refusal)
		case !r.NotLeader && r.Unknown == "":
			if err := d.hear(whole, r.Index); err != nil {
				return 0, mgmt.Errorf("The change was made, but this node does not hear of it: %v", err)
			}
			return r.Index, nil
		case r.Unknown != "":
			maybe = true
			d.cfg.Log.Debug("a change was not confirmed; trying again", "reason", r.Unknown)
		}
		select {
		case <-ctx.Done():
			return 0, d.noMajority(maybe)
		case <-time.After(retrying):
		}
	}
}

// hear waits until this node's state contains a change that was made elsewhere.
func (d *Daemon) hear(ctx context.Context, index uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return d.store.Await(ctx, index)
}

// catchUp waits until this node's state has everything that the leader's has, so that an
// order given here is checked against what was done elsewhere just before.
func (d *Daemon) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		index, err := d.leaderIndex(ctx)
		if err == nil {
			err = d.store.Await(ctx, index)
		}
		if err == nil {
			return nil
		}
		d.cfg.Log.Debug("no leader says how far it is", "error", err)
		select {
		case <-ctx.Done():
			return d.noMajority(false)
		case <-time.After(retrying):
		}
	}
}

// leaderIndex asks the leader of now how far its state is.
func (d *Daemon) leaderIndex(ctx context.Context) (uint64, error) {
	leader := d.store.Leader()
	if leader == d.uuid || leader == "" {
		return d.store.Sync()
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	c, err := d.links.peer(ctx, leader)
	if err != nil {
		return 0, err
	}
	index, err := c.Index(ctx)
	if err != nil && ctx.Err() != nil {
		d.links.drop(leader)
	}
	return index, err
}

// commitOnce asks the leader of now, if there is one.
func (d *Daemon) commitOnce(ctx context.Context, c *store.Command) *mgmt.CommitReply {
	leader := d.store.Leader()
	if leader == "" {
		return &mgmt.CommitReply{NotLeader: true}
	}
	if leader == d.uuid {
		return d.append(c)
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	peer, err := d.links.peer(ctx, leader)
	if err != nil {
		return &mgmt.CommitReply{NotLeader: true}
	}
	body, err := json.Marshal(c)
	if err != nil {
		return &mgmt.CommitReply{Refusal: err.Error()}
	}
	r, err := peer.Commit(ctx, body)
	if err != nil {
		if ctx.Err() != nil {
			d.links.drop(leader)
		}
		return &mgmt.CommitReply{Unknown: err.Error()}
	}
	return r
}

// append appends to the log if this node leads.
func (d *Daemon) append(c *store.Command) *mgmt.CommitReply {
	index, err := d.store.Do(c)
	var refusal *store.Refusal
	switch {
	case err == nil:
		return &mgmt.CommitReply{Index: index}
	case errors.Is(err, store.ErrNotLeader):
		return &mgmt.CommitReply{NotLeader: true}
	case errors.As(err, &refusal):
		return &mgmt.CommitReply{Refusal: refusal.Text}
	}
	return &mgmt.CommitReply{Unknown: err.Error()}
}

// noMajority is the error of a change that found no leader.
func (d *Daemon) noMajority(maybe bool) error {
	var down []string
	s := d.store.State()
	for _, id := range s.NodeIDs() {
		if up, _ := d.links.alive(id); !up {
			n := s.Nodes[id]
			down = append(down, n.Name())
		}
	}
	text := "Quorum not met. Volume operation not allowed. A majority of the deciding nodes cannot be reached"
	if len(down) > 0 {
		text += fmt.Sprintf(" (not connected: %s)", strings.Join(down, ", "))
	}
	if maybe {
		return mgmt.Errorf("%s; whether the change is made shows when they are back", text)
	}
	return mgmt.Errorf("%s; nothing was changed", text)
}
