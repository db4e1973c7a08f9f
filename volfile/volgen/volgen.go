// Package volgen makes volfiles from the definition of a volume: one graph for each
// brick process and one for every client. It also knows the options of "volume set":
// their names, defaults, what values they take and which translator they go to.
//
// The graphs have GlusterFS's shape and names with one difference: features/locks is
// above features/index, since in gofs a lock request may carry the mark it will need.
//
// Everything here is a pure function of its arguments.
package volgen

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gofs/gofs/volfile"
)

// A Volume is what the graphs of a volume are made from.
type Volume struct {
	Name    string
	ID      string // canonical UUID
	Bricks  []Brick
	Replica int               // bricks per replicate set; 0 or 1: plain distribute
	Arbiter int               // how many of them, the last ones, are arbiters
	Options map[string]string // by volume key, validated by Check
	// Graph numbers the bricks' list: bricks refuse clients whose graph has a lower one than
	// their own volfile.
	Graph uint64
	Gone  []string // IDs of bricks that the volume has no more
}

// A Brick is one brick of a Volume.
type Brick struct {
	ID   string // brick-id, the name of its protocol/client: VOL-client-N
	Host string // where its daemon listens
	Path string
	Disk uint64 // how many directories had the brick's place before this one
}

// Identity is what the brick's directory is told apart by from those of the volume's other
// bricks, and from those that had its place before.
func (b Brick) Identity() string {
	if b.Disk == 0 {
		return b.ID
	}
	return fmt.Sprintf("%s#%d", b.ID, b.Disk)
}

// IsArbiter tells whether brick i of the volume is an arbiter.
func (v *Volume) IsArbiter(i int) bool {
	return v.Arbiter > 0 && i%v.Replica >= v.Replica-v.Arbiter
}

// replicated tells whether the volume keeps copies.
func (v *Volume) replicated() bool { return v.Replica > 1 }

// BrickGraph returns the graph of the process of brick i.
func BrickGraph(v *Volume, i int) *volfile.Graph {
	b := v.Bricks[i]
	g := &volfile.Graph{}
	top := ""
	add := func(name, typ string, options ...volfile.Option) *volfile.Node {
		n := g.Add(&volfile.Node{Name: name, Type: typ, Options: options})
		if top != "" {
			n.Subvolumes = []string{top}
		}
		top = name
		return n
	}
	posix := add(v.Name+"-posix", "storage/posix", volfile.Option{Key: "directory", Value: b.Path}, volfile.Option{Key: "volume-id", Value: v.ID}, volfile.Option{Key: "brick-id", Value: b.Identity()})
	apply(v, posix, side{brick: true})
	if v.IsArbiter(i) {
		add(v.Name+"-arbiter", "features/arbiter")
	}
	apply(v, add(v.Name+"-index", "features/index",
		volfile.Option{Key: "index-base", Value: b.Path + "/.glusterfs/indices"},
		volfile.Option{Key: "xattrop-dirty-watchlist", Value: "trusted.afr.dirty"},
		volfile.Option{Key: "xattrop-pending-watchlist", Value: "trusted.afr." + v.Name + "-"}), side{brick: true})
	apply(v, add(v.Name+"-upcall", "features/upcall",
		volfile.Option{Key: "xattrop-pending-watchlist", Value: "trusted.afr." + v.Name + "-"}), side{brick: true})
	apply(v, add(v.Name+"-locks", "features/locks"), side{brick: true})
	apply(v, add(b.Path, "debug/io-stats",
		volfile.Option{Key: "unique-id", Value: b.Path},
		volfile.Option{Key: "volume-id", Value: v.ID}), side{brick: true})
	server := add(v.Name+"-server", "protocol/server",
		volfile.Option{Key: "auth-path", Value: b.Path},
		volfile.Option{Key: "volume", Value: v.Name},
		volfile.Option{Key: "volume-id", Value: v.ID},
		volfile.Option{Key: "transport-type", Value: "tcp"})
	if v.replicated() {
		server.Set("replica", strconv.Itoa(v.Replica))
	}
	setGraph(v, server)
	apply(v, server, side{brick: true})
	return g
}

