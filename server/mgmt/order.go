package mgmt

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// An order changes the bricks of a volume in steps. The bricks that are to leave are held
// first: they do not run until the last step, which is one entry of the log. If this daemon
// dies in between, it lets them go when it is back; so there is either the old list of
// bricks or the new one.
type order struct {
	d     *Daemon
	v     *store.Volume // as it is now
	token string        // of Brick.Held
}

// ordersHere are the tokens of the orders that this daemon carries out.
type ordersHere struct {
	mu     sync.Mutex
	tokens map[string]bool // guarded by mu
}

// beginOrder makes an order about v; end must be called.
func (d *Daemon) beginOrder(v *store.Volume) *order {
	o := &order{d: d, v: v, token: d.uuid + "/" + newUUID()}
	d.orders.mu.Lock()
	defer d.orders.mu.Unlock()
	if d.orders.tokens == nil {
		d.orders.tokens = map[string]bool{}
	}
	d.orders.tokens[o.token] = true
	return o
}

// end lets go of the bricks that are still held.
func (o *order) end(ctx context.Context) {
	o.d.release(context.WithoutCancel(ctx), o.token)
	o.d.orders.mu.Lock()
	defer o.d.orders.mu.Unlock()
	delete(o.d.orders.tokens, o.token)
}

// commit makes after the bricks of the volume, if they are still those that the order knows.
// adjust changes the rest of the definition.
func (o *order) commit(ctx context.Context, after []store.Brick, adjust func(*store.ChangeBricks)) (uint64, error) {
	v := o.v
	c := &store.ChangeBricks{Name: v.Name, ID: v.ID, Before: v.Bricks, After: after, Replica: v.Replica, Arbiter: v.Arbiter, Graph: v.Graph}
	if adjust != nil {
		adjust(c)
	}
	index, err := o.d.commit(ctx, &store.Command{ChangeBricks: c})
	if err != nil {
		return 0, err
	}
	if o.v, err = o.d.volume(v.Name); err != nil {
		return 0, err
	}
	return index, nil
}

// hold stops bricks, and refuses if the others turn out not to have a good copy of everything now
// that nobody changes files through these any more. gone tells whether all their processes are known
// to have ended; those of nodes that are not connected may go on.
func (o *order) hold(ctx context.Context, bricks []int) (gone bool, err error) {
	after := slices.Clone(o.v.Bricks)
	var paths, nodes []string
	for _, i := range bricks {
		b := &after[i]
		if node, _, isOrder := strings.Cut(b.Held, "/"); isOrder {
			if up, _ := o.d.links.alive(node); up {
				return false, mgmt.Errorf("Another order is changing brick %s:%s; wait until it has ended", b.Host, b.Path)
			}
		}
		if b.Held != store.HeldReset {
			b.Held = o.token
		}
		paths, nodes = append(paths, b.Path), append(nodes, b.Node)
	}
	index, err := o.commit(ctx, after, nil)
	if err != nil {
		return false, err
	}
	slices.Sort(nodes)
	warning, err := o.d.settleOn(ctx, slices.Compact(nodes), &mgmt.AwaitReq{Volume: o.v.Name, Index: index, Gone: true, Paths: paths})
	if err != nil {
		return false, err
	}
	return warning == "", o.d.checkCopies(ctx, o.v, bricks)
}

// settled waits until the bricks on nodes are as the change at index says. The change is made
// whatever comes: why a brick does not run yet is a warning.
func (o *order) settled(ctx context.Context, index uint64, nodes ...string) string {
	warning, err := o.d.settleOn(ctx, nodes, &mgmt.AwaitReq{Volume: o.v.Name, Index: index})
	if err != nil {
		warning += err.Error() + "\n"
	}
	return warning
}

// release lets the bricks go that an order holds.
func (d *Daemon) release(ctx context.Context, token string) {
	for range 3 { // others may change the bricks at the same time
		v := d.holding(token)
		if v == nil {
			return
		}
		after := slices.Clone(v.Bricks)
		for i := range after {
			if after[i].Held == token {
				after[i].Held = ""
			}
		}
		o := &order{d: d, v: v}
		if _, err := o.commit(ctx, after, nil); err != nil {
			d.cfg.Log.Warn("bricks that an order has stopped are not started yet", "volume", v.Name, "error", err)
		}
	}
}

// holding returns the volume of which an order holds bricks; nil if there is none.
func (d *Daemon) holding(token string) *store.Volume {
	for _, v := range d.store.State().Volumes {
		if slices.ContainsFunc(v.Bricks, func(b store.Brick) bool { return b.Held == token }) {
			return v
		}
	}
	return nil
}

// tending is the pause between two looks at what orders have left.
const tending = time.Second

// tendOrders does finishOrders again and again until ctx ends.
func (d *Daemon) tendOrders(ctx context.Context) {
	for {
		if d.store.Leader() != "" {
			d.finishOrders(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tending):
		}
	}
}

// finishOrders ends what orders have left: bricks that an earlier run of this daemon held, and
// new bricks of this node that wait until they may join.
func (d *Daemon) finishOrders(ctx context.Context) {
	for name, v := range d.store.State().Volumes {
		for _, b := range v.Bricks {
			if b.Node == d.uuid && b.Joins && v.Status == store.Started {
				d.admitBricks(ctx, name)
			}
			if !strings.HasPrefix(b.Held, d.uuid+"/") {
				continue
			}
			d.orders.mu.Lock()
			mine := d.orders.tokens[b.Held]
			d.orders.mu.Unlock()
			if !mine {
				d.release(ctx, b.Held)
			}
		}
	}
}

// whyHeld says why a brick of this node is not to run; "": it is.
func (d *Daemon) whyHeld(v *store.Volume, id string) string {
	i := slices.IndexFunc(v.Bricks, func(b store.Brick) bool { return b.ID == id })
	switch b := &v.Bricks[i]; {
	case b.Held == store.HeldReset:
		return "stopped by volume reset-brick"
	case b.Held != "":
		return "stopped while the bricks of the volume are changed"
	case b.Joins:
		return d.joins.why(b.Path)
	}
	return ""
}
