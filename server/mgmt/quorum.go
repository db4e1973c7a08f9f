package mgmt

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/server/mgmt/store"
)

// Server quorum (cluster.server-quorum-type server): a node that sees too few of the
// pool's nodes stops the bricks of the volumes that ask for it.

// quorumGrace is how long too few may be seen before bricks are stopped: a daemon that
// has just started has met nobody yet, and its bricks run.
const quorumGrace = 5 * time.Second

// serverQuorum is whether this node sees enough others.
type serverQuorum struct {
	met  atomic.Pointer[time.Time] // when it last did
	lost atomic.Bool               // for longer than quorumGrace
}

// enough tells whether alive of all nodes are a server quorum: a share of at least ratio
// percent, or more than half if ratio is not set.
func enough(ratio string, alive, all int) bool {
	share, err := strconv.ParseFloat(strings.TrimSuffix(ratio, "%"), 64)
	if err != nil {
		return 2*alive > all
	}
	return float64(alive)*100 >= share*float64(all)
}

// judgeQuorum looks at who is alive, and starts or stops bricks if that changes whether
// this node has server quorum.
func (d *Daemon) judgeQuorum() {
	s := d.store.State()
	alive := 0
	for id := range s.Nodes {
		if up, _ := d.links.alive(id); up {
			alive++
		}
	}
	now := time.Now()
	if enough(d.globals()["cluster.server-quorum-ratio"], alive, len(s.Nodes)) {
		d.quorum.met.Store(&now)
	}
	lost := now.Sub(*d.quorum.met.Load()) > quorumGrace
	if d.quorum.lost.Swap(lost) != lost {
		d.cfg.Log.Warn("server quorum has changed", "met", !lost, "nodes", len(s.Nodes), "connected", alive)
		d.drive()
	}
}

// mayRun tells whether the bricks of v may run on this node now.
func (d *Daemon) mayRun(v *store.Volume) bool {
	kind, _ := v.Option("cluster.server-quorum-type")
	return kind != "server" || !d.quorum.lost.Load()
}
