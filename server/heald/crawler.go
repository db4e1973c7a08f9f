package heald

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// defaultWorkers is how many inodes a crawler heals at once.
	defaultWorkers = 4
	// looking is how often a brick's count of pending inodes is read.
	looking = time.Second
	// leastRest and mostRest bound the pause after a crawl that could not heal everything.
	leastRest, mostRest = time.Second, time.Minute
	// keptCrawls is how many crawls are remembered.
	keptCrawls = 50
	// followed is into how many directories at once healing follows the one that has them;
	// the index lists the others.
	followed = 256
	// keptSplits is how many inodes in split-brain are remembered by name.
	keptSplits = 10000
)

// A crawler heals what the index of one brick of this node lists.
type crawler struct {
	s       *set
	child   int
	every   time.Duration // index crawls without a reason
	workers int
	kick    chan struct{} // has room for one token

	healed, written atomic.Int64 // since the start: inodes, bytes

	mu     sync.Mutex
	full   bool              // guarded by mu; the next crawl is of all names
	crawls []mgmt.Crawl      // guarded by mu; the last ones, oldest first; the last may be running
	busy   map[fop.GFID]bool // guarded by mu; being healed now
	splits map[fop.GFID]bool // guarded by mu; found in split-brain by the last crawl
}

func newCrawler(s *set, child int) *crawler {
	return &crawler{s: s, child: child, kick: make(chan struct{}, 1), busy: map[fop.GFID]bool{}, splits: map[fop.GFID]bool{}}
}

// poke has the crawler look at once; full: at all names.
func (c *crawler) poke(full bool) {
	c.mu.Lock()
	c.full = c.full || full
	c.mu.Unlock()
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// run crawls until ctx ends.
func (c *crawler) run(ctx context.Context) {
	look := time.NewTicker(looking)
	defer look.Stop()
	always := time.NewTicker(c.every)
	defer always.Stop()
	rest, notBefore := leastRest, time.Now()
	owed := false // what is only dirty is not counted as pending, and may have been in use
	for {
		forced := owed
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
			forced = true
		case <-always.C:
			forced = true
		case <-look.C:
			if time.Now().Before(notBefore) {
				continue
			}
		}
		if up, all := c.s.connected(c.child); !up || all < 2 {
			continue
		}
		if !forced {
			if n, err := c.s.count(ctx, c.child); err != nil || n == 0 {
				continue
			}
		}
		crawl, left := c.crawl(ctx)
		owed = left > 0
		switch {
		case crawl.Healed > 0: // which may have been what others waited for
			rest = leastRest
			c.poke(false)
		case left+crawl.Failed+crawl.SplitBrain > 0:
			rest = min(2*rest, mostRest)
		}
		notBefore = time.Now().Add(rest)
	}
}

