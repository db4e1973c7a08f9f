package heal

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// restate replaces marks that cannot be read. If the others know all the same whose copy is
// right, the copy with such marks gets one against itself, and is healed like any stale one.
// If not, its copy may be the only good one, and it is the user who says: source is believed,
// or, if that is -1, nothing is done, unless all copies are alike. The healers' lock is held.
//
// Clients' marks are not lost meanwhile: what cannot be read stays as it is when something is
// added (fop.Sum32).
func (h *Healer) restate(ctx context.Context, l *lock, g fop.GFID, c *copies, source int) (o Outcome) {
	h.Log.Error("healing: marks cannot be read", "gfid", g, "why", c.broken)
	if source < 0 {
		for k := range c.m.Pending[0][0] {
			stores := h.all()
			if changelog.Class(k) == changelog.Data && c.typ() == fop.TypeReg {
				stores = h.stores()
			}
			switch d := c.m.Direct(changelog.Class(k), h.Quorum, stores); d.Doubt {
			case changelog.Wait:
				o.note(Partly, c.broken+", and the right copy may be on a brick that is away")
			case changelog.Split:
				o.note(SplitBrain, c.broken+", and the others do not know whose copy is right")
			}
		}
		if o.Kind == SplitBrain && h.restateAlike(ctx, g) {
			return Outcome{}
		}
		if o.Kind > Healed {
			return o
		}
	}
	got := on(c.m.Unread, func(i int) (struct{}, error) {
		return struct{}{}, h.restateOn(ctx, l.req(i), g, c.iatt[i].Type, i, source)
	})
	for i := range c.m.Unread.Each {
		if err := got[i].Err; err != nil {
			o.note(Failed, h.Names[i]+": replacing marks: "+err.Error())
		}
	}
	return o
}

// restateOn replaces the marks on child i: with what it is to be blamed for itself, or, in
// favour of source, with what everybody else is.
func (h *Healer) restateOn(ctx context.Context, req fop.Req, g fop.GFID, t fop.FileType, i, source int) error {
	accuse := func(j int) bool { return source < 0 && j == i || source >= 0 && j != source }
	var deltas, rest []fop.Xattr
	for j, key := range h.Keys {
		if accuse(j) {
			deltas = append(deltas, fop.Xattr{Name: key, Value: h.allMissing(j, t).Bytes()})
		} else {
			rest = append(rest, fop.Xattr{Name: key, Value: changelog.Counters{}.Bytes()})
		}
	}
	// In this order: what is cut short must not leave a copy that looks clean.
	deltas = append(append(deltas, rest...), fop.Xattr{Name: changelog.DirtyKey, Value: changelog.Counters{}.Bytes()})
	_, err := h.children[i].Xattrop(ctx, &fop.XattropReq{Req: req, GFID: g, Op: fop.XattropSet, Deltas: deltas})
	return err
}

// allMissing is what a copy on child i of an inode of type t is accused of that has missed
// everything. The data counter of a directory: all its names.
func (h *Healer) allMissing(i int, t fop.FileType) changelog.Counters {
	switch {
	case t == fop.TypeDir:
		return changelog.One(changelog.Data, changelog.Metadata, changelog.Entry)
	case t == fop.TypeReg:
		return h.missing(i)
	}
	return changelog.One(changelog.Metadata)
}

// restateAlike replaces marks that cannot be read by dirty ones, if all copies are there and have the
// same content and attributes: then it does not matter whom they blamed. Directories are not
// compared. true: it did.
func (h *Healer) restateAlike(ctx context.Context, g fop.GFID) bool {
	l := h.newLock(g)
	if l.wait(ctx) != nil {
		return false
	}
	defer l.release(ctx)
	c := h.look(ctx, l, g)
	j := &job{h: h, gfid: g, source: -1}
	if c.m.Replied != h.all() || c.m.Unread == 0 || !c.oneType() || c.typ() == fop.TypeDir || !j.sameAttrs(ctx, l, c) ||
		c.typ() == fop.TypeReg && !j.identical(ctx, l, c, h.stores()) {
		return false
	}
	deltas := []fop.Xattr{{Name: changelog.DirtyKey, Value: changelog.One(changelog.Data, changelog.Metadata).Bytes()}}
	for _, key := range h.Keys {
		deltas = append(deltas, fop.Xattr{Name: key, Value: changelog.Counters{}.Bytes()})
	}
	got := on(c.m.Unread, func(i int) (*fop.XattropReply, error) {
		return h.children[i].Xattrop(ctx, &fop.XattropReq{Req: l.req(i), GFID: g, Op: fop.XattropSet, Deltas: deltas})
	})
	for i := range c.m.Unread.Each {
		if got[i].Err != nil {
			return false
		}
	}
	h.Log.Info("healing: marks that could not be read are replaced, since all copies are alike", "gfid", g)
	return true
}

// sameAttrs reports whether all copies have the same attributes, but for their times.
func (j *job) sameAttrs(ctx context.Context, l *lock, c *copies) bool {
	got := on(c.m.Replied, func(i int) (*fop.GetxattrReply, error) {
		return j.h.children[i].Getxattr(ctx, &fop.GetxattrReq{Req: l.req(i), GFID: j.gfid, Internal: true})
	})
	has := attrSet{c: c}
	first := lowest(c.m.Replied)
	for i := range c.m.Replied.Each {
		if got[i].Err != nil {
			return false
		}
		if has.xattrs[i] = replicated(got[i].Reply.Xattrs); !has.same(first, i) {
			return false
		}
	}
	return true
}
