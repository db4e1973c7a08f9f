package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// nodesOf lists the nodes that have bricks of v, this one first.
func (d *Daemon) nodesOf(v *store.Volume) []string {
	var out []string
	for _, b := range v.Bricks {
		if !slices.Contains(out, b.Node) {
			out = append(out, b.Node)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == d.uuid:
			return -1
		case b == d.uuid:
			return 1
		}
		return 0
	})
	return out
}

// everywhere does here on this node and there, through a connection, on each of the
// others of nodes, all at once, and returns the errors by node. A node that is not reached, or
// does not answer within limit, has one with mgmt.ErrConnection in its chain.
func (d *Daemon) everywhere(ctx context.Context, nodes []string, limit time.Duration, here func(context.Context) error, there func(context.Context, string, *mgmt.Client) error) map[string]error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, id := range nodes {
		wg.Go(func() {
			if id == d.uuid {
				errs[i] = here(ctx)
			} else {
				errs[i] = d.onNode(ctx, id, limit, there)
			}
		})
	}
	wg.Wait()
	out := map[string]error{}
	for i, id := range nodes {
		if errs[i] != nil {
			out[id] = errs[i]
		}
	}
	return out
}

// onNode does there on another node.
func (d *Daemon) onNode(ctx context.Context, id string, limit time.Duration, there func(context.Context, string, *mgmt.Client) error) error {
	if d.links.silent(id) {
		limit = min(limit, doubted)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := d.links.peer(ctx, id)
	if err != nil {
		d.links.noteSilent(id, true)
		return notConnected
	}
	err = there(ctx, id, c)
	if errors.Is(err, mgmt.ErrConnection) || err != nil && ctx.Err() != nil && !refusedBy(err) {
		d.links.noteSilent(id, true)
		d.links.drop(id) // frozen, perhaps; a new connection will tell
		return notConnected
	}
	d.links.noteSilent(id, false)
	return err
}

// doubted is how long a node may take that did not answer a moment ago: an order of several
// steps waits for a frozen node once.
const doubted = 200 * time.Millisecond

var notConnected = errors.Join(errors.New("not connected"), mgmt.ErrConnection)

func refusedBy(err error) bool { return mgmt.ErrorCode(err) != 0 }

// firstRefusal returns the error of the first of nodes that has one, with where it
// comes from if that is another node: format says so, one of the formats below.
func (d *Daemon) firstRefusal(nodes []string, errs map[string]error, format string) error {
	for _, id := range nodes {
		err := errs[id]
		switch {
		case err == nil:
		case id == d.uuid:
			return err
		case errors.Is(err, mgmt.ErrConnection):
			n := d.store.State().Nodes[id]
			return mgmt.Errorf("Host %s not connected", n.Name())
		default:
			n := d.store.State().Nodes[id]
			return mgmt.Errorf(format, n.Name(), err)
		}
	}
	return nil
}

// How GlusterFS says that a step failed on another node.
const (
	staging       = "Staging failed on %s. Error: %v"
	committing    = "Commit failed on %s. Error: %v"
	prevalidation = "Pre Validation failed on %s. %v"
)

// ordering is how long another node may take for a step of a change that is only
// work in its memory or a few files.
const ordering = 1500 * time.Millisecond

// prepare makes the directories of the bricks of v on their nodes. q says how; it is completed
// here. format is firstRefusal's.
func (d *Daemon) prepare(ctx context.Context, v *store.Volume, q *mgmt.PrepareReq, format string) error {
	var err error
	if q.Volume, err = json.Marshal(v); err != nil {
		return err
	}
	nodes := d.nodesOf(v)
	errs := d.everywhere(ctx, nodes, ordering,
		func(ctx context.Context) error { return d.prepareHere(ctx, v, q) },
		func(ctx context.Context, _ string, c *mgmt.Client) error { return c.Prepare(ctx, q) })
	return d.firstRefusal(nodes, errs, format)
}

// unprepare takes prepare back, also where it is not known whether it was done.
func (d *Daemon) unprepare(v *store.Volume, order string) {
	ctx, cancel := context.WithTimeout(context.Background(), ordering) // also if the caller went away
	defer cancel()
	errs := d.everywhere(ctx, d.nodesOf(v), ordering,
		func(context.Context) error { d.unprepareHere(order); return nil },
		func(ctx context.Context, _ string, c *mgmt.Client) error { return c.Unprepare(ctx, order) })
	for id, err := range errs {
		d.cfg.Log.Warn("cannot take back what was done to bricks' directories", "node", id, "volume", v.Name, "error", err)
	}
}

// checkHere refuses if a brick of v on this node cannot be its.
func (d *Daemon) checkHere(v *store.Volume) error {
	for _, spec := range d.localSpecs(v, (*store.Brick).Runs) {
		if err := checkStart(v, spec.Host, spec.Path); err != nil {
			return err
		}
	}
	return nil
}

// check refuses if a brick of v cannot be its. Nodes that are not reached have no say.
func (d *Daemon) check(ctx context.Context, v *store.Volume) error {
	nodes := d.nodesOf(v)
	q := &mgmt.AwaitReq{Volume: v.Name, Index: d.store.Index()}
	errs := d.everywhere(ctx, nodes, ordering,
		func(context.Context) error { return d.checkHere(v) },
		func(ctx context.Context, _ string, c *mgmt.Client) error { return c.CheckStart(ctx, q) })
	return d.firstRefusal(nodes, connected(errs), staging)
}

// connected drops the errors of nodes that were not reached.
func connected(errs map[string]error) map[string]error {
	out := map[string]error{}
	for id, err := range errs {
		if !errors.Is(err, mgmt.ErrConnection) {
			out[id] = err
		}
	}
	return out
}

// awaitHere waits for this node's bricks.
func (d *Daemon) awaitHere(ctx context.Context, q *mgmt.AwaitReq) error {
	v, err := d.volume(q.Volume)
	if err != nil {
		return err
	}
	d.drive() // without waiting for reconcile
	if q.Gone {
		return d.awaitGone(ctx, v, q.Paths)
	}
	if err := d.awaitAdmitted(ctx, v.Name); err != nil {
		return err
	}
	if v, err = d.volume(q.Volume); err != nil {
		return err
	}
	return d.awaitBricks(ctx, v)
}

// settle waits until the bricks of v are as the log says at index, and returns why some
// are not: a refusal, and a warning about nodes that are not connected.
func (d *Daemon) settle(ctx context.Context, v *store.Volume, index uint64, gone bool) (warning string, err error) {
	return d.settleOn(ctx, d.nodesOf(v), &mgmt.AwaitReq{Volume: v.Name, Index: index, Gone: gone})
}

// settleOn is settle on some nodes.
func (d *Daemon) settleOn(ctx context.Context, nodes []string, q *mgmt.AwaitReq) (warning string, err error) {
	errs := d.everywhere(ctx, nodes, starting,
		func(ctx context.Context) error { return d.awaitHere(ctx, q) },
		func(ctx context.Context, id string, c *mgmt.Client) error {
			return d.watched(ctx, c, func(ctx context.Context) error { return c.Await(ctx, q) })
		})
	for _, id := range nodes {
		if n := d.store.State().Nodes[id]; errors.Is(errs[id], mgmt.ErrConnection) {
			warning += n.Name() + " is not connected; its bricks follow when it is back\n"
		}
	}
	return warning, d.firstRefusal(nodes, connected(errs), committing)
}

// watched does a call that may take long, and gives it up when the other daemon no
// longer answers short ones.
func (d *Daemon) watched(ctx context.Context, c *mgmt.Client, call func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(attempt / 4):
			}
			ping, done := context.WithTimeout(ctx, attempt)
			err := c.Ping(ping)
			done()
			if err != nil && ctx.Err() == nil {
				cancel(notConnected)
				return
			}
		}
	})
	err := call(ctx)
	if errors.Is(context.Cause(ctx), mgmt.ErrConnection) {
		err = notConnected
	}
	cancel(nil)
	wg.Wait()
	return err
}

