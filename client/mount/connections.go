package mount

import (
	"context"
	"sync"
	"time"

	"github.com/gofs/gofs/xlators/xlator"
)

// connections are the bricks that one graph is connected to. All methods may be called
// concurrently.
type connections struct {
	mu      sync.Mutex
	up      map[string]bool // guarded by mu; the graph's bricks, by host:path
	changed chan struct{}   // guarded by mu; closed at the next change
}

func newConnections() *connections {
	return &connections{up: map[string]bool{}, changed: make(chan struct{})}
}

// watch makes translators with make whose connection is noted.
func (c *connections) watch(make xlator.New) xlator.New {
	return func(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
		x, err := make(env, opts, subvols)
		if err != nil {
			return nil, err
		}
		brick := opts["remote-host"] + ":" + opts["remote-subvolume"]
		c.note(brick, false)
		x.Watch(func(e xlator.Event) {
			if e.Kind == xlator.ChildUp || e.Kind == xlator.ChildDown {
				c.note(brick, e.Kind == xlator.ChildUp)
			}
		})
		return x, nil
	}
}

func (c *connections) note(brick string, up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[brick] = up
	close(c.changed)
	c.changed = make(chan struct{})
}

// missing tells whether c lacks a brick that old has and that is in both graphs, and returns
// a channel that is closed when that may have changed.
func (c *connections) missing(old *connections) (bool, <-chan struct{}) {
	old.mu.Lock()
	var want []string
	for brick, up := range old.up {
		if up {
			want = append(want, brick)
		}
	}
	old.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, brick := range want {
		if up, here := c.up[brick]; here && !up {
			return true, c.changed
		}
	}
	return false, c.changed
}

// catchingUp is how long a new graph may take to be connected to what the present one is
// connected to, beyond what it needs to answer at all.
const catchingUp = 5 * time.Second

// catchUp waits until c has the bricks that old has: a change that a graph makes while it
// lacks one is a change that this brick misses, and is blamed for.
func (c *connections) catchUp(ctx context.Context, old *connections) {
	ctx, cancel := context.WithTimeout(ctx, catchingUp)
	defer cancel()
	for {
		missing, changed := c.missing(old)
		if !missing {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
