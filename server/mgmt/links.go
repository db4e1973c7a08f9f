package mgmt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/members"
	"github.com/gofs/gofs/server/mgmt/store"
)

// links are this daemon's connections with the other daemons of its pool. All methods may be
// called concurrently.
type links struct {
	d *Daemon

	mu      sync.Mutex
	clients map[string]*mgmt.Client // guarded by mu; by node
	members *members.Members        // guarded by mu; nil while this node is alone
	streams *raftStreams            // guarded by mu; of the Raft that runs
	// outdated are nodes that were found to run on an old copy of their state, with the boot
	// number they showed; guarded by mu.
	outdated map[string]uint64
	// mute are nodes that did not answer, and until when that is remembered; guarded by mu.
	mute map[string]time.Time
	// expelled tells that a peer said that this node is not of the pool; guarded by mu.
	expelled bool
}

func newLinks(d *Daemon) *links {
	return &links{d: d, clients: map[string]*mgmt.Client{}, outdated: map[string]uint64{}, mute: map[string]time.Time{}}
}

// dialTime bounds the making of a connection.
const dialTime = 2 * time.Second

// dial connects to addr from this daemon's own address, by which it is known.
func (d *Daemon) dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var dialer net.Dialer
	if ip := net.ParseIP(d.cfg.Address); ip != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return dialer.DialContext(ctx, "tcp", addr)
}

// where lists the addresses at which a node may be found, the likeliest first.
func (l *links) where(node string) []string {
	var out []string
	l.mu.Lock()
	if l.members != nil {
		out = append(out, l.members.Addr(node))
	}
	l.mu.Unlock()
	n := l.d.store.State().Nodes[node]
	out = append(out, n.Addr)
	for _, h := range n.Hosts {
		out = append(out, net.JoinHostPort(h, strconv.Itoa(l.d.cfg.Port)))
	}
	var once []string
	for _, a := range out {
		if a != "" && !slices.Contains(once, a) {
			once = append(once, a)
		}
	}
	return once
}

// open opens a stream to a node that is known under one of its addresses.
func (l *links) open(ctx context.Context, kind byte, node string, admit mgmt.Admit) (net.Conn, error) {
	err := fmt.Errorf("%s: no address is known", node)
	for _, addr := range l.where(node) {
		var nc net.Conn
		if nc, err = l.d.dial(ctx, addr); err != nil {
			continue
		}
		var who string
		who, err = mgmt.Greet(ctx, nc, kind, l.d.pool.me(), admit)
		if err == nil && who != node {
			err = fmt.Errorf("%s is node %s and not %s", addr, who, node)
		}
		if err == nil {
			return nc, nil
		}
		nc.Close()
		l.judge(node, err)
	}
	return nil, err
}

// judge notes what a refused greeting tells.
func (l *links) judge(node string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, removed := l.d.store.State().Removed[node]; errors.Is(err, mgmt.ErrStranger) && !removed {
		l.expelled = true
	}
}

// admit decides about other members: those that were detached are strangers, and one
// whose state is old must not take part.
func (l *links) admit(uuid string, boot uint64) error {
	s := l.d.store.State()
	if life, removed := s.Removed[uuid]; removed && boot < bootNumber(life+1, 0) {
		return mgmt.ErrStranger
	}
	err := l.d.pool.meet(uuid, boot)
	if n, ok := s.Nodes[uuid]; ok && boot < bootNumber(n.Life, 0) {
		err = mgmt.ErrOutdated
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, mgmt.ErrOutdated) {
		l.outdated[uuid] = boot
	} else if err == nil {
		delete(l.outdated, uuid)
	}
	return err
}

// anybody admits every member: to tell it that it is none any more, or is to begin anew.
func anybody(string, uint64) error { return nil }

// peer returns the connection to a node of the pool, made if there is none.
func (l *links) peer(ctx context.Context, node string) (*mgmt.Client, error) {
	l.mu.Lock()
	c := l.clients[node]
	l.mu.Unlock()
	if c != nil {
		select {
		case <-c.Done():
		default:
			return c, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	nc, err := l.open(ctx, mgmt.KindPeer, node, l.admit)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", mgmt.ErrConnection, err)
	}
	c = mgmt.NewPeer(nc)
	l.mu.Lock()
	old := l.clients[node]
	l.clients[node] = c
	l.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return c, nil
}

// muteFor is how long it is remembered that a node did not answer.
const muteFor = 2 * time.Second

// noteSilent notes whether a node did not answer, or did.
func (l *links) noteSilent(node string, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if yes {
		l.mute[node] = time.Now().Add(muteFor)
	} else {
		delete(l.mute, node)
	}
}

// silent tells whether a node did not answer a moment ago.
func (l *links) silent(node string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.mute[node])
}

// drop closes the connection to a node that does not answer.
func (l *links) drop(node string) {
	l.mu.Lock()
	c := l.clients[node]
	delete(l.clients, node)
	l.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// alive tells whether a node answers, as far as is known, and since when that is so.
func (l *links) alive(node string) (bool, time.Time) {
	if node == l.d.uuid {
		return true, time.Time{}
	}
	l.mu.Lock()
	m := l.members
	l.mu.Unlock()
	if m == nil {
		return false, time.Time{}
	}
	return m.Alive(node)
}

// gossip starts or restarts the gossip, with this node at addr.
func (l *links) gossip(addr string) error {
	l.quiet()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if l.d.cfg.Address == "" {
		host = ""
	}
	packets, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("cannot listen for the peers' gossip: %w", err)
	}
	m, err := members.New(members.Config{UUID: l.d.uuid, Addr: addr, Key: l.d.pool.me().Key, Packets: packets, Log: l.d.cfg.Log,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			nc, err := l.d.dial(ctx, addr)
			if err == nil {
				_, err = nc.Write([]byte(mgmt.Magic + string(mgmt.KindGossip)))
			}
			return nc, err
		},
		Changed: l.d.poke})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = m
	return nil
}

