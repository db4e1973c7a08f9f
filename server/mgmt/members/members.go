// Package members tells which nodes of a pool are alive, by gossip (hashicorp/memberlist)
// over the daemons' one port: packets over UDP, streams of kind 'g' over TCP, all
// encrypted with the pool's key.
//
// What it tells is for showing and for choosing whom to ask first; nothing that must be
// right depends on it.
package members

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Config of Members.
type Config struct {
	UUID string // this node
	Addr string // IP:port where other nodes reach this one
	Key  []byte // 32 bytes, the pool's
	// Packets are the datagrams of the daemon's port. Members reads and closes it.
	Packets net.PacketConn
	// Dial opens a stream of kind 'g' to IP:port.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	Log  *slog.Logger
	// Changed, if not nil, is called when a node comes or goes. It must not block.
	Changed func()
}

// Members is this node's view of who is alive. All methods may be called concurrently.
type Members struct {
	list *memberlist.Memberlist
	wire *wire
	cfg  Config
	wg   sync.WaitGroup // Seek

	mu      sync.Mutex
	nodes   map[string]seen // guarded by mu; by UUID
	seeking bool            // guarded by mu
	ended   bool            // guarded by mu; Close has been called
}

// seen is what is known of a node.
type seen struct {
	addr  string
	alive bool
	since time.Time
}

// Timing: a dead node is known as such within about 4 s, and 8 s if there is nobody to
// confirm it.
const (
	probeInterval = time.Second
	probeTimeout  = 500 * time.Millisecond
	suspicion     = 3
	leaving       = 300 * time.Millisecond
)

// New begins to gossip, with nobody yet.
func New(cfg Config) (*Members, error) {
	host, port, err := splitAddr(cfg.Addr)
	if err != nil {
		return nil, err
	}
	m := &Members{cfg: cfg, nodes: map[string]seen{}}
	m.wire = newWire(cfg, host, port)
	c := memberlist.DefaultLANConfig()
	c.Name = cfg.UUID
	c.AdvertiseAddr, c.AdvertisePort = host.String(), port
	c.BindPort = port
	c.Transport = m.wire
	c.SecretKey = cfg.Key
	c.TCPTimeout = 2 * time.Second
	c.ProbeInterval, c.ProbeTimeout = probeInterval, probeTimeout
	c.SuspicionMult, c.SuspicionMaxTimeoutMult, c.AwarenessMaxMultiplier = suspicion, 2, 2
	c.DeadNodeReclaimTime = time.Second // a node may come back with another address
	c.Events = (*events)(m)
	c.Logger = log.New(io.Discard, "", 0) // its lines repeat what Changed tells
	if m.list, err = memberlist.Create(c); err != nil {
		m.wire.Shutdown()
		return nil, fmt.Errorf("starting the gossip: %w", err)
	}
	return m, nil
}

func splitAddr(addr string) (net.IP, int, error) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, 0, err
	}
	ip, port := net.ParseIP(h), 0
	if port, err = strconv.Atoi(p); err != nil || ip == nil {
		return nil, 0, fmt.Errorf("%s is not an IP address and a port", addr)
	}
	return ip, port, nil
}

// Stream takes a stream of kind 'g' that another node has opened.
func (m *Members) Stream(nc net.Conn) { m.wire.take(nc) }

// Join makes contact with the nodes at addrs, IP:port, and returns how many were reached.
func (m *Members) Join(addrs []string) int {
	n := 0
	for _, a := range addrs {
		got, _ := m.list.Join([]string{a}) // an error is a node that is not reached
		n += got
	}
	return n
}

// Seek is Join without waiting. It does nothing while an earlier one is under way.
func (m *Members) Seek(addrs []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seeking || m.ended {
		return
	}
	m.seeking = true
	m.wg.Go(func() {
		m.Join(addrs)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.seeking = false
	})
}

// Alive tells whether a node is alive, and since when that is so (zero: since before this
// daemon knew).
func (m *Members) Alive(uuid string) (alive bool, since time.Time) {
	if uuid == m.cfg.UUID {
		return true, time.Time{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes[uuid].alive, m.nodes[uuid].since
}

// Addr returns where a node was last heard of, "" if never.
func (m *Members) Addr(uuid string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes[uuid].addr
}

// Close tells the others that this node leaves, and stops.
func (m *Members) Close() error {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.wg.Wait()
	left := m.list.Leave(leaving)
	if left != nil && m.list.NumMembers() > 1 {
		m.cfg.Log.Debug("leaving the gossip", "error", left)
	}
	return errors.Join(m.list.Shutdown(), m.wire.Shutdown())
}

// events receives memberlist's.
type events Members

func (e *events) NotifyJoin(n *memberlist.Node)   { e.note(n, true) }
func (e *events) NotifyLeave(n *memberlist.Node)  { e.note(n, false) }
func (e *events) NotifyUpdate(n *memberlist.Node) { e.note(n, true) }

func (e *events) note(n *memberlist.Node, alive bool) {
	if n.Name == e.cfg.UUID {
		return
	}
	e.mu.Lock()
	old, known := e.nodes[n.Name]
	s := seen{addr: n.Address(), alive: alive, since: old.since}
	if !known || old.alive != alive {
		s.since = time.Now()
	}
	e.nodes[n.Name] = s
	e.mu.Unlock()
	if s.since != old.since {
		e.cfg.Log.Info("a peer came or went", "peer", n.Name, "address", s.addr, "connected", alive)
	}
	if e.cfg.Changed != nil {
		e.cfg.Changed()
	}
}
