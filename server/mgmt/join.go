package mgmt

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// Join implements mgmt.Service: this node, which is alone and has nothing, becomes one of
// the pool that asks.
func (d *Daemon) Join(_ context.Context, q *mgmt.JoinReq) error {
	if !d.probing.TryLock() {
		return mgmt.Errorf("that node is probing another or being probed; try again")
	}
	defer d.probing.Unlock()
	if !d.changing.TryLock() {
		return mgmt.Errorf("that node is busy with another change; try again")
	}
	defer d.changing.Unlock()
	if s := d.store.State(); len(s.Nodes) > 1 || len(s.Volumes) > 0 {
		return mgmt.Errorf("that node is either already part of another cluster or having volumes configured")
	}
	return d.enter(q)
}

// enter sets this node's log aside and waits for the pool's.
func (d *Daemon) enter(q *mgmt.JoinReq) error {
	d.links.forget()
	if err := d.pool.enter(q); err != nil {
		return err
	}
	if err := d.store.Join(); err != nil {
		return fmt.Errorf("cannot begin the pool's log: %w", err)
	}
	d.cfg.Log.Info("this node joins a pool", "pool", q.Pool, "as", q.Hosts)
	return d.links.gossip(q.Addr)
}

// Recover implements mgmt.Service. The nodes that are gone stay in the configuration until
// they are detached; should one of them come back, its log counts for nothing.
func (d *Daemon) Recover(ctx context.Context) error {
	if d.store.Leader() != "" {
		return mgmt.Errorf("the pool has a leader: nothing is to be recovered")
	}
	if !d.pool.joined() {
		return mgmt.Errorf("this node has no peers: nothing is to be recovered")
	}
	d.cfg.Log.Warn("recovering the pool: this node decides alone from now on")
	if err := d.store.Recover(ctx); err != nil {
		return err
	}
	for _, n := range d.store.State().Nodes {
		if n.UUID == d.uuid {
			continue
		}
		n.Life++
		if _, err := d.commit(ctx, &store.Command{SetNode: &n}); err != nil {
			return err
		}
	}
	return nil
}

// leave makes this node alone.
func (d *Daemon) leave(ctx context.Context, why string) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.cfg.Log.Warn("this node is alone from now on", "reason", why)
	d.links.forget()
	if err := d.pool.leave(); err != nil {
		return err
	}
	if err := d.store.Leave(ctx); err != nil {
		return err
	}
	return d.announce(ctx)
}

// announce records this node's name and address if they are new.
func (d *Daemon) announce(ctx context.Context) error {
	n := d.self()
	if len(n.Hosts) == 0 && d.cfg.Address != "" {
		n.Hosts = []string{d.cfg.Address}
	}
	if d.pool.joined() {
		addr, err := d.ownAddr()
		if err != nil {
			return err
		}
		n.Addr = addr
	}
	if old, ok := d.store.State().Nodes[d.uuid]; ok && len(old.Hosts) == len(n.Hosts) && old.Version == n.Version && old.Addr == n.Addr {
		return nil
	}
	_, err := d.commit(ctx, &store.Command{SetNode: &n})
	return err
}

// peerService is the Daemon as the other daemons of its pool see it.
type peerService struct{ d *Daemon }

var _ mgmt.PeerService = peerService{}

func (p peerService) Commit(_ context.Context, command json.RawMessage) (*mgmt.CommitReply, error) {
	c := new(store.Command)
	if err := json.Unmarshal(command, c); err != nil {
		return nil, mgmt.Errorf("the command cannot be read: %v", err)
	}
	return p.d.append(c), nil
}

func (p peerService) Index(context.Context) (uint64, error) { return p.d.store.Sync() }

func (p peerService) Prepare(ctx context.Context, q *mgmt.PrepareReq) error {
	v := new(store.Volume)
	if err := json.Unmarshal(q.Volume, v); err != nil {
		return mgmt.Errorf("the volume cannot be read: %v", err)
	}
	return p.d.prepareHere(ctx, v, q)
}

func (p peerService) Unprepare(_ context.Context, order string) error {
	p.d.unprepareHere(order)
	return nil
}

func (p peerService) CheckStart(ctx context.Context, q *mgmt.AwaitReq) error {
	if err := p.d.store.Await(ctx, q.Index); err != nil {
		return err
	}
	v, err := p.d.volume(q.Volume)
	if err != nil {
		return err
	}
	return p.d.checkHere(v)
}

func (p peerService) Await(ctx context.Context, q *mgmt.AwaitReq) error {
	if err := p.d.store.Await(ctx, q.Index); err != nil || q.Volume == "" {
		return err
	}
	return p.d.awaitHere(ctx, q)
}

