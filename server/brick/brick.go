// Package brick is the brick process: it fetches its volfile, builds the graph, serves
// it to clients and answers the daemon on its admin socket.
//
// The process holds its pid file locked for as long as it lives (see brickproc). It
// outlives the daemon that started it. When the disk fails its health check, clients
// are refused until it recovers, and the daemon is told why. After its machine lost power
// clients are refused until somebody has vouched for it (power.go).
package brick

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/local"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/barrier"
	"github.com/gofs/gofs/xlators/graph"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/missed"
	"github.com/gofs/gofs/xlators/suspect"
	"github.com/gofs/gofs/xlators/xlator"
)

// Config says what to serve and where.
type Config struct {
	Daemon    string // address or unix socket of the daemon; "" with VolfilePath
	VolfileID string // which volfile to ask the daemon for
	// VolfilePath is a file to read instead of asking; it is not watched.
	VolfilePath string

	Volume   string
	VolumeID string
	Path     string // the brick's directory, the name clients ask for
	Listen   string // address, "" for all
	Port     int

	PidFile string // "" for none
	Socket  string // admin socket, "" for none
	AgeFile string // keeps until when the brick served, "" for none; not on the brick's disk
	Log     *slog.Logger
	Level   *slog.LevelVar // set as diagnostics.brick-log-level says
	// Rotate, if the log is a file, opens it again; if anew, it moves the present one away
	// first.
	Rotate func(anew bool) error
}

// fetching is how long the daemon may take to answer at start.
const fetching = 30 * time.Second

// Run serves the brick until ctx ends, and then returns nil after a clean stop. An error
// is one sentence for the daemon and the log.
func Run(ctx context.Context, cfg Config) error {
	if cfg.PidFile != "" {
		pid, err := brickproc.Lock(cfg.PidFile)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("brick %s is served by another process already", cfg.Path)
		}
		if err != nil {
			return fmt.Errorf("cannot keep the pid file: %w", err)
		}
		defer pid.Close()
	}
	text, err := fetch(ctx, &cfg)
	if err != nil {
		return err
	}
	inner, opts, err := split(text)
	if err != nil {
		return err
	}
	// The port first: without it nothing on the disk need be touched.
	ln, err := net.Listen("tcp", net.JoinHostPort(cfg.Listen, strconv.Itoa(cfg.Port)))
	if err != nil {
		return fmt.Errorf("cannot listen for clients: %w", err)
	}
	defer ln.Close()
	b := &process{cfg: cfg, port: ln.Addr().(*net.TCPAddr).Port, started: time.Now(), parts: parts{stats: iostats.NewStats()},
		age: age{record: cfg.AgeFile, dir: cfg.Path, volume: cfg.VolumeID, id: brickID(inner)}}
	if err := b.age.check(); err != nil {
		return err
	}
	top, err := graph.Build(inner, b.parts.types(), cfg.Log)
	if err != nil {
		return err
	}
	b.below = top
	least := int64(missed.Large)
	if b.parts.arbiter {
		least = 0
	}
	b.parts.barrier = barrier.Over(missed.Over(top, least))
	b.setLive(opts)
	if b.power, err = newPower(cfg.Path); err == nil {
		b.suspect, err = b.power.guard(b.parts.barrier, opts.copies, cfg.Log)
	}
	if err != nil {
		return errors.Join(err, b.parts.barrier.Close())
	}
	return b.serve(ctx, ln, b.suspect)
}

// fetch gets the volfile.
func fetch(ctx context.Context, cfg *Config) (string, error) {
	if cfg.VolfilePath != "" {
		text, err := os.ReadFile(cfg.VolfilePath)
		return string(text), err
	}
	ctx, cancel := context.WithTimeout(ctx, fetching)
	defer cancel()
	c, err := mgmt.Dial(ctx, cfg.Daemon)
	if err != nil {
		return "", fmt.Errorf("cannot fetch the volfile: %w", err)
	}
	defer c.Close()
	text, err := c.Volfile(ctx, cfg.VolfileID)
	if err != nil {
		return "", fmt.Errorf("cannot fetch the volfile: %w", err)
	}
	return text, nil
}

