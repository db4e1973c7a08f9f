package heal

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// attrs heals owner, mode, xattrs and times. It returns where it changed something, and
// adds to u what is to be undone. Regular files get their times with their data.
func (j *job) attrs(ctx context.Context, l *lock, c *copies, u *undo) (changed set, err error) {
	classes := []changelog.Class{changelog.Metadata}
	switch c.typ() { // what is marked of what it does not have
	case fop.TypeReg:
		classes = append(classes, changelog.Entry)
	case fop.TypeDir:
	default:
		classes = append(classes, changelog.Data, changelog.Entry)
	}
	if !j.full && !slices.ContainsFunc(classes, c.m.Marked) {
		return 0, nil
	}
	all := c.m.Replied
	got := on(all, func(i int) ([]fop.Xattr, error) {
		r, err := j.h.children[i].Getxattr(ctx, &fop.GetxattrReq{Req: l.req(i), GFID: j.gfid, Internal: true})
		if err != nil {
			return nil, err
		}
		return replicated(r.Xattrs), nil
	})
	has := attrSet{c: c}
	var known set
	for i := range all.Each {
		if got[i].Err != nil {
			j.refused(i, "reading xattrs", got[i].Err)
			continue
		}
		has.xattrs[i] = got[i].Reply
		known |= changelog.Of(i)
	}
	d := c.m.Direct(changelog.Metadata, j.h.Quorum, j.h.all())
	from := j.attrSource(&has, known, &d)
	if from < 0 {
		return 0, nil
	}
	equal := changelog.Of(from)
	for i := range (known &^ equal).Each {
		did, err := j.copyAttrs(ctx, l, &has, from, i)
		if did {
			changed |= changelog.Of(i)
		}
		if err != nil {
			j.refused(i, "setting attributes", err)
			continue
		}
		equal |= changelog.Of(i)
	}
	if from != j.h.Arbiter && !(c.typ() == fop.TypeReg && c.m.Accused(changelog.Data).Has(from)) {
		late := changed & equal
		for i := range (equal &^ only(from) &^ only(j.h.Arbiter)).Each {
			if !sameTimes(&c.iatt[i], &c.iatt[from]) {
				late |= changelog.Of(i)
			}
		}
		equal &^= late &^ j.times(ctx, l, late, &c.iatt[from])
		changed |= late
	} else {
		equal &^= changed &^ j.keepTimes(ctx, l, c, from, changed)
	}
	u.merge(j.h.undoing(c, equal, d.Sources|changelog.Of(from), classes...))
	return changed, nil
}

// keepTimes puts back the times that changed with the attributes, where the source's are
// not those of the data. What was changed now happened when the source was.
func (j *job) keepTimes(ctx context.Context, l *lock, c *copies, from int, changed set) (ok set) {
	for i := range changed.Each {
		t := c.iatt[i]
		t.Ctime = t.Ctime.Later(c.iatt[from].Ctime)
		ok |= j.times(ctx, l, changelog.Of(i), &t)
	}
	return ok
}

// sameTimes compares times that all copies have the same. Reading moves atime on one.
func sameTimes(a, b *fop.Iatt) bool { return a.Mtime == b.Mtime && a.Ctime == b.Ctime }

