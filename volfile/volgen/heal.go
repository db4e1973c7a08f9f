package volgen

import (
	"strings"

	"github.com/gofs/gofs/volfile"
)

// HealID is the name under which a heal daemon asks for its volfile. No volume can have it.
const HealID = "gofs/heald"

// A HealVolume is a volume for a node's heal daemon.
type HealVolume struct {
	*Volume
	Local []bool // by brick: it is on the daemon's node
}

// HealGraph returns the graph of a node's heal daemon: the replicate sets of all volumes
// that have a brick on the node, under one node of type heal/sets. Option local of a set
// lists those bricks, option volume names the volume, option gone the bricks that it had;
// with option self-heal-daemon off the set is only looked at, and healed where a person says so.
func HealGraph(vols []HealVolume) *volfile.Graph {
	g := &volfile.Graph{}
	var sets []string
	for _, v := range vols {
		if !v.replicated() {
			continue
		}
		for k := range len(v.Bricks) / v.Replica {
			var local []string
			for i := k * v.Replica; i < (k+1)*v.Replica; i++ {
				if v.Local[i] {
					local = append(local, v.Bricks[i].ID)
				}
			}
			if local == nil {
				continue
			}
			for i := k * v.Replica; i < (k+1)*v.Replica; i++ {
				addClient(g, v.Volume, i)
			}
			name := addReplicate(g, v.Volume, k)
			n := g.Top()
			n.Set("local", strings.Join(local, ","))
			n.Set("volume", v.Name)
			if off(v.Options["cluster.self-heal-daemon"]) {
				n.Set("self-heal-daemon", "off")
			}
			if len(v.Gone) > 0 {
				n.Set("gone", strings.Join(v.Gone, ","))
			}
			for _, key := range []string{"heal-timeout", "shd-max-threads", "favorite-child-policy"} {
				if value := v.Options["cluster."+key]; value != "" {
					n.Set(key, value)
				}
			}
			sets = append(sets, name)
		}
	}
	if sets == nil {
		return nil
	}
	g.Add(&volfile.Node{Name: "heald", Type: "heal/sets", Subvolumes: sets})
	return g
}

// off tells whether a switch is set to off.
func off(value string) bool { return value != "" && !isOn(value) }
