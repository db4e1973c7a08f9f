// Package store is the configuration of the cluster: nodes, volumes, bricks and
// options as one state machine, whose log and snapshots hashicorp/raft keeps.
//
// Commands are validated against the state they apply to, inside the state machine, so
// that two of them cannot be accepted that contradict each other, wherever they came
// from. A State is immutable: readers take the present one and never wait.
package store

import (
	"maps"
	"slices"
	"strings"
)

// A State is the configuration at one point of the log. It is never changed: commands
// make a new one.
type State struct {
	Nodes   map[string]Node    `json:"nodes"`   // by UUID
	Volumes map[string]*Volume `json:"volumes"` // by name; each immutable too
	Options []Option           `json:"options"` // of the whole pool, newest first
	Removed map[string]int     `json:"removed"` // nodes that were taken out of the pool, by UUID, and their Life
	Recent  []string           `json:"recent"`  // IDs of the newest commands, to know one that comes again
}

// recent is how many commands' IDs are remembered. A command comes again within seconds.
const recent = 128

// A Node is a machine (or one of several daemons on a machine). Its identity is the
// UUID; names and addresses may change.
type Node struct {
	UUID  string   `json:"uuid"`
	Hosts []string `json:"hosts"` // names and addresses; the first is shown. None: alone in its pool, and never called by others.
	Addr  string   `json:"addr"`  // IP:port where its daemon was last known to listen; "" while alone
	// Life counts how often it was taken into the pool: anew each time it has lost its log.
	Life int `json:"life"`
	// Version of gofs that it runs.
	Version string `json:"version"`
}

// Name is what the node is called in listings.
func (n *Node) Name() string {
	if len(n.Hosts) == 0 {
		return "localhost"
	}
	return n.Hosts[0]
}

// NodeCalled returns the node that has host among its names.
func (s *State) NodeCalled(host string) (Node, bool) {
	for _, n := range s.Nodes {
		if slices.Contains(n.Hosts, host) {
			return n, true
		}
	}
	return Node{}, false
}

// BricksOn lists the host:path of the bricks on a node.
func (s *State) BricksOn(node string) (out []string) {
	for _, name := range s.Names() {
		for _, b := range s.Volumes[name].Bricks {
			if b.Node == node {
				out = append(out, b.Host+":"+b.Path)
			}
		}
	}
	return out
}

// BrickAt returns the brick at path on a node, if the volume with this UUID has it.
func (s *State) BrickAt(volumeID, node, path string) (Brick, bool) {
	for _, v := range s.Volumes {
		if i := slices.IndexFunc(v.Bricks, func(b Brick) bool { return b.Node == node && b.Path == path }); i >= 0 && v.ID == volumeID {
			return v.Bricks[i], true
		}
	}
	return Brick{}, false
}

// NodeIDs lists the nodes' UUIDs, sorted.
func (s *State) NodeIDs() []string { return slices.Sorted(maps.Keys(s.Nodes)) }

func newState() *State { return &State{Nodes: map[string]Node{}, Volumes: map[string]*Volume{}} }

// A Volume is a volume's definition.
type Volume struct {
	Name      string   `json:"name"`
	ID        string   `json:"id"` // UUID
	Status    Status   `json:"status"`
	Replica   int      `json:"replica"` // bricks per set, 1 without replication
	Arbiter   int      `json:"arbiter"` // arbiters among them: 0 or 1
	Transport string   `json:"transport"`
	Bricks    []Brick  `json:"bricks"`
	Options   []Option `json:"options"` // newest first
	// Graph counts the changes of the bricks that all clients have to know of before they
	// may use the volume: see Brick.Joins.
	Graph uint64 `json:"graph,omitempty"`
	// Gone are the IDs of bricks that the volume has no more. No other brick gets one, so that
	// what the others keep against them can be forgotten at any time.
	Gone []string `json:"gone,omitempty"`
}

// A Brick is a directory on a node.
type Brick struct {
	Node string `json:"node"` // UUID
	Host string `json:"host"` // as the user wrote it
	Path string `json:"path"`
	ID   string `json:"id"` // brick-id: VOL-client-N, for the life of its place in the volume
	// Disk counts the directories that have had this place: one that had it before is known
	// by its lower number, and not taken for the present one.
	Disk uint64 `json:"disk,omitempty"`
	// Held: the brick is not to run. HeldReset: since volume reset-brick start; else for as
	// long as the order with this token is being carried out.
	Held string `json:"held,omitempty"`
	// Joins: the brick is not to run before no client of the other bricks has a graph that
	// is older than Volume.Graph, which would change files there and not here.
	Joins bool `json:"joins,omitempty"`
}

// HeldReset is what Brick.Held is between volume reset-brick start and commit.
const HeldReset = "reset"

// Runs tells whether the brick runs while its volume is started.
func (b *Brick) Runs() bool { return b.Held == "" && !b.Joins }

// An Option is a key of volume set with its value.
type Option struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Status of a volume.
type Status string

// The states of a volume, in GlusterFS's words.
const (
	Created Status = "Created"
	Started Status = "Started"
	Stopped Status = "Stopped"
)

// Names returns the volumes' names, sorted.
func (s *State) Names() []string { return slices.Sorted(maps.Keys(s.Volumes)) }

// clone returns a copy whose maps may be changed.
func (s *State) clone() *State {
	return &State{Nodes: maps.Clone(s.Nodes), Volumes: maps.Clone(s.Volumes), Options: s.Options, Removed: s.Removed, Recent: s.Recent}
}

// with returns a copy of s in which change has been made to a copy of volume v.
func (s *State) with(v *Volume, change func(*Volume)) *State {
	c := *v
	c.Options = slices.Clone(v.Options)
	change(&c)
	next := s.clone()
	next.Volumes[c.Name] = &c
	return next
}

// Option returns the value of an option that was set.
func (v *Volume) Option(key string) (string, bool) {
	for _, o := range v.Options {
		if o.Key == key {
			return o.Value, true
		}
	}
	return "", false
}

// IsArbiter tells whether brick i is an arbiter.
func (v *Volume) IsArbiter(i int) bool {
	return v.Arbiter > 0 && i%v.Replica >= v.Replica-v.Arbiter
}

// Overlap returns the host:path of a brick on the same node that is, holds or is inside
// of path; "" if there is none.
func (s *State) Overlap(node, path string) string {
	for _, v := range s.Volumes {
		for _, b := range v.Bricks {
			if b.Node == node && (within(b.Path, path) || within(path, b.Path)) {
				return b.Host + ":" + b.Path
			}
		}
	}
	return ""
}

// within tells whether the clean path inner is outer or below it.
func within(inner, outer string) bool {
	return inner == outer || strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/")
}

// complete fills in what older states lack.
func (s *State) complete() *State {
	if s == nil {
		return newState()
	}
	if s.Nodes == nil {
		s.Nodes = map[string]Node{}
	}
	if s.Volumes == nil {
		s.Volumes = map[string]*Volume{}
	}
	return s
}

// knows tells whether the command with this ID has been applied.
func (s *State) knows(id string) bool { return id != "" && slices.Contains(s.Recent, id) }
