package mgmt

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// stateVersion is the version of the log's commands. Daemons of one pool have the same.
const stateVersion = 2

// Node implements mgmt.Service.
func (d *Daemon) Node(context.Context) (*mgmt.Node, error) {
	return &mgmt.Node{UUID: d.uuid, Host: d.cfg.Address, Version: d.cfg.Version}, nil
}

// Pool implements mgmt.Service. The daemon's own node is the last.
func (d *Daemon) Pool(context.Context) ([]mgmt.Peer, error) {
	s := d.store.State()
	raft, leader := d.store.Members(), d.store.Leader()
	var out []mgmt.Peer
	for _, id := range s.NodeIDs() {
		n := s.Nodes[id]
		p := mgmt.Peer{UUID: id, Host: n.Name(), Self: id == d.uuid, State: "Peer in Cluster", Voter: raft[id].Voter, Leader: id == leader, Version: n.Version}
		if len(n.Hosts) > 1 {
			p.Others = n.Hosts[1:]
		}
		var since time.Time
		if p.Connected, since = d.links.alive(id); !since.IsZero() {
			p.Since = since.Format(time.RFC3339)
		}
		if _, in := raft[id]; !in && len(raft) > 0 {
			p.State = "Probe Sent to Peer"
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b mgmt.Peer) int {
		switch {
		case a.Self == b.Self:
			return strings.Compare(a.Host, b.Host)
		case a.Self:
			return 1
		}
		return -1
	})
	return out, nil
}

// Greeting implements mgmt.Service.
func (d *Daemon) Greeting(_ context.Context, from net.Addr) (*mgmt.Greeting, error) {
	s := d.store.State()
	g := &mgmt.Greeting{UUID: d.uuid, Version: d.cfg.Version, State: stateVersion, Pool: d.pool.now().Pool, Nodes: len(s.Nodes), Volumes: len(s.Volumes)}
	if tcp, ok := from.(*net.TCPAddr); ok {
		g.YourAddr = tcp.IP.String()
	}
	return g, nil
}

// localhost answers a probe of the node itself.
var localhost = mgmt.ProbeReply{Code: 1, Message: "Probe on localhost not needed"}

// unreachable is what a probe of nobody returns, in GlusterFS's words.
var unreachable = mgmt.Error{Code: mgmt.CodeOffline, Message: "Probe returned with Transport endpoint is not connected"}

// Probe implements mgmt.Service: it takes the daemon at host into the pool. If this node
// was alone, the pool begins with it.
func (d *Daemon) Probe(ctx context.Context, host string) (*mgmt.ProbeReply, error) {
	if !d.probing.TryLock() {
		return nil, mgmt.Errorf("this node is being probed or is probing another; try again")
	}
	defer d.probing.Unlock()
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	if host == "localhost" || d.isMe(ctx, host) {
		return &localhost, nil
	}
	target, nc, err := d.greet(ctx, host)
	if err != nil {
		d.cfg.Log.Info("a probe failed", "host", host, "error", err)
		return nil, &unreachable
	}
	defer target.Close()
	g, err := target.Greeting(ctx)
	switch {
	case err != nil:
		d.cfg.Log.Info("a probe failed", "host", host, "error", err)
		return nil, &unreachable
	case g.UUID == d.uuid:
		return &localhost, nil
	case g.State != stateVersion:
		return nil, mgmt.Errorf("%s runs gofs %s, whose pools speak version %d; this node's speaks %d. Install the same version on both", host, g.Version, g.State, stateVersion)
	}
	n, known := d.store.State().Nodes[g.UUID]
	if known && g.Pool == d.pool.now().Pool {
		return d.name(ctx, &n, host)
	}
	if !g.Fresh() {
		return nil, mgmt.Errorf("%s is either already part of another cluster or having volumes configured", host)
	}
	if !known {
		if other, ok := d.store.State().NodeCalled(host); ok {
			return nil, mgmt.Errorf("%s is the name of node %s of this pool, but the daemon there is now %s: it has lost its state. Write UUID=%s into its gofsd.info, restart it, and probe it again", host, other.UUID, g.UUID, other.UUID)
		}
		n = store.Node{UUID: g.UUID}
	}
	n.Hosts, n.Version = names(ctx, host, n.Hosts), g.Version
	n.Addr = net.JoinHostPort(addrOf(nc.RemoteAddr()), strconv.Itoa(d.cfg.Port))
	if err := d.foundPool(ctx, nc.LocalAddr()); err != nil {
		return nil, err
	}
	return &mgmt.ProbeReply{}, d.take(ctx, target, &n, known)
}

