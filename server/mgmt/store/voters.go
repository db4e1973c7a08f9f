package store

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// maxVoters is how many nodes decide; more would make every change slower and none safer.
const maxVoters = 5

// A change of Raft's membership.
type change struct {
	node string
	to   membership
}

type membership int

const (
	gone membership = iota
	follower
	voter
)

// plan returns the next change that brings Raft's membership towards the pool's nodes;
// ok is false if nothing is to be done. self leads. There are as many voters as can
// be, up to five, and an odd number, because an even number bears no more failures than
// one less; a voter that is lost (dead for long) gives its place to a node that lives.
func plan(servers []raft.Server, nodes map[string]Node, self string, alive, lost func(string) bool) (c change, ok bool) {
	have := map[string]membership{}
	var voters []string
	for _, s := range servers {
		id := string(s.ID)
		have[id] = follower
		if s.Suffrage == raft.Voter {
			have[id] = voter
			voters = append(voters, id)
		}
		n, ok := nodes[id]
		// One that has begun a new life has lost the log that this server had.
		if id != self && (!ok || address(&n) != s.Address) {
			return change{id, gone}, true
		}
	}
	spare := "" // a living node that could vote
	live := 0
	for _, n := range slices.Sorted(maps.Keys(nodes)) {
		if have[n] == gone {
			return change{n, follower}, true
		}
		if have[n] == follower && alive(n) {
			live++
			if spare == "" {
				spare = n
			}
		}
	}
	slices.Sort(voters)
	want := min(maxVoters, len(voters)+live)
	want -= 1 - want%2
	switch {
	case len(voters) < want:
		return change{spare, voter}, true
	case len(voters) > want:
		return change{least(voters, self, alive), follower}, true
	}
	for _, v := range voters {
		// The one that takes its place follows as the next change.
		if spare != "" && v != self && lost(v) {
			return change{v, follower}, true
		}
	}
	return change{}, false
}

// least returns the voter that is missed least: one that is dead, else any but self.
func least(voters []string, self string, alive func(string) bool) string {
	for _, v := range voters {
		if v != self && !alive(v) {
			return v
		}
	}
	for _, v := range slices.Backward(voters) {
		if v != self {
			return v
		}
	}
	return self
}

// Govern makes the next change that brings Raft's membership towards the nodes of the
// state, if this node leads and there is one to make. It returns whether there may be more.
func (s *Store) Govern(alive, lost func(node string) bool) (more bool, err error) {
	s.restarting.RLock()
	defer s.restarting.RUnlock()
	if s.raft.State() != raft.Leader {
		return false, nil
	}
	f := s.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return false, err
	}
	state := s.State()
	self := s.cfg.Node
	if _, ok := state.Nodes[self]; !ok && len(state.Nodes) > 0 {
		// Detached: somebody else has to lead, who will then remove this node.
		return false, s.raft.LeadershipTransfer().Error()
	}
	c, ok := plan(f.Configuration().Servers, state.Nodes, self, alive, lost)
	if !ok {
		return false, nil
	}
	n := state.Nodes[c.node]
	id, addr := raft.ServerID(c.node), address(&n)
	var done raft.IndexFuture
	switch c.to {
	case gone:
		done = s.raft.RemoveServer(id, 0, 2*time.Second)
	case voter:
		done = s.raft.AddVoter(id, addr, 0, 2*time.Second)
	default:
		if slices.ContainsFunc(f.Configuration().Servers, func(v raft.Server) bool { return v.ID == id }) {
			done = s.raft.DemoteVoter(id, 0, 2*time.Second)
		} else {
			done = s.raft.AddNonvoter(id, addr, 0, 2*time.Second)
		}
	}
	return true, done.Error()
}

// address is what Raft has as a node's: who it is, and in which life. Where it is, the
// streams know.
func address(n *Node) raft.ServerAddress {
	return raft.ServerAddress(fmt.Sprintf("%s/%d", n.UUID, n.Life))
}

// NodeOf returns the node that an address of Raft means.
func NodeOf(addr raft.ServerAddress) string {
	node, _, _ := strings.Cut(string(addr), "/")
	return node
}

// A Membership is a node in Raft.
type Membership struct {
	Life  int
	Voter bool
}

// Members tells which nodes Raft has, as far as this node knows.
func (s *Store) Members() map[string]Membership {
	out := map[string]Membership{}
	f := s.running().GetConfiguration()
	if f.Error() != nil {
		return out
	}
	for _, v := range f.Configuration().Servers {
		_, life, _ := strings.Cut(string(v.Address), "/")
		n, err := strconv.Atoi(life)
		if err != nil {
			continue // not an address of ours
		}
		out[string(v.ID)] = Membership{Life: n, Voter: v.Suffrage == raft.Voter}
	}
	return out
}
