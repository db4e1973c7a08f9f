package afr

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
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
		for _, link := range r.linksOn(ctx, i, g) {
			if r.confirmed(ctx, link, g) {
				return false
			}
			named = true
		}
	}
	return named
}

// linksOn returns the names of an inode on child i, as far as they can be known.
func (r *replicate) linksOn(ctx context.Context, i int, g fop.GFID) []fop.Link {
	a, err := r.children[i].Getxattr(ctx, &fop.GetxattrReq{Req: fop.Req{Caller: internalCaller}, GFID: g, Name: fop.LinksXattr, Internal: true})
	if err != nil || len(a.Xattrs) != 1 {
		return nil
	}
	ls, err := fop.ParseLinks(a.Xattrs[0].Value)
	if err != nil {
		return nil
	}
	return ls
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
