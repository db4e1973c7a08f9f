package sim

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// healing heals while clients work and things go wrong, until stop is closed.
func (s *sim) healing(h *heal.Healer, stop <-chan struct{}, rng *rand.Rand) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(int(2 * time.Second)))):
		}
		for _, g := range s.pending(h) {
			o, err := h.Inode(ctx, g)
			s.logf("meanwhile healing %s: %v %+v", short(g), err, o)
		}
	}
}

// shortFile is the size of a file up to which healing does not ask which bytes were missed.
const shortFile = 8

// healer connects a healer to all bricks.
func (s *sim) healer(id uint64) *heal.Healer {
	cfg := heal.Config{Name: "v-replicate-0", Arbiter: -1, Short: shortFile, Log: s.logger("healer"), Quorum: changelog.Quorum{N: len(s.bricks)}}
	if len(s.bricks) > 2 {
		cfg.Quorum.Type = changelog.QuorumAuto
	}
	if s.conf.arbiter {
		cfg.Arbiter = len(s.bricks) - 1
	}
	var subs []xlator.Xlator
	for i, b := range s.bricks {
		l := s.newLink(fmt.Sprint("link healer-b", i), b, id)
		switch id {
		case 948:
			s.vlinks = append(s.vlinks, l)
		case 949:
			s.hlinks = append(s.hlinks, l)
		}
		subs = append(subs, l)
		cfg.Names = append(cfg.Names, fmt.Sprint("brick ", i))
		cfg.Keys = append(cfg.Keys, fmt.Sprint("trusted.afr.v-client-", i))
	}
	return heal.New(cfg, subs)
}

// pending returns what the bricks' indices list.
func (s *sim) pending(h *heal.Healer) []fop.GFID {
	seen := map[fop.GFID]bool{}
	for i := range s.bricks {
		err := h.Pending(ctx, i, func(g fop.GFID) error {
			seen[g] = true
			return nil
		})
		if err != nil && !fop.IsDown(err) && !s.errors {
			s.fail("Pending(%d): %v", i, err)
		}
	}
	var gs []fop.GFID
	for g := range seen {
		gs = append(gs, g)
	}
	slices.SortFunc(gs, func(a, b fop.GFID) int { return bytes.Compare(a[:], b[:]) })
	return gs
}

// heal heals until nothing is pending; then all bricks must be equal, and all that was
// acknowledged must be there.
func (s *sim) heal() {
	h := s.healer(950)
	rounds := 40
	for r := range rounds {
		gs := s.pending(h)
		if len(gs) == 0 {
			s.logf("healed in %d rounds", r)
			break
		}
		for _, g := range gs {
			if testing.Verbose() {
				s.show(g)
			}
			o, err := h.Inode(ctx, g)
			s.logf("healing %s: %v %v %+v", short(g), o.Kind, err, o)
			if r == rounds-1 {
				s.show(g)
				s.fail("%s is not healed after %d rounds: %+v, %v", short(g), rounds, o, err)
			}
		}
		if s.hasFailed() {
			return
		}
		time.Sleep(time.Second)
	}
	s.checkLocks()
	s.checkEqual()
	s.checkBricks()
	if s.hasFailed() {
		return
	}
	c := s.connect(901)
	s.checkView(c)
	time.Sleep(5 * time.Second)
	c.Close()
}

// checkEqual compares all bricks, name by name.
func (s *sim) checkEqual() {
	todo := []fop.GFID{fop.RootGFID}
	seen := map[fop.GFID]bool{}
	for len(todo) > 0 {
		g := todo[0]
		if todo = todo[1:]; seen[g] {
			continue
		}
		seen[g] = true
		first := s.copyOf(0, g)
		for i := range s.bricks {
			c := s.copyOf(i, g)
			if c == nil || first == nil {
				s.show(g)
				s.fail("after healing, %s is not on all bricks", short(g))
				return
			}
			if why := s.differ(first, c, s.conf.arbiter && i == len(s.bricks)-1); why != "" {
				s.show(g)
				s.fail("after healing, %s differs on brick %d: %s", short(g), i, why)
			}
		}
		for _, h := range first.names {
			todo = append(todo, h)
		}
	}
	for i, b := range s.bricks {
		for _, g := range b.journal.all() {
			if !seen[g] {
				s.show(g)
				s.fail("after healing, brick %d keeps %s, which has no name", i, short(g))
			}
		}
	}
}

// differ says in what two copies differ.
func (s *sim) differ(a, b *copied, arbiter bool) string {
	switch {
	case a.iatt.Type != b.iatt.Type:
		return "type"
	case !arbiter && a.data != b.data:
		return fmt.Sprintf("data %q and %q", a.data, b.data)
	case a.iatt.Mode != b.iatt.Mode || a.iatt.UID != b.iatt.UID || a.iatt.GID != b.iatt.GID || a.xattr != b.xattr:
		return "attributes"
	case a.iatt.Nlink != b.iatt.Nlink:
		return fmt.Sprintf("%d and %d links", a.iatt.Nlink, b.iatt.Nlink)
	case len(a.names) != len(b.names):
		return fmt.Sprintf("names %v and %v", a.names, b.names)
	case !a.dirty.IsZero() || !b.dirty.IsZero():
		return "dirty marks"
	case arbiter:
	case a.iatt.Mtime != b.iatt.Mtime:
		return fmt.Sprintf("mtime %v and %v", a.iatt.Mtime, b.iatt.Mtime)
	}
	for n, g := range a.names {
		if b.names[n] != g {
			return "name " + n
		}
	}
	for _, p := range append(slices.Clone(a.pending), b.pending...) {
		if !p.IsZero() {
			return "pending marks"
		}
	}
	return ""
}