// replicated returns those xattrs that are the same on all copies, sorted: not those
// that a brick keeps for itself.
func replicated(xs []fop.Xattr) []fop.Xattr {
	xs = slices.DeleteFunc(xs, func(x fop.Xattr) bool { return bricksOwn(x.Name) })
	slices.SortFunc(xs, func(a, b fop.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return xs
}

// bricksOwn reports whether a brick keeps an xattr for itself: marks, identity, times
// (which are set as such), counts and signatures of its own (disk-format 2, 3 and 7).
func bricksOwn(name string) bool {
	rest, ok := strings.CutPrefix(name, "trusted.")
	if !ok {
		return strings.HasPrefix(name, "glusterfs.")
	}
	for _, p := range [...]string{"afr.", "gfid", "pgfid.", "bit-rot.", "SGI_ACL_", "glusterfs.mdata", "glusterfs.volume-id",
		"glusterfs.volume-mark", "glusterfs.quota.size", "glusterfs.quota.dirty"} {
		if strings.HasPrefix(rest, p) {
			return true
		}
	}
	return strings.HasSuffix(rest, ".xtime") || strings.HasSuffix(rest, ".stime") || strings.HasSuffix(rest, ".entry_stime") ||
		strings.HasPrefix(rest, "glusterfs.quota.") && strings.Contains(rest, ".contri")
}

// attrSet is what the copies have.
type attrSet struct {
	c      *copies
	xattrs [changelog.MaxReplicas][]fop.Xattr
}

// same reports whether two copies have the same attributes, times aside.
func (s *attrSet) same(i, k int) bool {
	a, b := &s.c.iatt[i], &s.c.iatt[k]
	return a.UID == b.UID && a.GID == b.GID && (a.Mode == b.Mode || a.Type == fop.TypeLink) &&
		slices.EqualFunc(s.xattrs[i], s.xattrs[k], func(x, y fop.Xattr) bool { return x.Name == y.Name && bytes.Equal(x.Value, y.Value) })
}

// attrSource picks the copy to follow: of the sources, that which most agree with; then
// the one that was changed last. -1: there is none.
func (j *job) attrSource(s *attrSet, known set, d *changelog.Direction) int {
	among := d.Sources & known
	switch {
	case d.Doubt == changelog.Split:
		if among = j.splitAttrs(s, known); among == 0 {
			j.doubt(*d, changelog.Metadata)
			return -1
		}
	case among == 0:
		j.doubt(*d, changelog.Metadata)
		return -1
	}
	best, votes := -1, 0
	for i := range among.Each {
		n := 0
		for k := range among.Each {
			if s.same(i, k) {
				n++
			}
		}
		if best < 0 || n > votes || n == votes && j.later(s.c, i, best) {
			best, votes = i, n
		}
	}
	return best
}

// later reports whether i was changed later than k. The arbiter's clock does not count:
// changes of data do not go there.
func (j *job) later(c *copies, i, k int) bool {
	return i != j.h.Arbiter && (k == j.h.Arbiter || c.iatt[k].Ctime.Before(c.iatt[i].Ctime))
}

// splitAttrs returns the copies to choose from in a split-brain: all if they are the
// same, else what the user or the policy says; none if neither says anything.
func (j *job) splitAttrs(s *attrSet, known set) set {
	same := true
	for i := range known.Each {
		same = same && s.same(i, lowest(known))
	}
	if same && known == s.c.m.Replied {
		return known
	}
	if j.source >= 0 {
		return changelog.Of(j.source) & known
	}
	return j.favourite(s.c, known)
}

// only is the set of one child, or of none if i is -1.
func only(i int) set {
	if i < 0 {
		return 0
	}
	return changelog.Of(i)
}

func lowest(s set) int {
	for i := range s.Each {
		return i
	}
	return -1
}

// copyAttrs makes the attributes of child to those of child from. did: something changed.
func (j *job) copyAttrs(ctx context.Context, l *lock, s *attrSet, from, to int) (did bool, err error) {
	if s.same(from, to) {
		return false, nil
	}
	x, a, b := j.h.children[to], &s.c.iatt[from], &s.c.iatt[to]
	if a.UID != b.UID || a.GID != b.GID { // first: it clears bits of the mode, and capabilities
		if _, err := x.Setattr(ctx, &fop.SetattrReq{Req: l.req(to), GFID: j.gfid, Valid: fop.SetUID | fop.SetGID, UID: a.UID, GID: a.GID}); err != nil {
			return true, err
		}
	}
	var drop []string
	for _, y := range s.xattrs[to] {
		if _, ok := fop.XattrOf(s.xattrs[from], y.Name); !ok {
			drop = append(drop, y.Name)
		}
	}
	if len(drop) > 0 {
		if _, err := x.Removexattr(ctx, &fop.RemovexattrReq{Req: l.req(to), GFID: j.gfid, Names: drop, Internal: true}); err != nil {
			return true, err
		}
	}
	var set []fop.Xattr
	for _, y := range s.xattrs[from] {
		if v, ok := fop.XattrOf(s.xattrs[to], y.Name); !ok || !bytes.Equal(v, y.Value) || a.UID != b.UID && strings.HasPrefix(y.Name, "security.") {
			set = append(set, y)
		}
	}
	if len(set) > 0 {
		if _, err := x.Setxattr(ctx, &fop.SetxattrReq{Req: l.req(to), GFID: j.gfid, Xattrs: set, Internal: true}); err != nil {
			return true, err
		}
	}
	if a.Type == fop.TypeLink {
		return true, nil
	}
	_, err = x.Setattr(ctx, &fop.SetattrReq{Req: l.req(to), GFID: j.gfid, Valid: fop.SetMode, Mode: a.Mode})
	return true, err
}

// favourite returns the copy that the policy prefers in a split-brain; none if there is
// no policy, or it does not tell two copies apart.
func (j *job) favourite(c *copies, among set) set {
	among &= j.h.stores()
	more := func(i, k int) int { // >0: i is preferred to k
		a, b := &c.iatt[i], &c.iatt[k]
		switch j.h.Policy {
		case PolicySize:
			return compare(a.Size, b.Size)
		case PolicyCtime:
			return compareTimes(a.Ctime, b.Ctime)
		case PolicyMtime:
			return compareTimes(a.Mtime, b.Mtime)
		}
		return 0
	}
	switch j.h.Policy {
	case PolicyNone:
		return 0
	case PolicyMajority:
		return j.majority(c, among)
	}
	for i := range among.Each {
		wins := true
		for k := range (among &^ changelog.Of(i)).Each {
			wins = wins && more(i, k) > 0
		}
		if wins {
			return changelog.Of(i)
		}
	}
	return 0
}

// majority returns a copy whose size and mtime more than half of all children have.
func (j *job) majority(c *copies, among set) set {
	for i := range among.Each {
		n := 0
		for k := range among.Each {
			if c.iatt[i].Size == c.iatt[k].Size && c.iatt[i].Mtime == c.iatt[k].Mtime {
				n++
			}
		}
		if 2*n > len(j.h.children) {
			return changelog.Of(i)
		}
	}
	return 0
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareTimes(a, b fop.Time) int {
	switch {
	case a.Before(b):
		return -1
	case b.Before(a):
		return 1
	}
	return 0
}
