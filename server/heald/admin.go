package heald

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/xlators/fop"
)

// serveAdmin answers the daemon until ctx ends.
func (d *Daemon) serveAdmin(ctx context.Context, l net.Listener) {
	mgmt.ServeAdmin(ctx, l, mgmt.AdminRoutes(d.status, d.answer, mgmt.AskHeal, mgmt.AskHealInfo, mgmt.AskHealStats, mgmt.AskHealResolve), d.cfg.Log)
}

// status is what the process says of itself, in a brick's words.
func (d *Daemon) status() *mgmt.BrickStatus {
	return &mgmt.BrickStatus{PID: os.Getpid(), Path: brickproc.HealdPath, Serving: true}
}

// answer answers one question about one brick.
func (d *Daemon) answer(ctx context.Context, method string, body json.RawMessage) (any, error) {
	var q struct {
		mgmt.HealInfoAsk
		Full bool   `json:"full"`
		How  string `json:"how"`
		File string `json:"file"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("the question cannot be read: %v", err)}
	}
	c := d.crawler(&q.HealBrick)
	if c == nil {
		return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: errNoBrick.Error()}
	}
	if up, _ := c.s.connected(c.child); !up {
		return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "Transport endpoint is not connected"}
	}
	switch method {
	case mgmt.AskHeal:
		c.poke(q.Full)
		return struct{}{}, nil
	case mgmt.AskHealStats:
		return c.stats(), nil
	case mgmt.AskHealResolve:
		return c.resolve(ctx, q.How, q.File)
	}
	return c.info(ctx, &q.HealInfoAsk)
}

// crawler returns the crawler of a brick of this node.
func (d *Daemon) crawler(q *mgmt.HealBrick) *crawler {
	for _, s := range d.setsOf(q.Volume) {
		for _, c := range s.crawlers {
			if s.bricks[c.child] == q.Brick {
				return c
			}
		}
	}
	return nil
}

func (c *crawler) stats() *mgmt.HealStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &mgmt.HealStats{Crawls: slices.Clone(c.crawls), Healed: c.healed.Load(), Written: c.written.Load()}
}

// shown is how many entries one answer lists.
const shown = 50000

// errEnough ends a listing.
var errEnough = errors.New("enough")

// info tells what is pending. Counts alone come from the brick's counter and what the last
// crawl saw; entries, and all where nobody crawls, are looked at one by one.
func (c *crawler) info(ctx context.Context, q *mgmt.HealInfoAsk) (*mgmt.HealInfo, error) {
	total, err := c.s.count(ctx, c.child)
	if err != nil {
		return nil, err
	}
	if !q.Entries && !c.s.passive {
		c.mu.Lock()
		defer c.mu.Unlock()
		split := min(len(c.splits), total)
		return &mgmt.HealInfo{Total: total, Split: split, Healing: min(len(c.busy), total-split)}, nil
	}
	r := &mgmt.HealInfo{}
	seen := map[fop.GFID]bool{} // an inode may be in more than one list
	err = c.s.engine.Pending(ctx, c.child, func(g fop.GFID) error {
		look, err := c.s.engine.Inspect(ctx, g)
		worst := look.Worst()
		if err != nil || look.Gone || worst == heal.Clean || q.Split && worst != heal.Split || seen[g] {
			return nil // healed meanwhile, or of no interest
		}
		seen[g] = true
		r.Total++
		switch worst {
		case heal.Split:
			r.Split++
		case heal.Changing:
			r.Healing++
		}
		if !q.Entries {
			return nil
		}
		r.Entries = append(r.Entries, mgmt.HealEntry{GFID: g.String(), Path: c.s.path(ctx, c.child, g), Split: worst == heal.Split, Healing: worst == heal.Changing})
		if len(r.Entries) >= shown {
			r.More = true
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return r, nil
}

// resolve ends split-brains: of one file, or of all that the index lists.
func (c *crawler) resolve(ctx context.Context, how, file string) ([]mgmt.Healed, error) {
	way := heal.Resolution{Child: c.child}
	switch how {
	case "bigger-file":
		way.How = heal.BiggerFile
	case "latest-mtime":
		way.How = heal.LatestMtime
	default:
		way.How = heal.SourceChild
	}
	if file != "" {
		g, err := c.s.find(ctx, c.child, file)
		if err == nil {
			err = c.s.engine.Resolve(ctx, g, way)
		}
		return []mgmt.Healed{healed(file, err)}, nil
	}
	out := []mgmt.Healed{}
	err := c.s.engine.Pending(ctx, c.child, func(g fop.GFID) error {
		if look, err := c.s.engine.Inspect(ctx, g); err == nil && look.Worst() == heal.Split {
			out = append(out, healed("gfid:"+g.String(), c.s.engine.Resolve(ctx, g, way)))
		}
		return ctx.Err()
	})
	return out, err
}

func healed(file string, err error) mgmt.Healed {
	h := mgmt.Healed{File: file}
	if err != nil {
		h.Error = err.Error()
	}
	return h
}