// reading is how long another node may take to say how its bricks are: a read answers at
// once, without those that do not.
const reading = 150 * time.Millisecond

// readingOf is how long nodes may take for a status: more if bricks have to look into
// their memory or at their disks for it.
func readingOf(q *mgmt.StatusReq) time.Duration {
	if q.View != "" || q.Detail {
		return askingBricks
	}
	return reading
}

// statusEverywhere gathers the states of bricks from all nodes that answer.
func (d *Daemon) statusEverywhere(ctx context.Context, q *mgmt.StatusReq, volumes []string) *mgmt.StatusReply {
	var mu sync.Mutex
	var parts []*mgmt.StatusReply
	add := func(r *mgmt.StatusReply, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			parts = append(parts, r)
		}
		return err
	}
	errs := d.everywhere(ctx, d.store.State().NodeIDs(), readingOf(q),
		func(ctx context.Context) error { return add(d.localStatus(ctx, q)) },
		func(ctx context.Context, _ string, c *mgmt.Client) error { return add(c.LocalStatus(ctx, q)) })
	r := d.merge(parts, volumes)
	r.Away = d.away(errs)
	return r
}

// away lists the nodes among errs that were not reached, with since when.
func (d *Daemon) away(errs map[string]error) (out []mgmt.Away) {
	for _, id := range slices.Sorted(maps.Keys(errs)) {
		if !errors.Is(errs[id], mgmt.ErrConnection) {
			continue
		}
		n := d.store.State().Nodes[id]
		a := mgmt.Away{Host: n.Name()}
		if up, since := d.links.alive(id); !up && !since.IsZero() {
			a.Since = since.Format(time.RFC3339)
		}
		out = append(out, a)
	}
	return out
}

// merge puts bricks of several nodes into their volumes' order.
func (d *Daemon) merge(parts []*mgmt.StatusReply, volumes []string) *mgmt.StatusReply {
	s := d.store.State()
	states := map[string]mgmt.BrickState{}
	for _, p := range parts {
		for _, v := range p.Volumes {
			for _, b := range v.Bricks {
				states[v.Name+"\x00"+b.NodeID+b.Path] = b
			}
		}
	}
	r := &mgmt.StatusReply{Volumes: []mgmt.VolumeStatus{}}
	for _, name := range volumes {
		v := s.Volumes[name]
		if v == nil {
			continue // deleted just now
		}
		if v.Status != store.Started {
			r.NotStarted = append(r.NotStarted, name)
			continue
		}
		vs := mgmt.VolumeStatus{Name: name, Bricks: []mgmt.BrickState{}}
		for _, b := range v.Bricks {
			if st, ok := states[name+"\x00"+b.Node+b.Path]; ok {
				vs.Bricks = append(vs.Bricks, st)
			}
		}
		r.Volumes = append(r.Volumes, vs)
	}
	return r
}
