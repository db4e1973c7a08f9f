package heal

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// errVouchedBefore is of a child that waits for another one that lost power too.
var errVouchedBefore = errors.New("another brick of the set lost power too, whose healer vouches for both")

// Vouch looks after child i if its machine has lost power, and lets clients come to it
// again (package suspect).
//
// Clients undo a dirty mark only when what was changed is durable on every child that took
// part, or that child is blamed. So what i has lost is of inodes that are dirty on another
// child, or for which i is blamed. Vouch blames i for the former, on all others, so that
// i's copy counts for nothing until it is healed. All other children are needed for that:
// a change that i has forgotten may be known to a single one of them.
//
// Those that lost power together are looked after together, by who vouches for the first of
// them: one that was let in alone would be a witness against the others, and it has forgotten
// as much.
//
// false: i is not suspect. An error: it still may be, and Vouch is to be called again; ENOTCONN:
// not all children could be reached.
func (h *Healer) Vouch(ctx context.Context, i int) (was bool, err error) {
	suspects, was, err := h.suspects(ctx, i)
	switch {
	case err != nil || !was:
		return was, err
	case lowest(suspects) < i:
		return true, errVouchedBefore
	}
	// The suspects cannot accuse each other: that would be a split-brain of all that was being
	// changed.
	witnesses := h.all() &^ suspects
	seen := map[fop.GFID]bool{}
	for k := range witnesses.Each {
		if err := h.blameForDirty(ctx, k, suspects, witnesses, seen); err != nil {
			return true, err
		}
	}
	// What they say now, and what they have that the suspects forgot, must not be forgotten in turn.
	if ok, err := h.syncAll(ctx, witnesses); ok != witnesses {
		return true, fmt.Errorf("making blame durable: %w", err)
	}
	// i is the last, so that nobody else begins meanwhile.
	for k := len(h.children) - 1; k >= i; k-- {
		if !suspects.Has(k) {
			continue
		}
		if _, err := h.children[k].Removexattr(ctx, &fop.RemovexattrReq{Req: fop.Req{Caller: caller()}, GFID: fop.RootGFID, Names: []string{fop.SuspectXattr}, Internal: true}); err != nil {
			return true, err
		}
	}
	return true, nil
}

// suspects asks all children whether they are suspect; was: child i is. An error: it does not
// answer, or it is, and another one does not.
func (h *Healer) suspects(ctx context.Context, i int) (s set, was bool, err error) {
	got := on(h.all(), func(k int) (*fop.GetxattrReply, error) {
		return h.children[k].Getxattr(ctx, &fop.GetxattrReq{Req: fop.Req{Caller: caller()}, GFID: fop.RootGFID, Name: fop.SuspectXattr, Internal: true})
	})
	for k := range h.all().Each {
		switch r, e := got[k].Reply, got[k].Err; {
		case e == nil && len(r.Xattrs) == 1 && string(r.Xattrs[0].Value) == "1":
			s |= changelog.Of(k)
		case e != nil:
			err = fmt.Errorf("%s does not say whether it is suspect: %w", h.Names[k], e)
		}
	}
	switch {
	case got[i].Err != nil:
		return 0, false, got[i].Err
	case !s.Has(i):
		return s, false, nil
	}
	return s, true, err
}

// blameForDirty has the witnesses blame the suspects for all that is dirty on child k and not
// seen yet.
func (h *Healer) blameForDirty(ctx context.Context, k int, suspects, witnesses set, seen map[fop.GFID]bool) error {
	var dirty []fop.GFID
	if _, err := h.indexed(ctx, k, fop.IndexDirty, func(e *fop.Dirent) error {
		if !seen[e.Iatt.GFID] {
			seen[e.Iatt.GFID] = true
			dirty = append(dirty, e.Iatt.GFID)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, g := range dirty {
		for i := range suspects.Each {
			if err := h.accuse(ctx, g, i, witnesses); err != nil {
				return fmt.Errorf("blaming %s for %v: %w", h.Names[i], g, err)
			}
		}
	}
	return nil
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
		// Where it is blamed already that is enough. What is known of missed bytes (package missed) stays
		// true: who has it dirty says in the end what was changed all the while, or never does.
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