// split takes the protocol/server off the top of a brick's volfile: this process is it.
func split(text string) (inner string, opts live, err error) {
	g, err := volfile.Parse(text)
	if err != nil {
		return "", live{}, err
	}
	top := g.Top()
	if top.Type != "protocol/server" || len(top.Subvolumes) != 1 {
		return "", live{}, fmt.Errorf("the volfile's top is a %s and not a protocol/server above one volume", top.Type)
	}
	opts.allow, _ = top.Get("auth.allow")
	opts.reject, _ = top.Get("auth.reject")
	if text, ok := top.Get("graph"); ok {
		if opts.graph, err = strconv.ParseUint(text, 10, 64); err != nil {
			return "", live{}, fmt.Errorf("option graph %q of the volfile is not a number", text)
		}
	}
	g.Nodes = g.Nodes[:len(g.Nodes)-1]
	if g.Top().Name != top.Subvolumes[0] {
		return "", live{}, fmt.Errorf("the volfile's protocol/server is not above %s", g.Top().Name)
	}
	_, opts.copies = top.Get("replica")
	opts.level, _ = g.Top().Get("log-level")
	return g.String(), opts, nil
}

// brickID returns the brick-id in a brick's volfile, "" if it has none.
func brickID(text string) (id string) {
	if g, err := volfile.Parse(text); err == nil {
		id, _ = g.Nodes[0].Get("brick-id")
	}
	return id
}

// process is a brick that serves.
type process struct {
	cfg     Config
	port    int
	socket  string // for clients on this machine; "": none
	started time.Time
	parts   parts
	below   xlator.Xlator // the barrier
	age     age
	power   *power
	suspect *suspect.Suspect // the top of what is served
	srv     *server.Server

	mu   sync.Mutex
	live live   // guarded by mu
	down string // guarded by mu; why it does not serve, "" if it does
}

// serve serves top to clients until ctx ends and then takes everything down.
func (b *process) serve(ctx context.Context, ln net.Listener, top xlator.Xlator) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.down = "starting"
	b.srv = server.New(top, server.Config{Volume: b.cfg.Volume, VolumeID: b.cfg.VolumeID, Brick: b.cfg.Path, Log: b.cfg.Log, Auth: b.admit})
	top.Watch(b.event)
	var wg sync.WaitGroup
	fail := make(chan error, 1)
	end := func(err error) {
		select {
		case fail <- err:
		default:
		}
		cancel()
	}
	admin, err := b.listenAdmin()
	if err == nil {
		wg.Go(func() {
			if err := b.srv.Serve(ctx, ln); err != nil {
				end(fmt.Errorf("cannot serve clients: %w", err))
			}
		})
		if near := b.listenLocal(); near != nil {
			wg.Go(func() {
				if err := b.srv.Serve(ctx, near); err != nil {
					end(fmt.Errorf("cannot serve clients on this machine: %w", err))
				}
			})
		}
		if admin != nil {
			wg.Go(func() { b.serveAdmin(ctx, admin) })
		}
		if b.cfg.VolfilePath == "" {
			wg.Go(func() { b.watch(ctx) })
		}
		wg.Go(func() { b.obeySignals(ctx) })
		wg.Go(func() { b.age.keep(ctx, b.cfg.Log) })
		wg.Go(func() { unvouched(ctx, b.suspect, b.cfg.Log) })
		b.cfg.Log.Info("the brick serves", "vol", b.cfg.Volume, "brick", b.cfg.Path, "port", b.port, "pid", os.Getpid())
	} else {
		end(err)
	}
	<-ctx.Done()
	ln.Close()
	b.srv.Close()
	wg.Wait()
	err = top.Close()
	if err == nil {
		if err := stopInOrder(b.power, b.suspect); err != nil {
			b.cfg.Log.Warn("at its next start the brick may be taken for one that lost power", "error", err)
		}
	}
	select {
	case first := <-fail:
		err = first
	default:
	}
	b.cfg.Log.Info("the brick has stopped", "vol", b.cfg.Volume, "brick", b.cfg.Path, "error", err)
	return err
}

// listenLocal listens for clients on this machine. Without that they use TCP.
func (b *process) listenLocal() net.Listener {
	l, err := local.Listen()
	if err != nil {
		b.cfg.Log.Warn("no short way for clients on this machine", "error", err)
		return nil
	}
	b.socket = l.Addr().String()
	return l
}

// event notes whether the graph can serve.
func (b *process) event(e xlator.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Kind {
	case xlator.ChildUp:
		b.down = ""
	case xlator.ChildDown:
		b.down = e.Reason
		if b.down == "" {
			b.down = "the brick's disk does not serve"
		}
	}
}