// crawl heals what the index lists now, or everything if that was asked for. left is how many
// inodes were in use or could not be healed wholly.
func (c *crawler) crawl(ctx context.Context) (done mgmt.Crawl, left int) {
	c.mu.Lock()
	full := c.full
	c.full = false
	r := mgmt.Crawl{Type: "INDEX", Start: time.Now()}
	if full {
		r.Type = "FULL"
	}
	c.crawls = append(c.crawls, r)
	if len(c.crawls) > keptCrawls {
		c.crawls = c.crawls[1:]
	}
	c.mu.Unlock()
	t := &tally{splits: map[fop.GFID]bool{}}
	var err error
	if full {
		err = c.walk(ctx, t)
	} else {
		err = c.each(ctx, t, false, func(yield func(fop.GFID) error) error { return c.s.engine.Pending(ctx, c.child, yield) })
	}
	if err != nil && ctx.Err() == nil {
		c.s.log.Warn("a crawl ended early", "brick", c.s.bricks[c.child], "error", err)
	}
	r.End, r.Healed, r.SplitBrain, r.Failed = time.Now(), t.healed, t.split, t.failed
	if r.Healed+r.SplitBrain+r.Failed > 0 {
		c.s.log.Info("crawled", "brick", c.s.bricks[c.child], "type", r.Type, "healed", r.Healed, "split-brain", r.SplitBrain, "failed", r.Failed, "took", r.End.Sub(r.Start))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crawls[len(c.crawls)-1] = r
	c.splits = t.splits
	return r, t.left
}

// A tally counts what a crawl did. Its mutex guards the rest.
type tally struct {
	mu                          sync.Mutex
	healed, split, failed, left int
	splits                      map[fop.GFID]bool
}

// each heals the inodes that list yields, several at once, and what is in directories that
// were made.
func (c *crawler) each(ctx context.Context, t *tally, full bool, list func(func(fop.GFID) error) error) error {
	room := make(chan struct{}, c.workers)
	var wg sync.WaitGroup
	var heal func(g fop.GFID)
	heal = func(g fop.GFID) {
		room <- struct{}{}
		made := c.heal(ctx, t, g, full)
		<-room
		for _, g := range made[:min(len(made), followed)] {
			wg.Go(func() { heal(g) })
		}
	}
	work := make(chan fop.GFID)
	for range c.workers {
		wg.Go(func() {
			for g := range work {
				heal(g)
			}
		})
	}
	err := list(func(g fop.GFID) error {
		select {
		case work <- g:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(work)
	wg.Wait()
	return err
}

// heal heals one inode and counts what came of it; full: also if no mark asks for it. made
// are directories that healing goes on in. What another crawler of the set is healing is
// left to it.
func (c *crawler) heal(ctx context.Context, t *tally, g fop.GFID, full bool) (made []fop.GFID) {
	if !c.s.settled(ctx) || !c.s.claim(g) {
		return nil
	}
	c.mu.Lock()
	c.busy[g] = true
	c.mu.Unlock()
	if err := c.s.forgetGone(ctx, c.child, g); err != nil && ctx.Err() == nil {
		c.s.log.Info("marks against bricks that are gone stay", "gfid", g, "error", err)
	}
	do := c.s.engine.Inode
	if full {
		do = c.s.engine.Compare
	}
	r, err := do(ctx, g)
	c.s.unclaim(g)
	c.mu.Lock()
	delete(c.busy, g)
	c.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	c.count(t, g, r, err)
	if full { // the walk comes to them
		return nil
	}
	return r.Made
}

// count counts what came of healing an inode.
func (c *crawler) count(t *tally, g fop.GFID, r heal.Outcome, err error) {
	c.written.Add(r.BytesWritten)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case r.Kind == heal.SplitBrain:
		t.split++
		if len(t.splits) < keptSplits {
			t.splits[g] = true
		}
	case err != nil || r.Kind == heal.Failed:
		t.failed++
		c.s.log.Info("an inode was not healed", "gfid", g, "why", r.Why, "error", err)
	case r.Kind == heal.Healed:
		t.healed++
		c.healed.Add(1)
	case r.Kind == heal.Partly || r.Kind == heal.Busy:
		t.left++
	}
}

// portion is how many bytes of entries are read from a directory at once.
const portion = 64 << 10

// walk heals every name below the root, directories before what is in them.
func (c *crawler) walk(ctx context.Context, t *tally) error {
	c.heal(ctx, t, fop.RootGFID, true)
	level := []fop.GFID{fop.RootGFID}
	for len(level) > 0 {
		var next []fop.GFID
		err := c.each(ctx, t, true, func(yield func(fop.GFID) error) error {
			for _, dir := range level {
				if err := c.entries(ctx, dir, func(g fop.GFID, isDir bool) error {
					if isDir {
						next = append(next, g)
					}
					return yield(g)
				}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// entries yields the inodes that a directory names on the brick.
func (c *crawler) entries(ctx context.Context, dir fop.GFID, yield func(g fop.GFID, isDir bool) error) error {
	r, err := c.s.children[c.child].Opendir(ctx, &fop.OpendirReq{Req: asHealer, GFID: dir})
	if fop.IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Dir.Close()
	return xlator.ListAll(ctx, r.Dir, fop.ReaddirpReq{Req: asHealer, Size: portion}, func(es []fop.Dirent) error {
		for i := range es {
			if es[i].Iatt.GFID.IsZero() { // the brick is sick under this name; its directory's healing tells
				continue
			}
			if err := yield(es[i].Iatt.GFID, es[i].Iatt.Type == fop.TypeDir); err != nil {
				return err
			}
		}
		return nil
	})
}

// errNoBrick is told about a brick that is not one of this node's.
var errNoBrick = errors.New("the brick is not on this node")
