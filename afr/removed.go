package afr

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// removed reports whether an inode that no majority of the bricks has was removed while the
// brick in m that has it was away. That brick's word is not enough: with the inode its marks
// have gone elsewhere. (One that was made while the absent were away accuses them.) What tells is
// its names: those who have missed no changes of the directories do not have them any more. If
// nobody can tell, it is there.
func (r *replicate) removed(ctx context.Context, g fop.GFID, m *changelog.Matrix, absent set) bool {
	if absent == 0 || g == fop.RootGFID || 2*m.Replied.Len() > len(r.children) {
		return false
	}
	for i := range m.Replied.Each {
		for j := range absent.Each {
			if !m.Pending[i][j].IsZero() {
				return false
			}
		}
	}
	named := false
	for i := range m.Replied.Each {
		for _, link := range xlator.LinksOn(ctx, r.children[i], internalCaller, g) {
			if r.confirmed(ctx, link, g) {
				return false
			}
			named = true
		}
	}
	return named
}

// confirmed reports whether a brick that has missed no names of the directory has this one for
// g, or none can be asked.
func (r *replicate) confirmed(ctx context.Context, link fop.Link, g fop.GFID) bool {
	good, err := r.goodFor(ctx, link.Parent, changelog.Entry)
	if fop.IsGone(err) {
		return false
	}
	if err != nil || good == 0 {
		return true
	}
	for k := range good.Each {
		a, err := r.children[k].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: internalCaller}, Parent: link.Parent, Name: link.Name})
		if err == nil && a.Iatt.GFID == g || err != nil && !fop.IsGone(err) {
			return true
		}
	}
	return false
}

// waitOut waits for those to come to an end who may be removing an inode that some children
// have and others do not have any more: they hold the lock of a name of it. If there is none,
// they have come to an end since. Either way it is time to look again.
func (r *replicate) waitOut(ctx context.Context, q *fop.Req, g fop.GFID, present set) {
	for i := range present.Each {
		for _, link := range xlator.LinksOn(ctx, r.children[i], internalCaller, g) {
			if leave, err := r.watch(ctx, q, link.Parent, link.Name); err == nil {
				leave()
			}
		}
	}
}
