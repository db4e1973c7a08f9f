package heal

import (
	"context"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// holdOff is how long making a copy waits for a client to give the inode up. It waits while
// it keeps others from the directory.
const holdOff = 50 * time.Millisecond

// make makes the inode, empty, on child i. First those who have it learn that i's copy
// is not finished; and it says so itself, for those who will not be able to ask them.
//
// A copy that was lost took with it what it knew against others. So those who have the inode
// must be known to be right (vouched), and the new copy is told whom they blame: with a stale
// one it would be a quorum that knows nothing.
//
// Nobody may be at work on the inode meanwhile: a client whose lease is older than the copy
// would believe it.
func (n *nameHeal) make(ctx context.Context, i int) error {
	free, ok := n.keepOff(ctx, n.truth.Sight)
	defer free()
	if !ok {
		n.postpone("a client is at work on the inode of a name")
		return nil
	}
	c := n.h.look(ctx, n.l, n.truth.GFID)
	holders := c.m.Replied
	from := n.truth.From
	if !holders.Has(from) {
		from = lowest(holders)
	}
	switch {
	case from < 0:
		n.postpone("the inode of a name is gone")
		return nil
	case !c.missing.Has(i):
		n.postpone("an inode came or went under the healer")
		return nil
	case c.typ() == fop.TypeReg && holders&n.h.stores() == 0:
		n.postpone("no brick that stores data has the file of a name; perhaps one that is away does")
		return nil
	case !n.h.vouched(c):
		n.postpone("who knows whether the copies of an inode are good is away")
		return nil
	}
	if !n.accuseNew(ctx, i, c) {
		n.postpone("a mark could not be stored")
		return nil
	}
	err := n.makeEmpty(ctx, i, from, &c.iatt[from], n.h.newMarks(c, i))
	if fop.Errno(err) == syscall.EEXIST {
		n.postpone("a name changed under the healer")
		return nil
	}
	if err == nil {
		n.count(i, 1, 0)
		if c.iatt[from].Type == fop.TypeDir {
			n.mu.Lock()
			n.out.Made = append(n.out.Made, n.truth.GFID)
			n.mu.Unlock()
		}
	}
	return err
}

// vouched reports whether those who have an inode know of all that was acknowledged of it, as far
// as anybody does: the others, without those who missed that it was made, are no quorum, or
// have all lost it. A symbolic link does not change.
func (h *Healer) vouched(c *copies) bool {
	others := h.all() &^ c.m.Replied
	if c.broken != "" {
		return false
	}
	if c.typ() == fop.TypeLink || others&^c.missing == 0 {
		return true
	}
	for j := range others.Each {
		never := true
		for k, n := range h.allMissing(lowest(h.stores()), c.typ()) {
			never = never && (n == 0 || c.accusedBy(j, c.m.Replied&^c.m.Accused(changelog.Class(k)), changelog.Class(k)))
		}
		if never {
			others &^= changelog.Of(j)
		}
	}
	return !h.Quorum.Met(others)
}

// keepOff takes the locks under which clients change an inode. free gives them up.
func (n *nameHeal) keepOff(ctx context.Context, s changelog.Sight) (free func(), ok bool) {
	inode := n.h.newLock(s.GFID)
	names := n.h.newLock(s.GFID)
	names.entry = true
	free = func() {
		inode.release(ctx)
		names.release(ctx)
	}
	soon, cancel := context.WithTimeout(ctx, holdOff)
	defer cancel()
	ok = inode.wait(soon) == nil && (s.Type != fop.TypeDir || names.wait(soon) == nil)
	return free, ok
}

// accuseNew has those who have an inode know that the copy on child i is not finished. One that
// is stale itself is not told, if there are others: what i had may have been better (vouched).
// false: somebody did not store it.
func (n *nameHeal) accuseNew(ctx context.Context, i int, c *copies) bool {
	marks := n.h.allMissing(i, c.typ())
	who := c.m.Replied &^ (c.m.Accused(changelog.Data) | c.m.Accused(changelog.Metadata) | c.m.Accused(changelog.Entry))
	if who == 0 {
		who = c.m.Replied
	}
	got := on(who, func(k int) (*fop.XattropReply, error) {
		// Also where it is blamed already: nobody says what these counters stand for, so that what is known of
		// missed bytes does not count any more.
		return n.h.children[k].Xattrop(ctx, &fop.XattropReq{Req: n.l.req(k), GFID: n.truth.GFID, Op: fop.XattropAdd32,
			Deltas: []fop.Xattr{{Name: n.h.Keys[i], Value: marks.Bytes()}}})
	})
	for k := range who.Each {
		if got[k].Err != nil {
			return false
		}
	}
	return true
}

// newMarks are the marks that a new copy on child i begins with: against itself, and what the
// good copies hold against others. Which names these missed is not known here: all.
func (h *Healer) newMarks(c *copies, i int) []fop.Xattr {
	xs := []fop.Xattr{{Name: h.Keys[i], Value: h.allMissing(i, c.typ()).Bytes()}}
	for j, key := range h.Keys {
		var d changelog.Counters
		for k := changelog.Data; k <= changelog.Entry && j != i; k++ {
			stores := h.all()
			if k == changelog.Data && c.typ() == fop.TypeReg {
				stores = h.stores()
			}
			if s := c.m.Direct(k, h.Quorum, stores).Sources; !s.Has(j) && c.accusedBy(j, s, k) {
				d[k] = 1
			}
		}
		if d[changelog.Entry] != 0 {
			d[changelog.Data] = 1
		}
		if !d.IsZero() {
			xs = append(xs, fop.Xattr{Name: key, Value: d.Bytes()})
		}
	}
	return xs
}

func (n *nameHeal) makeEmpty(ctx context.Context, i, from int, a *fop.Iatt, mark []fop.Xattr) error {
	x, g := n.h.children[i], n.truth.GFID
	req := n.l.req(i)
	req.Caller = &fop.Caller{PID: selfHeal, UID: a.UID, GID: a.GID, Time: a.Mtime}
	switch a.Type {
	case fop.TypeDir:
		_, err := x.Mkdir(ctx, &fop.MkdirReq{Req: req, Parent: n.gfid, Name: n.name, GFID: g, Mode: a.Mode, Mark: mark})
		return err
	case fop.TypeLink:
		r, err := n.h.children[from].Readlink(ctx, &fop.ReadlinkReq{Req: n.l.req(from), GFID: g})
		if err != nil {
			return err
		}
		_, err = x.Symlink(ctx, &fop.SymlinkReq{Req: req, Parent: n.gfid, Name: n.name, GFID: g, Target: r.Target, Mark: mark})
		return err
	}
	_, err := x.Mknod(ctx, &fop.MknodReq{Req: req, Parent: n.gfid, Name: n.name, GFID: g, Type: a.Type, Mode: a.Mode, Rdev: a.Rdev, Mark: mark})
	return err
}
