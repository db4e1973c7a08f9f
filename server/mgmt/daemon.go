// Package mgmt is the management daemon, GlusterFS's glusterd: orders from the command
// line become entries of the configuration's log, the configuration becomes volfiles
// and running bricks.
//
// # Parts
//
//   - store: the configuration, a Raft state machine.
//   - portmap: which port is which brick's.
//   - brickproc: the processes.
//   - reconcile.go: drives this node's bricks to what the configuration says, whatever
//     has changed it.
//
// Reads are answered from this node's copy of the configuration and never wait for a
// change. Changes go through the log one after the other.
//
// Other daemons, mounts and the command line connect over TCP and may ask; only root on
// this machine may change something, through the unix socket or from a privileged port.
package mgmt

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/server/mgmt/portmap"
	"github.com/gofs/gofs/server/mgmt/store"
)

// Config of a daemon.
type Config struct {
	// Address to listen on and to be known by; "" for all of the machine's. Several
	// daemons live on one machine when each has its own loopback address.
	Address string
	Port    int    // 0: any free one (tests)
	WorkDir string // the configuration
	RunDir  string // sockets and pid files
	LogDir  string
	Exe     string // the binary that bricks are started from
	Version string
	// BrickPorts is where the bricks' ports begin; 0 means portmap.Base.
	BrickPorts int
	Log        *slog.Logger
	// SetLevel, if not nil, sets the level of Log to one of GlusterFS's names; "": what it was
	// at first.
	SetLevel func(name string)
	// Reopen, if not nil, opens the log's file again, which was moved.
	Reopen func() error
	// Metrics is the address that http://ADDRESS/metrics is served on; "": none.
	Metrics string
	// Bricks makes what runs this node's bricks; nil: processes.
	Bricks func(brickproc.Config) Bricks
	// Ready, if not nil, is called when the daemon answers.
	Ready func()
}

// Bricks runs bricks; see brickproc.Supervisor.
type Bricks interface {
	Want([]brickproc.Spec)
	StopStray(brickproc.Spec)
	StopUnknown(volume string, known []brickproc.Spec)
	Retry(path string)
	Started(ctx context.Context, path string) error
	Gone(ctx context.Context, path string) error
	State(ctx context.Context, path string) brickproc.State
	Ask(ctx context.Context, path, method string, args json.RawMessage) (json.RawMessage, error)
	Close()
}

var _ Bricks = (*brickproc.Supervisor)(nil)

// SocketName is the name of the unix socket in RunDir.
const SocketName = "gofsd.socket"

// Daemon is a running daemon. It is the mgmt.Service that connections are served with.
type Daemon struct {
	cfg    Config
	uuid   string
	pool   *pool
	links  *links
	store  *store.Store
	ports  *portmap.Map
	bricks Bricks
	poked  chan struct{} // has room for one token; see poke

	// changing is held by orders that touch bricks' directories, so that two of them
	// do not prepare the same one.
	changing sync.Mutex
	// probing is held while this node probes another or is probed, so that two pools do
	// not take each other in.
	probing sync.Mutex
	made    preparedBricks
	orders  ordersHere
	joins   joining
	driving sync.Mutex // see drive
	quorum  serverQuorum

	mu    sync.Mutex
	conns map[*mgmt.Conn]bool // guarded by mu; those to tell of changed volfiles
}

var _ mgmt.Service = (*Daemon)(nil)