// greet connects to the daemon at host.
func (d *Daemon) greet(ctx context.Context, host string) (*mgmt.Client, net.Conn, error) {
	nc, err := d.dial(ctx, net.JoinHostPort(host, strconv.Itoa(d.cfg.Port)))
	if err != nil {
		return nil, nil, err
	}
	c, err := mgmt.NewClient(nc)
	return c, nc, err
}

// take takes a daemon that is alone into the pool, in which its node is a new one, or
// one that has lost its log.
func (d *Daemon) take(ctx context.Context, target *mgmt.Client, n *store.Node, known bool) error {
	c := &store.Command{AddNode: n}
	if known {
		n.Life++
		c = &store.Command{SetNode: n}
	}
	index, err := d.commit(ctx, c)
	if err != nil {
		return err
	}
	*n = d.store.State().Nodes[n.UUID]
	if err = d.awaitExpelled(ctx, n); err == nil {
		err = target.Join(ctx, d.invitation(n))
	}
	if err != nil {
		if !known {
			if _, back := d.commit(ctx, &store.Command{RemoveNode: &store.RemoveNode{UUID: n.UUID, Name: n.Name()}}); back != nil {
				d.cfg.Log.Warn("cannot take back a probe", "node", n.Name(), "error", back)
			}
		}
		return err
	}
	return d.awaitJoined(ctx, n, index)
}

// awaitExpelled waits until Raft no longer counts on a log that node n has lost: with an
// empty one it must not vote.
func (d *Daemon) awaitExpelled(ctx context.Context, n *store.Node) error {
	return until(ctx, patience, func() error {
		if m, ok := d.store.Members()[n.UUID]; ok && m.Life != n.Life {
			return mgmt.Errorf("%s could not be taken in anew: the pool's leader does not let go of its lost log", n.Name())
		}
		return nil
	})
}

// awaitJoined waits until the new node has the pool's configuration.
func (d *Daemon) awaitJoined(ctx context.Context, n *store.Node, index uint64) error {
	return until(ctx, 2*patience, func() error {
		d.poke()
		peer, err := d.links.peer(ctx, n.UUID)
		if err == nil {
			err = peer.Await(ctx, &mgmt.AwaitReq{Index: index})
		}
		if err != nil {
			return mgmt.Errorf("%s was taken into the pool, but does not follow it yet: %v", n.Name(), err)
		}
		return nil
	})
}

// until tries again until ok returns nil or the time is over, and returns its last error.
func until(ctx context.Context, limit time.Duration, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retrying):
		}
	}
}

// invitation is what node n is sent to join with.
func (d *Daemon) invitation(n *store.Node) *mgmt.JoinReq {
	p := d.pool.now()
	q := &mgmt.JoinReq{Pool: p.Pool, Key: p.Key, Life: n.Life, Hosts: n.Hosts, Addr: n.Addr}
	for _, o := range d.store.State().Nodes {
		if o.UUID != n.UUID && o.Addr != "" {
			q.Seeds = append(q.Seeds, o.Addr)
		}
	}
	return q
}

// name adds a name to a node that is known. It is no error if it has it.
func (d *Daemon) name(ctx context.Context, n *store.Node, host string) (*mgmt.ProbeReply, error) {
	if slices.Contains(n.Hosts, host) {
		return &mgmt.ProbeReply{Code: 2, Message: fmt.Sprintf("Host %s port %d already in peer list", host, d.cfg.Port)}, nil
	}
	// A name is a better thing to be called by than an address that was found out.
	n.Hosts = slices.Clone(n.Hosts)
	if _, err := netip.ParseAddr(host); err != nil && len(n.Hosts) > 0 && isAddress(n.Hosts[0]) {
		n.Hosts = slices.Insert(n.Hosts, 0, host)
	} else {
		n.Hosts = append(n.Hosts, host)
	}
	_, err := d.commit(ctx, &store.Command{SetNode: n})
	return &mgmt.ProbeReply{}, err
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// foundPool makes the pool if this node is alone, and this node one that others can call,
// by the address it has in a connection to one of them.
func (d *Daemon) foundPool(ctx context.Context, local net.Addr) error {
	if d.pool.joined() {
		return nil
	}
	if err := d.pool.found(); err != nil {
		return fmt.Errorf("cannot write this node's part of the pool: %w", err)
	}
	self := d.self()
	ip := addrOf(local)
	self.Addr = net.JoinHostPort(ip, strconv.Itoa(d.cfg.Port))
	if len(self.Hosts) == 0 || slices.Equal(self.Hosts, []string{ip}) {
		self.Hosts = names(ctx, ip, nil)
	}
	if err := d.store.Widen(ctx); err != nil {
		return err
	}
	if _, err := d.commit(ctx, &store.Command{SetNode: &self}); err != nil {
		return err
	}
	return d.links.gossip(self.Addr)
}

// self is this node's record.
func (d *Daemon) self() store.Node {
	n := d.store.State().Nodes[d.uuid]
	n.UUID, n.Version = d.uuid, d.cfg.Version
	return n
}

func addrOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("").String()
	}
	return ""
}