// quiet ends the gossip.
func (l *links) quiet() {
	l.mu.Lock()
	m := l.members
	l.members = nil
	l.mu.Unlock()
	if m == nil {
		return
	}
	if err := m.Close(); err != nil {
		l.d.cfg.Log.Warn("ending the gossip", "error", err)
	}
}

// forget ends everything that belongs to the pool this node was in.
func (l *links) forget() {
	l.quiet()
	l.mu.Lock()
	clients := l.clients
	l.clients, l.outdated, l.expelled = map[string]*mgmt.Client{}, map[string]uint64{}, false
	l.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
}

// serve takes a stream of another daemon whose first five bytes have been read.
func (l *links) serve(ctx context.Context, nc net.Conn, kind byte) error {
	if !l.d.pool.joined() {
		nc.Close()
		return errors.New("this node has no peers")
	}
	l.mu.Lock()
	m, streams := l.members, l.streams
	l.mu.Unlock()
	if kind == mgmt.KindGossip {
		nc.SetReadDeadline(time.Time{})
		if m == nil {
			return nc.Close()
		}
		m.Stream(nc)
		return nil
	}
	if _, err := mgmt.Meet(ctx, nc, kind, l.d.pool.me(), l.admit); err != nil {
		nc.Close()
		return err
	}
	if kind == mgmt.KindRaft {
		streams.take(nc)
		return nil
	}
	return mgmt.Serve(ctx, nc, mgmt.PeerRoutes(peerService{l.d}), nil)
}

// raftStreams carries one run of Raft over the daemon's port.
type raftStreams struct {
	l     *links
	conns chan net.Conn
	done  chan struct{}
	close func()

	mu    sync.Mutex
	taken map[*raftConn]bool // guarded by mu; those Raft reads from, nil once closed
}

// raftConn is a stream that another node has opened. Raft's transport leaves them open
// when it is closed.
type raftConn struct {
	net.Conn
	s *raftStreams
}

func (c *raftConn) Close() error {
	c.s.mu.Lock()
	delete(c.s.taken, c)
	c.s.mu.Unlock()
	return c.Conn.Close()
}

var _ raft.StreamLayer = (*raftStreams)(nil)

// newStreams makes the streams of the Raft that starts now.
func (l *links) newStreams() raft.StreamLayer {
	s := &raftStreams{l: l, conns: make(chan net.Conn), done: make(chan struct{}), taken: map[*raftConn]bool{}}
	s.close = sync.OnceFunc(s.end)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = s
	return s
}

func (s *raftStreams) take(nc net.Conn) {
	c := &raftConn{nc, s}
	s.mu.Lock()
	if s.taken != nil {
		s.taken[c] = true
	}
	s.mu.Unlock()
	select {
	case s.conns <- c:
	case <-s.done:
		c.Close()
	}
}

// end closes what Raft listens to and reads from.
func (s *raftStreams) end() {
	close(s.done)
	s.mu.Lock()
	taken := s.taken
	s.taken = nil
	s.mu.Unlock()
	for c := range taken {
		c.Conn.Close()
	}
}

func (s *raftStreams) Accept() (net.Conn, error) {
	select {
	case nc := <-s.conns:
		return nc, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *raftStreams) Close() error {
	s.close()
	return nil
}

func (s *raftStreams) Addr() net.Addr { return nodeAddr(s.l.d.uuid) }

func (s *raftStreams) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout) // the interface has no other
	defer cancel()
	return s.l.open(ctx, mgmt.KindRaft, store.NodeOf(addr), s.l.admit)
}

// nodeAddr is a node's UUID as a net.Addr.
type nodeAddr string

func (nodeAddr) Network() string  { return "gofs" }
func (a nodeAddr) String() string { return string(a) }

// isLocal tells whether ip is an address of this machine.
func isLocal(ip netip.Addr) bool {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(interfaces, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(n.IP)
		return ok && own.Unmap() == ip.Unmap()
	})
}

// openAt opens a stream to a node that is no longer in the configuration.
func (l *links) openAt(ctx context.Context, n *store.Node, kind byte) (net.Conn, error) {
	nc, err := l.d.dial(ctx, n.Addr)
	if err != nil {
		return nil, err
	}
	who, err := mgmt.Greet(ctx, nc, kind, l.d.pool.me(), anybody)
	if err == nil && who != n.UUID {
		err = fmt.Errorf("%s is node %s and not %s", n.Addr, who, n.UUID)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// noteExpelled notes that a peer said that this node is no longer of the pool.
func (l *links) noteExpelled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expelled = true
}

// takeExpelled tells whether that was so, once.
func (l *links) takeExpelled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.expelled
	l.expelled = false
	return was
}

// outdatedNodes lists the nodes that were found to run on an old copy of their state, with
// the life they are in.
func (l *links) outdatedNodes() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for node, boot := range l.outdated {
		out[node] = int(boot >> 32)
	}
	return out
}

// meet seeks contact with some of the daemons at addrs, in the background. One that is
// reached tells of the others.
func (l *links) meet(addrs []string) {
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	addrs = addrs[:min(len(addrs), 3)]
	l.mu.Lock()
	m := l.members
	l.mu.Unlock()
	if m != nil {
		m.Seek(addrs)
	}
}
