// Package heald is the heal daemon of one node: it heals what the indexes of the node's
// own bricks list.
//
// The node's daemon gives it a volfile with the replicate sets that have a brick on the
// node (volgen.HealGraph) and keeps it running. For each of these bricks one crawler
// works through the brick's index: at the start, when the brick's count of pending inodes
// is not zero, when a brick of the set comes back, every cluster.heal-timeout, and when
// asked to. A brick that lost power is vouched for first (vouch.go). Nothing is remembered between runs: the index is on the bricks.
package heald

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"syscall"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/xlator"
)

// Config of a heal daemon.
type Config struct {
	Daemon    string // the node's daemon: its socket
	VolfileID string
	PidFile   string
	Socket    string // for the daemon
	Log       *slog.Logger
	// Client makes the translator type protocol/client.
	Client xlator.New
	// Engine makes the engine of a set: n is its stanza, children its subvolumes.
	Engine func(n *volfile.Node, children []xlator.Xlator, log *slog.Logger) (Engine, error)
}

// Daemon is a running heal daemon.
type Daemon struct {
	cfg Config

	mu   sync.Mutex
	sets map[string]*set // guarded by mu; by name of the replicate translator
}

// Run heals until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	pid, err := brickproc.Lock(cfg.PidFile)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("another heal daemon runs on this node already")
	}
	if err != nil {
		return fmt.Errorf("cannot keep the pid file: %w", err)
	}
	defer pid.Close()
	admin, err := mgmt.ListenAdmin(cfg.Socket)
	if err != nil {
		return fmt.Errorf("cannot listen for the daemon: %w", err)
	}
	d := &Daemon{cfg: cfg, sets: map[string]*set{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { d.serveAdmin(ctx, admin) })
	cfg.Log.Info("the heal daemon runs")
	said := ""
	mgmt.Watch(ctx, []string{cfg.Daemon}, cfg.VolfileID, func(text string) {
		said = ""
		if err := d.use(ctx, text); err != nil {
			cfg.Log.Error("the volfile cannot be used", "error", err)
		}
	}, func(err error) {
		if text := err.Error(); text != said {
			said = text
			cfg.Log.Info("the daemon does not tell of changes", "reason", text)
		}
	})
	cancel()
	wg.Wait()
	d.closeAll()
	cfg.Log.Info("the heal daemon has stopped")
	return nil
}

// use makes the sets those of a volfile. Sets that are the same go on.
func (d *Daemon) use(ctx context.Context, text string) error {
	g := &volfile.Graph{} // of nothing, if there is nothing to heal any more
	if text != "" {
		var err error
		if g, err = volfile.Parse(text); err != nil {
			return err
		}
	}
	wanted := map[string]*volfile.Node{}
	for _, n := range g.Nodes {
		if n.Type == "cluster/replicate" {
			wanted[n.Name] = n
		}
	}
	d.mu.Lock()
	old := maps.Clone(d.sets)
	d.mu.Unlock()
	var errs []error
	next := map[string]*set{}
	for name, n := range wanted {
		spec := stanza(g, n)
		if s := old[name]; s != nil && s.spec == spec {
			next[name] = s
			continue
		}
		s, err := newSet(&d.cfg, g, n, spec)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		next[name] = s
	}
	d.mu.Lock()
	d.sets = next
	d.mu.Unlock()
	for name, s := range old {
		if next[name] != s {
			s.close()
		}
	}
	for name, s := range next {
		if old[name] != s {
			s.start(ctx)
		}
	}
	return errors.Join(errs...)
}

// stanza is the text of a set and its bricks, by which a change is seen.
func stanza(g *volfile.Graph, n *volfile.Node) string {
	part := &volfile.Graph{}
	for _, b := range g.Nodes {
		if slices.Contains(n.Subvolumes, b.Name) {
			part.Nodes = append(part.Nodes, b)
		}
	}
	part.Nodes = append(part.Nodes, n)
	return part.String()
}

// setsOf lists the sets of a volume.
func (d *Daemon) setsOf(volume string) []*set {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*set
	for _, name := range slices.Sorted(maps.Keys(d.sets)) {
		if s := d.sets[name]; s.volume == volume {
			out = append(out, s)
		}
	}
	return out
}

func (d *Daemon) closeAll() {
	d.mu.Lock()
	sets := d.sets
	d.sets = map[string]*set{}
	d.mu.Unlock()
	for _, s := range sets {
		s.close()
	}
}