// names is what a node is called that is reached as host: the name that its address has,
// if it means the same address, and host.
func names(ctx context.Context, host string, known []string) []string {
	out := slices.Clone(known)
	ip, err := netip.ParseAddr(host)
	if err == nil && !ip.IsLoopback() {
		if name := nameOf(ctx, ip); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if !slices.Contains(out, host) {
		out = append(out, host)
	}
	return out
}

// nameOf returns the name of an address, "" if it has none that leads back to it. It does
// not wait long for the name service.
func nameOf(ctx context.Context, ip netip.Addr) string {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	list, err := net.DefaultResolver.LookupAddr(ctx, ip.String())
	if err != nil {
		return ""
	}
	for _, name := range list {
		back, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if err == nil && slices.ContainsFunc(back, func(a netip.Addr) bool { return a.Unmap() == ip.Unmap() }) {
			return strings.TrimSuffix(name, ".")
		}
	}
	return ""
}

// isMe tells whether host names this daemon.
func (d *Daemon) isMe(ctx context.Context, host string) bool {
	self := d.self()
	if host == d.cfg.Address || slices.Contains(self.Hosts, host) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		if d.cfg.Address != "" {
			own, err := netip.ParseAddr(d.cfg.Address)
			return err == nil && own.Unmap() == a.Unmap()
		}
		return isLocal(a)
	})
}

// Detach implements mgmt.Service.
func (d *Daemon) Detach(ctx context.Context, q *mgmt.DetachReq) error {
	if err := d.catchUp(ctx); err != nil {
		return err
	}
	s := d.store.State()
	n, ok := s.NodeCalled(q.Host)
	if !ok && d.isMe(ctx, q.Host) || ok && n.UUID == d.uuid || q.Host == "localhost" {
		return mgmt.Errorf("%s is localhost", q.Host)
	}
	if !ok {
		if n, ok = d.nodeAt(ctx, q.Host); !ok {
			return mgmt.Errorf("%s is not part of cluster", q.Host)
		}
	}
	if len(s.BricksOn(n.UUID)) > 0 {
		return &mgmt.Error{Code: mgmt.CodeHasBricks, Message: store.HostsBricks(q.Host).Error()}
	}
	if !q.Force {
		for id := range s.Nodes {
			if up, _ := d.links.alive(id); !up && id != n.UUID {
				return mgmt.Errorf("One of the peers is probably down. Check with 'peer status'")
			}
		}
	}
	if _, err := d.commit(ctx, &store.Command{RemoveNode: &store.RemoveNode{UUID: n.UUID, Name: q.Host}}); err != nil {
		return err
	}
	d.tellDetached(ctx, &n)
	return nil
}

// nodeAt returns the node whose address host means.
func (d *Daemon) nodeAt(ctx context.Context, host string) (store.Node, bool) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return store.Node{}, false
	}
	for _, n := range d.store.State().Nodes {
		at, err := netip.ParseAddrPort(n.Addr)
		if err == nil && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == at.Addr().Unmap() }) {
			return n, true
		}
	}
	return store.Node{}, false
}

// tellDetached tells a node that it is alone now. One that is not reached finds out from
// the first member of the pool that it meets.
func (d *Daemon) tellDetached(ctx context.Context, n *store.Node) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	d.links.drop(n.UUID)
	nc, err := d.links.openAt(ctx, n, mgmt.KindPeer)
	if err != nil {
		d.cfg.Log.Info("a detached node was not reached", "node", n.Name(), "error", err)
		return
	}
	c := mgmt.NewPeer(nc)
	defer c.Close()
	if err := c.Detached(ctx); err != nil {
		d.cfg.Log.Info("a detached node did not answer", "node", n.Name(), "error", err)
	}
}
