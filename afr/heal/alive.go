package heal

import (
	"context"
	"slices"
	"strings"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// maxDepth is how far up a tree is looked whether it is to stay.
const maxDepth = 128

// maxMoves is how often an inode is looked for under new names, if clients rename it meanwhile.
const maxMoves = 8

// alive reports whether an inode is to stay: whether some child, those in except aside,
// has it under a name that its directory's sources confirm, or nobody can tell. What only
// copies have that are themselves wrong about its name is not alive.
func (n *nameHeal) alive(ctx context.Context, g fop.GFID, except set, depth int) bool {
	if g == fop.RootGFID || depth > maxDepth {
		return true
	}
	for i := range (n.copiesOf(ctx, g).m.Replied &^ except).Each {
		if n.named(ctx, i, g, depth, true) {
			return true
		}
	}
	return false
}

// lives returns the children that surely have an inode under a name that is right.
func (n *nameHeal) lives(ctx context.Context, g fop.GFID) (s set) {
	for i := range n.copiesOf(ctx, g).m.Replied.Each {
		if n.named(ctx, i, g, 0, false) {
			s |= changelog.Of(i)
		}
	}
	return s
}

// lost reports whether the content of a file can be had nowhere: it is gone where it was,
// and who still has the file has missed changes of it, or stores no data. While copies of the
// directory are merged, all content counts that there is.
func (n *nameHeal) lost(ctx context.Context, s changelog.Sight) bool {
	if s.Type != fop.TypeReg {
		return false
	}
	c, stores := n.copiesOf(ctx, s.GFID), n.h.stores()
	has := c.m.Replied & stores
	if n.d.Doubt != changelog.Split {
		has &^= c.m.Accused(changelog.Data)
	}
	return c.m.Replied|c.missing == n.h.all() && c.missing&stores != 0 && has == 0
}

// named reports whether child i has g under a name that is right; unknown, if that cannot
// be told.
func (n *nameHeal) named(ctx context.Context, i int, g fop.GFID, depth int, unknown bool) bool {
	if n.copiesOf(ctx, g).iatt[i].Nlink == 0 {
		return false // somebody has it open
	}
	ls := n.linksOn(ctx, i, g)
	for again := 0; ; again++ {
		for _, l := range ls {
			if n.believed(ctx, l, g, depth, unknown) {
				return true
			}
		}
		// A client may have renamed it before its name was asked about: then it has another one.
		now := n.linksOn(ctx, i, g)
		if slices.Equal(now, ls) {
			break
		}
		if again == maxMoves {
			return unknown
		}
		ls = now
	}
	if !unknown || len(ls) > 0 {
		return false
	}
	_, err := n.h.children[i].Stat(ctx, &fop.StatReq{Req: fop.Req{Caller: caller()}, GFID: g})
	return !fop.IsGone(err) // it may have a name that was never recorded
}

// believed reports whether a name is right; unknown, if that cannot be told.
func (n *nameHeal) believed(ctx context.Context, l fop.Link, g fop.GFID, depth int, unknown bool) bool {
	if strings.HasPrefix(l.Name, parkPrefix) {
		return false // its right name is elsewhere
	}
	if n.going && l == (fop.Link{Parent: n.gfid, Name: n.name}) {
		return false
	}
	c := n.copiesOf(ctx, l.Parent)
	if !n.h.Quorum.Met(c.m.Replied) {
		return unknown && n.alive(ctx, l.Parent, 0, depth+1)
	}
	sources := c.m.Direct(changelog.Entry, n.h.Quorum, n.h.all()).Sources
	if sources == 0 {
		return unknown
	}
	for k := range sources.Each {
		a, err := n.h.children[k].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: caller()}, Parent: l.Parent, Name: l.Name})
		if err == nil && a.Iatt.GFID == g || unknown && err != nil && !fop.IsGone(err) {
			return true
		}
	}
	return false
}
