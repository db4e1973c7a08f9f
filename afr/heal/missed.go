package heal

import (
	"context"
	"iter"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// missed asks those who blame the sinks which bytes these have missed, under the whole
// inode's lock; nil: nobody can say, and the whole file is to be compared. Elsewhere the sinks
// are what the source is, because
//
//   - every change of data that a sink had no part in, or may have forgotten, was of a client that
//     blamed it: on a quorum of good copies, of which one at least has answered;
//   - each of those who blame it knows what each of its counters stands for (package missed);
//   - nobody else was in the middle of a change: no copy that is not a sink is dirty. (A sink that is
//     was lost in the middle of one, and blamed for all of it, or the others are dirty too. Healers who
//     clean these up blame sinks that are away with counters that stand for anything.)
func (j *job) missed(ctx context.Context, l *lock, c *copies, t *transfer) *fop.Spans {
	d := c.m.Direct(changelog.Data, j.h.Quorum, j.h.stores())
	if j.full || j.source >= 0 || d.Doubt != changelog.Certain || d.Differ || c.m.Unread != 0 {
		return nil
	}
	all := &fop.Spans{}
	for i := range c.m.Replied.Each {
		blames := false
		for k := range len(j.h.children) {
			blames = blames || c.m.Pending[i][k][changelog.Data] != 0
		}
		switch {
		case t.to.Has(i) && blames, !t.to.Has(i) && c.m.Dirty[i][changelog.Data] != 0:
			return nil
		case !blames:
			continue
		}
		known := j.knows(ctx, l, i)
		for k := range len(j.h.children) {
			if known.Covered[j.h.Keys[k]] != c.m.Pending[i][k][changelog.Data] {
				return nil
			}
		}
		for _, s := range known.Spans.All() {
			all.Add(s)
		}
	}
	for k := range t.to.Each {
		if c.m.Pending[t.from][k][changelog.Data] == 0 {
			return nil
		}
	}
	j.h.Log.Debug("healing what was missed only", "gfid", j.gfid, "to", t.to, "spans", len(all.All()))
	return all
}

// knows asks child i what it knows of bytes that others missed: nothing, if it does not say.
func (j *job) knows(ctx context.Context, l *lock, i int) (m fop.Missed) {
	q := &fop.GetxattrReq{Req: l.req(i), GFID: j.gfid, Name: fop.MissedXattr, Internal: true}
	r, err := j.h.children[i].Getxattr(ctx, q)
	if err != nil || len(r.Xattrs) != 1 {
		return m
	}
	if m, err = fop.ParseMissed(r.Xattrs[0].Value); err != nil {
		j.h.Log.Error("healing: what a brick says that others missed cannot be read; all is compared", "child", j.h.Names[i], "gfid", j.gfid, "error", err)
	}
	return m
}

const (
	// scattered is how many pieces, and afield how many bytes from the first to the last, are
	// healed under one lock of a range.
	scattered = 64
	afield    = 16 * stretch
)

// next returns what is to be healed next under one lock, from off on; empty: nothing is left.
func (t *transfer) next(off int64) fop.Span {
	much := int64(t.j.turn.much(window, stretch))
	if t.where == nil {
		return fop.Span{Off: off, End: min(off+much, t.size)}
	}
	out := fop.Span{Off: t.size, End: t.size}
	pieces, sum := 0, int64(0)
	for s := range t.where.Within(fop.Span{Off: off, End: t.size}) {
		if pieces == 0 {
			out.Off = s.Off
		}
		if pieces == scattered || pieces > 0 && s.End-out.Off > afield {
			break
		}
		pieces++
		sum += s.End - s.Off
		out.End = s.End
		if sum >= much {
			out.End -= sum - much
			break
		}
	}
	return out
}

// windows yields what is to be healed in a range, by windows.
func (t *transfer) windows(off, n int64) iter.Seq[fop.Span] {
	return func(yield func(fop.Span) bool) {
		for w := off; w < off+n; w += window {
			one := fop.Span{Off: w, End: min(w+window, off+n)}
			if t.where == nil {
				if !yield(one) {
					return
				}
				continue
			}
			for s := range t.where.Within(one) {
				if !yield(s) {
					return
				}
			}
		}
	}
}
