package heal

import (
	"context"
	"fmt"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// Vouch looks after child i if its machine has lost power, and lets clients come to it
// again (package suspect).
//
// Clients undo a dirty mark only when what was changed is durable on every child that took
// part, or that child is blamed. So what i has lost is of inodes that are dirty on another
// child, or for which i is blamed. Vouch blames i for the former, on all others, so that
// i's copy counts for nothing until it is healed. All other children are needed for that:
// a change that i has forgotten may be known to a single one of them.
//
// false: i is not suspect. ENOTCONN: not all children could be reached.
func (h *Healer) Vouch(ctx context.Context, i int) (was bool, err error) {
	var suspects set
	got := on(h.all(), func(k int) (*fop.GetxattrReply, error) {
		return h.children[k].Getxattr(ctx, &fop.GetxattrReq{Req: fop.Req{Caller: caller()}, GFID: fop.RootGFID, Name: fop.SuspectXattr, Internal: true})
	})
	for k := range h.all().Each {
		switch r, e := got[k].Reply, got[k].Err; {
		case e == nil && len(r.Xattrs) == 1 && string(r.Xattrs[0].Value) == "1":
			suspects |= changelog.Of(k)
		case e != nil:
			err = e
		}
	}
	switch {
	case got[i].Err != nil:
		return false, got[i].Err
	case !suspects.Has(i):
		return false, nil
	case err != nil:
		return true, err
	}
	// Those that lost power together cannot accuse each other: that would be a split-brain of
	// all that was being changed.
	witnesses := h.all() &^ suspects
	seen := map[fop.GFID]bool{}
	for k := range witnesses.Each {
		var dirty []fop.GFID
		if _, err := h.indexed(ctx, k, fop.IndexDirty, func(e *fop.Dirent) error {
			if !seen[e.Iatt.GFID] {
				seen[e.Iatt.GFID] = true
				dirty = append(dirty, e.Iatt.GFID)
			}
			return nil
		}); err != nil {
			return true, err
		}
		for _, g := range dirty {
			if err := h.accuse(ctx, g, i, witnesses); err != nil {
				return true, fmt.Errorf("blaming for %v: %w", g, err)
			}
		}
	}
	_, err = h.children[i].Removexattr(ctx, &fop.RemovexattrReq{Req: fop.Req{Caller: caller()}, GFID: fop.RootGFID, Names: []string{fop.SuspectXattr}, Internal: true})
	return true, err
}

// accuse has all witnesses that have an inode blame child i for the classes in which one
// of them is dirty, and one is good: where nobody has better, i's copy may be the best. Who
// is good the witnesses tell: what i says against them may be over, and come back as what i
// forgot. Only a single witness cannot tell that of itself.
func (h *Healer) accuse(ctx context.Context, g fop.GFID, i int, witnesses set) error {
	l := h.newLock(g)
	l.held = witnesses | changelog.Of(i)
	c := h.look(ctx, l, g)
	if c.m.Replied|c.missing != l.held {
		return errDown
	}
	witnesses &= c.m.Replied
	m := c.m
	if witnesses.Len() > 1 {
		m.Replied = witnesses
	}
	var lost changelog.Counters
	for k := range lost {
		good := witnesses &^ m.Accused(changelog.Class(k))
		if changelog.Class(k) == changelog.Data {
			good &= h.stores()
		}
		if good != 0 && (c.m.Unread != 0 || c.unfinished(witnesses, changelog.Class(k))) {
			lost[k] = 1
		}
	}
	if c.typ() == fop.TypeDir && lost[changelog.Entry] != 0 {
		lost[changelog.Data] = 1 // the data counter of a directory: all its names
	}
	got := on(witnesses, func(k int) (*fop.XattropReply, error) {
		d := lost
		for cl := range d {
			if c.m.Pending[k][i][cl] != 0 {
				d[cl] = 0
			}
		}
		if d.IsZero() {
			return nil, nil
		}
		return h.children[k].Xattrop(ctx, &fop.XattropReq{Req: l.req(k), GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: h.Keys[i], Value: d.Bytes()}}})
	})
	for k := range witnesses.Each {
		if err := got[k].Err; err != nil && !fop.IsGone(err) {
			return err
		}
	}
	return nil
}