// Run runs a daemon until ctx ends. Its bricks go on.
func Run(ctx context.Context, cfg Config) error {
	for _, dir := range []string{cfg.WorkDir, cfg.RunDir, cfg.LogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make the directory: %w", err)
		}
	}
	uuid, err := identity(filepath.Join(cfg.WorkDir, "gofsd.info"))
	if err != nil {
		return err
	}
	pool, err := openPool(cfg.WorkDir, uuid)
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", net.JoinHostPort(cfg.Address, strconv.Itoa(cfg.Port)))
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer tcp.Close()
	cfg.Port = tcp.Addr().(*net.TCPAddr).Port
	local, err := listenUnix(filepath.Join(cfg.RunDir, SocketName))
	if err != nil {
		return err
	}
	defer local.Close()
	base := cfg.BrickPorts
	if base == 0 {
		base = portmap.Base
	}
	ports, err := portmap.Open(filepath.Join(cfg.WorkDir, "ports.json"), cfg.Address, base)
	if err != nil {
		return err
	}
	d := &Daemon{cfg: cfg, uuid: uuid, pool: pool, ports: ports, conns: map[*mgmt.Conn]bool{}, poked: make(chan struct{}, 1)}
	d.links = newLinks(d)
	d.store, err = store.Open(ctx, store.Config{Dir: cfg.WorkDir, Node: uuid, Member: pool.joined(), Streams: d.links.newStreams, Log: cfg.Log})
	if err != nil {
		return err
	}
	defer d.store.Close()
	supervise := cfg.Bricks
	if supervise == nil {
		supervise = func(c brickproc.Config) Bricks { return brickproc.New(c) }
	}
	d.bricks = supervise(brickproc.Config{Exe: cfg.Exe, RunDir: cfg.RunDir, LogDir: cfg.LogDir, StateDir: filepath.Join(cfg.WorkDir, "bricks"),
		Daemon: filepath.Join(cfg.RunDir, SocketName), Listen: cfg.Address, Port: cfg.Port, Ports: ports, Log: cfg.Log})
	defer d.bricks.Close()
	return d.run(ctx, tcp, local)
}

// run serves until ctx ends or a listener is lost.
func (d *Daemon) run(ctx context.Context, tcp, local net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer d.links.forget() // before the streams of other daemons are waited for
	if err := d.begin(ctx); err != nil {
		return err
	}
	lost := make(chan error, 2)
	everybody, root := mgmt.DaemonRoutes(d, false), mgmt.DaemonRoutes(d, true)
	wg.Go(func() {
		lost <- d.accept(ctx, tcp, func(nc net.Conn) mgmt.Routes {
			if fromLocalRoot(nc) {
				return root
			}
			return everybody
		})
	})
	wg.Go(func() { lost <- d.accept(ctx, local, func(net.Conn) mgmt.Routes { return root }) })
	wg.Go(func() { d.reconcile(ctx) })
	wg.Go(func() { d.govern(ctx) })
	wg.Go(func() { d.tendOrders(ctx) })
	wg.Go(func() { d.followLevel(ctx) })
	wg.Go(func() { d.obeySignals(ctx) })
	wg.Go(func() { d.serveMetrics(ctx) })
	d.cfg.Log.Info("the daemon is ready", "node", d.uuid, "address", tcp.Addr().String(), "version", d.cfg.Version)
	if d.cfg.Ready != nil {
		d.cfg.Ready()
	}
	select {
	case <-ctx.Done():
		d.cfg.Log.Info("the daemon stops; bricks and mounts go on")
		return nil
	case err := <-lost:
		return err
	}
}

// greeting is how long a connection may take to say what it is.
const greeting = 10 * time.Second

// fromLocalRoot tells whether a TCP connection comes from this machine and from a port
// that only root can have.
func fromLocalRoot(nc net.Conn) bool {
	from, ok := nc.RemoteAddr().(*net.TCPAddr)
	to, ok2 := nc.LocalAddr().(*net.TCPAddr)
	return ok && ok2 && from.Port < 1024 && (from.IP.IsLoopback() || from.IP.Equal(to.IP))
}

