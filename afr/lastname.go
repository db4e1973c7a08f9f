package afr

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A copy that has missed names of a file in one directory may have no others than one that is
// removed in another. It is a good copy of the content, perhaps the only one that is left, and
// would be lost although the file lives on. So it is not asked; it is healed as one that
// missed the removal, and the healer keeps what lives on elsewhere.

// lastName looks, before a name under the lease l is taken away, which children would lose with it
// a file that lives on under other names (spare), and whether it has others, on all that have the
// name, so that none may lose its last (notLast): a healer may be at work.
func (r *replicate) lastName(ctx context.Context, l *lease, parent fop.GFID, name string) (spare set, notLast bool) {
	if r.clean.now() {
		return 0, false // all copies have the same names
	}
	idx := r.indexes(l.good[changelog.Entry] & l.taking(r.state.Load()))
	got := xlator.Each(len(idx), func(k int) (*fop.LookupReply, error) {
		return r.children[idx[k]].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: internalCaller}, Parent: parent, Name: name})
	})
	var g fop.GFID
	var only, more set
	for k, i := range idx {
		if got[k].Err != nil {
			continue
		}
		a := &got[k].Reply.Iatt
		if a.IsDir() || !g.IsZero() && a.GFID != g {
			return 0, false
		}
		if g = a.GFID; a.Nlink > 1 {
			more |= changelog.Of(i)
		} else {
			only |= changelog.Of(i)
		}
	}
	if only == 0 || more == 0 {
		return 0, more != 0
	}
	for i := range more.Each {
		for _, link := range xlator.LinksOn(ctx, r.children[i], internalCaller, g) {
			if link != (fop.Link{Parent: parent, Name: name}) && r.acknowledged(ctx, link, g) {
				r.log.Debug("sparing", "children", only, "gfid", g, "parent", parent, "name", name, "other", link)
				return only, true
			}
		}
	}
	return 0, false
}

// acknowledged reports whether g may have got a name for sure: all that have missed no names of
// its directory have it, or none can be asked.
func (r *replicate) acknowledged(ctx context.Context, link fop.Link, g fop.GFID) bool {
	good, err := r.goodFor(ctx, link.Parent, changelog.Entry)
	if fop.IsGone(err) {
		return false
	}
	for k := range good.Each {
		a, err := r.children[k].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: internalCaller}, Parent: link.Parent, Name: link.Name})
		if fop.IsGone(err) || err == nil && a.Iatt.GFID != g {
			return false
		}
	}
	return true
}
