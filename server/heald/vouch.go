package heald

import (
	"context"
	"maps"
	"time"

	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A brick whose machine lost power lets nobody in but who comes to vouch for it (heal.Vouch).
// Until then the connections with which sets heal, on this node and on others, are refused like
// any client's: a suspect brick is away for them, and is never taken for a source. So what
// vouches has connections of its own, and only while the brick of this node is away; the brick
// itself, not the healer, is who knows when that is over.

// vouchEvery is how often a brick that is away is asked whether it is suspect, and how often
// vouching is tried again while another brick of the set is away too.
const vouchEvery = 50 * time.Millisecond

// vouchLimit bounds one attempt: a brick waits no longer until it lets clients in by itself.
const vouchLimit = 30 * time.Second

// visitors are how a set comes to bricks that may be suspect.
type visitors struct {
	// dial makes the connection to child i.
	dial func(i int) (xlator.Xlator, error)
	// engine vouches over connections to all children.
	engine func(children []xlator.Xlator) (Engine, error)
}

// newVisitors are those of the set of stanza n, whose children have these options.
func newVisitors(cfg *Config, n *volfile.Node, children []xlator.Options) visitors {
	log := cfg.Log.With("set", n.Name, "for", "vouching")
	return visitors{
		dial: func(i int) (xlator.Xlator, error) {
			opts := maps.Clone(children[i])
			opts["vouches"] = "on"
			return cfg.Client(xlator.Env{Name: clientName(n.Subvolumes[i]), Log: log.With("subvol", n.Subvolumes[i])}, opts, nil)
		},
		engine: func(children []xlator.Xlator) (Engine, error) { return cfg.Engine(n, children, log) },
	}
}

// watchBrick vouches for the crawler's brick whenever it comes back suspect, until ctx ends. It
// is not done between crawls: one that is under way may take long.
func (c *crawler) watchBrick(ctx context.Context) {
	look := time.NewTicker(looking)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if up, _ := c.s.connected(c.child); up {
			continue
		}
		if err := c.awaitBrick(ctx); err != nil {
			c.s.log.Error("cannot see whether the brick lost power", "brick", c.s.bricks[c.child], "error", err)
		}
	}
}

// awaitBrick waits until the crawler's brick is connected, and vouches for it if it is suspect
// meanwhile. It returns also when ctx ends.
func (c *crawler) awaitBrick(ctx context.Context) error {
	if !c.away(ctx) {
		return nil
	}
	own, err := c.s.visitors.dial(c.child)
	if err != nil {
		return err
	}
	defer own.Close()
	for c.away(ctx) {
		if isSuspect(ctx, own) {
			if err := c.vouch(ctx, own); err != nil {
				return err
			}
		}
	}
	return nil
}

// away waits a little, and tells whether the brick is still not connected.
func (c *crawler) away(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(vouchEvery):
	}
	up, _ := c.s.connected(c.child)
	return !up
}

// isSuspect asks a brick; false: it is not, or does not answer.
func isSuspect(ctx context.Context, brick xlator.Xlator) bool {
	r, err := brick.Getxattr(ctx, &fop.GetxattrReq{Req: asHealer, GFID: fop.RootGFID, Name: fop.SuspectXattr, Internal: true})
	return err == nil && len(r.Xattrs) == 1 && string(r.Xattrs[0].Value) == "1"
}

// vouch vouches for the crawler's brick, which own leads to, until that is done, the brick has
// let the set in, or ctx ends. All bricks of the set are needed, and waited for.
func (c *crawler) vouch(ctx context.Context, own xlator.Xlator) error {
	log, began := c.s.log.With("brick", c.s.bricks[c.child]), time.Now()
	log.Info("the brick's machine lost power; the other bricks are told to blame it for what it may have forgotten")
	all := make([]xlator.Xlator, len(c.s.children))
	for i := range all {
		if i == c.child {
			all[i] = own
			continue
		}
		x, err := c.s.visitors.dial(i)
		if err != nil {
			return err
		}
		defer x.Close()
		all[i] = x
	}
	e, err := c.s.visitors.engine(all)
	if err != nil {
		return err
	}
	said := ""
	for {
		err := vouchOnce(ctx, e, c.child)
		if err == nil {
			log.Info("the brick is vouched for: clients may come", "took", time.Since(began))
			return nil
		}
		if ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			log.Info("the brick is not vouched for yet", "reason", said)
		}
		if !c.away(ctx) {
			return nil
		}
	}
}

func vouchOnce(ctx context.Context, e Engine, child int) error {
	ctx, cancel := context.WithTimeout(ctx, vouchLimit)
	defer cancel()
	_, err := e.Vouch(ctx, child)
	return err
}
