package heal

import (
	"context"
	"fmt"
	"slices"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// copies is what the children have of an inode.
type copies struct {
	m       changelog.Matrix
	iatt    [changelog.MaxReplicas]fop.Iatt
	missing set    // these say that there is no such inode
	broken  string // which marks cannot be read (those of m.Unread), and why
}

// look reads attributes and marks from the children that the lock is held on.
func (h *Healer) look(ctx context.Context, l *lock, g fop.GFID) *copies {
	c := &copies{m: changelog.Matrix{N: len(h.children)}}
	got := on(l.held, func(i int) (*fop.LookupReply, error) {
		return h.children[i].Lookup(ctx, &fop.LookupReq{Req: l.req(i), GFID: g, Want: h.want})
	})
	for i := range l.held.Each {
		switch err := got[i].Err; {
		case err == nil:
			c.iatt[i] = got[i].Reply.Iatt
			h.row(c, i, got[i].Reply.Xattrs)
		case fop.IsGone(err):
			c.missing |= changelog.Of(i)
		}
	}
	return c
}

// row enters a child's marks into the matrix.
func (h *Healer) row(c *copies, i int, xs []fop.Xattr) {
	err := c.m.Enter(i, h.Keys, func(key string) ([]byte, bool) { return fop.XattrOf(xs, key) })
	if err != nil {
		c.broken = fmt.Sprintf("the marks on %s cannot be read: %v", h.Names[i], err)
	}
}

// marks counts the classes in which anything is marked.
func (c *copies) marks() (n int) {
	for k := changelog.Data; k <= changelog.Entry; k++ {
		if c.m.Marked(k) {
			n++
		}
	}
	return n
}

// waits reports whether all that is marked is that some children do not have the inode.
func (c *copies) waits() bool {
	if c.missing == 0 || c.blamesAny(c.m.Replied) || !c.blamesAny(c.missing) {
		return false
	}
	for i := range c.m.Replied.Each {
		if !c.m.Dirty[i].IsZero() {
			return false
		}
	}
	return true
}

// blamesAny reports whether anybody accuses a child in s.
func (c *copies) blamesAny(s set) bool {
	return (c.m.Accused(changelog.Data)|c.m.Accused(changelog.Metadata)|c.m.Accused(changelog.Entry))&s != 0
}

func (c *copies) typ() fop.FileType {
	for i := range c.m.Replied.Each {
		return c.iatt[i].Type
	}
	return fop.TypeUnknown
}

// oneType reports whether all copies are of one type.
func (c *copies) oneType() bool {
	for i := range c.m.Replied.Each {
		if c.iatt[i].Type != c.typ() {
			return false
		}
	}
	return true
}

// undoing returns what to subtract when the copies in equal are the same in these classes:
// what is held against them, and, if that is all copies that were seen, that something was
// under way. A sink takes over what the sources hold against those who are not equal: it
// knows now what they know.
//
// These counters come on top of those that are there: nobody says what they stand for, so that
// what is known of missed bytes does not count any more (package missed).
//
// What was under way may have come to an end that who is away does not share, and with marks
// that blame those who are equal now. So who is away is blamed in turn: or its copy would
// come to stand against theirs without a mark.
func (h *Healer) undoing(c *copies, equal, sources set, classes ...changelog.Class) (u undo) {
	away := h.all() &^ (c.m.Replied | c.missing)
	settled := c.m.Replied&^equal == 0 && slices.ContainsFunc(classes, func(k changelog.Class) bool { return c.unfinished(c.m.Replied, k) })
	for i := range c.m.Replied.Each {
		if c.m.Replied&^equal == 0 {
			var d changelog.Counters
			for _, k := range classes {
				d[k] = changelog.Back(c.m.Dirty[i][k])
			}
			u.add(i, changelog.DirtyKey, d)
		}
		for j := range len(h.children) {
			var d changelog.Counters
			for _, k := range classes {
				switch {
				case equal.Has(j):
					d[k] = changelog.Back(c.m.Pending[i][j][k])
				case settled && away.Has(j), equal.Has(i) && !sources.Has(i) && c.accusedBy(j, sources, k):
					d[k] = 1
				case c.m.Pending[i][j][k] == 0 && equal.Has(i) && c.accusedBy(j, sources, k):
					d[k] = 1
				}
			}
			u.add(i, h.Keys[j], d)
		}
	}
	return u
}

// unfinished reports whether some copy in s says that a change of class k was under way.
func (c *copies) unfinished(s set, k changelog.Class) bool {
	for i := range (s & c.m.Replied).Each {
		if c.m.Dirty[i][k] != 0 {
			return true
		}
	}
	return false
}

func (c *copies) accusedBy(j int, who set, k changelog.Class) bool {
	for i := range who.Each {
		if c.m.Pending[i][j][k] != 0 {
			return true
		}
	}
	return false
}

// add adds d to what changes of a counter on child i. The dirty counter is the last: a brick that fails
// between two must not have forgotten that something was under way, and whom to blame for it.
func (u *undo) add(i int, key string, d changelog.Counters) {
	if d.IsZero() {
		return
	}
	for k, x := range u.deltas[i] {
		if x.Name == key {
			had, _ := changelog.Parse(x.Value)
			for c := range had {
				had[c] += d[c]
			}
			u.deltas[i][k].Value = had.Bytes()
			return
		}
	}
	at := len(u.deltas[i])
	if at > 0 && u.deltas[i][at-1].Name == changelog.DirtyKey {
		at--
	}
	u.deltas[i] = slices.Insert(u.deltas[i], at, fop.Xattr{Name: key, Value: d.Bytes()})
}

// merge joins another undo of the same inode.
func (u *undo) merge(v undo) {
	for i := range v.deltas {
		for _, x := range v.deltas[i] {
			d, _ := changelog.Parse(x.Value)
			u.add(i, x.Name, d)
		}
	}
	u.names = append(u.names, v.names...)
}