func (p peerService) LocalStatus(ctx context.Context, q *mgmt.StatusReq) (*mgmt.StatusReply, error) {
	return p.d.localStatus(ctx, q)
}

func (p peerService) HealerState(ctx context.Context) (*mgmt.ProcessState, error) {
	return p.d.healerHere(ctx), nil
}

func (p peerService) Detached(ctx context.Context) error {
	p.d.links.noteExpelled()
	p.d.poke()
	return nil
}

func (p peerService) Readmit(_ context.Context, q *mgmt.JoinReq) error {
	p.d.changing.Lock()
	defer p.d.changing.Unlock()
	now := p.d.pool.now()
	if q.Pool != now.Pool || q.Life <= now.Life {
		return mgmt.Errorf("this node is not to be taken in anew")
	}
	p.d.cfg.Log.Warn("this node ran on an old copy of its state; it begins anew with the pool's. The old one is in raft.db.old")
	return p.d.enter(q)
}

// govern is this node's part in keeping the pool together, until ctx ends: it looks for
// peers that are not connected, and brings Raft's membership, if it leads, and its own towards what the
// configuration says.
func (d *Daemon) govern(ctx context.Context) {
	start := time.Now()
	d.quorum.met.Store(&start)
	lastSeen := map[string]time.Time{} // when each peer was last alive, or first missed
	for {
		if d.pool.joined() {
			d.governOnce(ctx, lastSeen)
		}
		d.judgeQuorum()
		select {
		case <-ctx.Done():
			return
		case <-d.poked:
		case <-time.After(time.Second):
		}
	}
}

// lostAfter is how long a voter may be away before another takes its place.
const lostAfter = time.Minute

func (d *Daemon) governOnce(ctx context.Context, lastSeen map[string]time.Time) {
	if d.links.takeExpelled() {
		if err := d.leave(ctx, "it was detached from its pool"); err != nil {
			d.cfg.Log.Error("cannot leave the pool", "error", err)
		}
		return
	}
	d.meetPeers(ctx, lastSeen)
	alive := func(id string) bool { up, _ := d.links.alive(id); return up }
	lost := func(id string) bool { return time.Since(lastSeen[id]) > lostAfter }
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = d.store.Govern(alive, lost); err != nil {
			d.cfg.Log.Warn("cannot change who decides in the pool", "error", err)
			return
		}
	}
	if d.store.Leads() {
		d.readmit(ctx)
	}
	if d.store.Leader() != "" {
		if err := d.announce(ctx); err != nil {
			d.cfg.Log.Warn("cannot tell the pool this node's address", "error", err)
		}
	}
}

// meetPeers seeks contact with the peers that are not alive. It also keeps their addresses
// for the next start.
func (d *Daemon) meetPeers(ctx context.Context, lastSeen map[string]time.Time) {
	s := d.store.State()
	var known, missing []string
	for id, n := range s.Nodes {
		if id == d.uuid {
			continue
		}
		up, _ := d.links.alive(id)
		if _, met := lastSeen[id]; up || !met {
			lastSeen[id] = time.Now()
		}
		if n.Addr != "" {
			known = append(known, n.Addr)
		}
		if !up {
			missing = append(missing, d.links.where(id)...)
		}
	}
	if len(known) == 0 { // not told yet
		missing = d.pool.now().Seeds
	} else if err := d.pool.setSeeds(slices.Sorted(slices.Values(known))); err != nil {
		d.cfg.Log.Warn("cannot keep the peers' addresses", "error", err)
	}
	if len(missing) > 0 {
		d.links.meet(missing)
	}
}

// readmit takes in anew those nodes that were found to run on an old copy of their state:
// their log must count no more before they get a new one. This node leads.
func (d *Daemon) readmit(ctx context.Context) {
	for id, life := range d.links.outdatedNodes() {
		n, ok := d.store.State().Nodes[id]
		if !ok {
			continue
		}
		if err := d.readmitNode(ctx, n, life); err != nil {
			d.cfg.Log.Warn("a node runs on an old copy of its state and cannot be taken in anew yet", "node", n.Name(), "error", err)
		}
	}
}

// readmitNode takes the next step: a new life in the configuration, by which the next
// round of govern expels the old one, and when that is done the invitation.
func (d *Daemon) readmitNode(ctx context.Context, n store.Node, life int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if life >= n.Life {
		n.Life = life + 1
		_, err := d.commit(ctx, &store.Command{SetNode: &n})
		d.poke()
		return err
	}
	if m, in := d.store.Members()[n.UUID]; in && m.Life != n.Life {
		d.poke()
		return nil
	}
	nc, err := d.links.open(ctx, mgmt.KindPeer, n.UUID, anybody)
	if err != nil {
		return err
	}
	c := mgmt.NewPeer(nc)
	defer c.Close()
	return c.Readmit(ctx, d.invitation(&n))
}