// ClientGraph returns the graph of a mount of the volume.
func ClientGraph(v *Volume) *volfile.Graph {
	g := &volfile.Graph{}
	for i := range v.Bricks {
		addClient(g, v, i)
	}
	var below []string
	if v.replicated() {
		for k := range len(v.Bricks) / v.Replica {
			below = append(below, addReplicate(g, v, k))
		}
	} else {
		for _, b := range v.Bricks {
			below = append(below, b.ID)
		}
	}
	last := g.Add(&volfile.Node{Name: v.Name + "-dht", Type: "cluster/distribute", Subvolumes: below})
	apply(v, last, side{})
	if isOn(v.Options["features.read-only"]) {
		last = g.Add(&volfile.Node{Name: v.Name + "-read-only", Type: "features/read-only", Subvolumes: []string{last.Name}})
		apply(v, last, side{})
	}
	top := g.Add(&volfile.Node{Name: v.Name, Type: "debug/io-stats", Subvolumes: []string{last.Name}})
	apply(v, top, side{})
	return g
}

// addClient adds the protocol/client of brick i.
func addClient(g *volfile.Graph, v *Volume, i int) {
	b := v.Bricks[i]
	n := g.Add(&volfile.Node{Name: b.ID, Type: "protocol/client", Options: []volfile.Option{
		{Key: "remote-host", Value: b.Host},
		{Key: "remote-subvolume", Value: b.Path},
		{Key: "volume", Value: v.Name},
		{Key: "volume-id", Value: v.ID},
		{Key: "transport-type", Value: "tcp"},
		{Key: "ping-timeout", Value: "5"},
	}})
	setGraph(v, n)
	apply(v, n, side{})
}

// setGraph sets option graph, unless the bricks are those of the volume's creation.
func setGraph(v *Volume, n *volfile.Node) {
	if v.Graph > 0 {
		n.Set("graph", strconv.FormatUint(v.Graph, 10))
	}
}

// addReplicate adds the k-th set and returns its name.
func addReplicate(g *volfile.Graph, v *Volume, k int) string {
	var ids []string
	for _, b := range v.Bricks[k*v.Replica : (k+1)*v.Replica] {
		ids = append(ids, b.ID)
	}
	n := g.Add(&volfile.Node{Name: fmt.Sprintf("%s-replicate-%d", v.Name, k), Type: "cluster/replicate", Subvolumes: ids})
	n.Set("afr-pending-xattr", strings.Join(ids, ","))
	n.Set("volume-id", v.ID)
	if v.Arbiter > 0 {
		n.Set("arbiter-count", strconv.Itoa(v.Arbiter))
	}
	n.Set("quorum-type", defaultQuorum(v))
	n.Set("use-anonymous-inode", "yes")
	n.Set("granular-entry-heal", "on")
	apply(v, n, side{})
	return n.Name
}

// defaultQuorum is the quorum-type where none was set: GlusterFS's, which trusts a lone
// brick of two, since with "auto" the death of the first of two stops the volume.
func defaultQuorum(v *Volume) string {
	if v.Replica > 2 {
		return "auto"
	}
	return "none"
}

// side says for whom a graph is made: the log level of a brick and that of a client are
// different options of the same translator.
type side struct{ brick bool }

// apply sets the options of the volume that n's translator has, in the table's order.
func apply(v *Volume, n *volfile.Node, s side) {
	for i := range acting {
		a := &acting[i]
		if a.typ != n.Type || a.on == onBrick && !s.brick || a.on == onClient && s.brick {
			continue
		}
		if value, ok := v.Options[a.key]; ok {
			n.Set(a.opt, value)
		}
	}
}