// accept serves the connections of l until ctx ends.
func (d *Daemon) accept(ctx context.Context, l net.Listener, routes func(net.Conn) mgmt.Routes) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			wg.Go(func() { d.serve(ctx, nc, routes(nc)) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listening on %s: %w", l.Addr(), err)
		default: // out of file descriptors, for one: that passes
			d.cfg.Log.Warn("cannot accept a connection", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// serve answers one connection. What is not gofs is closed, with one line in the log.
func (d *Daemon) serve(ctx context.Context, nc net.Conn, routes mgmt.Routes) {
	nc.SetReadDeadline(time.Now().Add(greeting))
	kind, err := mgmt.ReadKind(nc)
	switch {
	case err != nil:
	case kind == mgmt.KindPeer || kind == mgmt.KindRaft || kind == mgmt.KindGossip:
		if err := d.links.serve(ctx, nc, kind); err != nil {
			d.cfg.Log.Debug("a peer's connection ended", "from", nc.RemoteAddr().String(), "kind", string(kind), "reason", err)
		}
		return
	case kind != mgmt.KindMgmt:
		err = fmt.Errorf("streams of kind %q are not served here", kind)
	}
	if err != nil {
		nc.Close()
		d.cfg.Log.Warn("closed a connection", "from", nc.RemoteAddr().String(), "reason", err)
		return
	}
	nc.SetReadDeadline(time.Time{})
	var conn *mgmt.Conn
	err = mgmt.Serve(ctx, nc, routes, func(c *mgmt.Conn) {
		conn = c
		d.mu.Lock()
		d.conns[c] = true
		d.mu.Unlock()
	})
	d.mu.Lock()
	delete(d.conns, conn)
	d.mu.Unlock()
	if err != nil {
		d.cfg.Log.Warn("closed a connection", "from", nc.RemoteAddr().String(), "reason", err)
	}
}

// notify tells everybody who asked that volfiles have changed.
func (d *Daemon) notify(names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		for _, n := range names {
			c.Notify(n)
		}
	}
}

// maxSocket is how long the path of the daemon's socket may be, in bytes. The kernel
// takes 107; the names of bricks' sockets are 11 longer.
const maxSocket = 107 - 11

// listenUnix listens on a socket that only root may use. A socket that an earlier daemon
// left is removed; one that a daemon listens on is not.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocket {
		return nil, fmt.Errorf("the run directory's path is too long: a socket's may have %d bytes, %s has %d", maxSocket, path, len(path))
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("another daemon listens on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// identity reads the node's UUID from file, which is made at the first start.
func identity(file string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		uuid := newUUID()
		text := fmt.Sprintf("UUID=%s\noperating-version=%d\n", uuid, opVersion)
		if err := os.WriteFile(file+".tmp", []byte(text), 0o600); err != nil {
			return "", err
		}
		return uuid, os.Rename(file+".tmp", file)
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if uuid, ok := strings.CutPrefix(strings.TrimSpace(line), "UUID="); ok && validUUID(uuid) {
			return uuid, nil
		}
	}
	return "", fmt.Errorf("%s holds no UUID of this node", file)
}

// newUUID makes a random UUID.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return formatUUID(b)
}

// begin makes this node known: to its own configuration if it is alone, else to its peers.
func (d *Daemon) begin(ctx context.Context) error {
	if !d.pool.joined() {
		return d.announce(ctx)
	}
	addr, err := d.ownAddr()
	if err != nil {
		return err
	}
	return d.links.gossip(addr)
}

// ownAddr is where this node's peers reach it: the daemon's address, or the one the
// configuration knows if this machine still has it, or another that leads to a peer.
func (d *Daemon) ownAddr() (string, error) {
	port := strconv.Itoa(d.cfg.Port)
	if d.cfg.Address != "" {
		return net.JoinHostPort(d.cfg.Address, port), nil
	}
	if at, err := netip.ParseAddrPort(d.self().Addr); err == nil && isLocal(at.Addr()) {
		return net.JoinHostPort(at.Addr().String(), port), nil
	}
	for _, seed := range d.pool.now().Seeds {
		// Nothing is sent: connecting a datagram socket only looks up the route.
		if c, err := net.Dial("udp", seed); err == nil {
			ip := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
			c.Close()
			return net.JoinHostPort(ip.String(), port), nil
		}
	}
	return "", errors.New("this machine has no address by which this node's peers could reach it")
}

// poke makes govern look at once.
func (d *Daemon) poke() {
	select {
	case d.poked <- struct{}{}:
	default: // it is going to
	}
}
