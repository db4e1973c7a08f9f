package afr

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// cleanliness remembers that, a moment ago, all bricks were up and none accused any
// other of anything. Then one brick's word is as good as all bricks'.
type cleanliness struct {
	until  atomic.Int64 // unix nanoseconds up to which this is believed
	spoils atomic.Uint64
	asked  atomic.Int64 // unix nanoseconds of the last time somebody wanted to know
}

// now reports whether the whole set is clean.
func (c *cleanliness) now() bool {
	t := time.Now().UnixNano()
	c.asked.Store(t)
	return t < c.until.Load()
}

// cleanOf reports whether one brick's word about g is as good as all bricks'. A file that has
// no name any more lives on a brick only while it is open there. If the good copies end with
// their bricks' processes or connections, so do the marks against a stale copy, and what is
// left looks clean. So after a brick came or went, what is open has to be seen on a quorum first.
func (r *replicate) cleanOf(g fop.GFID, st *state) bool {
	if !r.clean.now() {
		return false
	}
	in := r.inodes.peek(g)
	if in == nil {
		return true
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.opened == 0 || in.opened == st.sum
}

// spoil ends the belief: a brick came or went, or something was missed.
func (c *cleanliness) spoil() {
	c.spoils.Add(1)
	c.until.Store(0)
}

// poll asks the bricks again, if anybody wants to know. It is called a few times a
// second, and an answer holds as long as kernels cache attributes.
func (c *cleanliness) poll(r *replicate) {
	start := time.Now()
	if start.UnixNano()-c.asked.Load() > int64(2*time.Second) || c.until.Load()-start.UnixNano() > int64(freshFor/2) {
		return
	}
	spoils := c.spoils.Load()
	if r.state.Load().up != r.all() {
		return
	}
	if !r.nothingPending(context.Background()) {
		return
	}
	c.until.Store(start.Add(freshFor).UnixNano())
	if c.spoils.Load() != spoils {
		c.until.Store(0)
	}
}

// nothingPending asks all children for fop.CleanXattr, and reports whether each says 0.
func (r *replicate) nothingPending(ctx context.Context) bool {
	q := &fop.GetxattrReq{Req: fop.Req{Caller: internalCaller}, GFID: fop.RootGFID, Name: fop.CleanXattr, Internal: true}
	got := xlator.Wind(ctx, r.children, xlator.Xlator.Getxattr, q)
	for _, a := range got {
		if a.Err != nil || len(a.Reply.Xattrs) != 1 || string(a.Reply.Xattrs[0].Value) != "0" {
			return false
		}
	}
	return true
}

// invalidated is told by child i that another client blamed a brick for having missed a
// change of an inode. That client's program hears of the change only when this client has
// said that it relies no more on what it saw before.
func (r *replicate) invalidated(i int, e xlator.Event) {
	r.clean.spoil() // first: see remember
	r.inodes.forgetKnown(e.GFID)
	if e.Name != "" {
		r.keeper.spawn(func() {
			q := &fop.GetxattrReq{Req: fop.Req{Caller: internalCaller}, GFID: fop.RootGFID, Name: fop.HeardXattr + e.Name, Internal: true}
			if _, err := r.children[i].Getxattr(context.Background(), q); err != nil {
				r.log.Debug("a brick does not hear that it was heard", "child", r.names[i], "error", err)
			}
		})
	}
	r.w.Tell(xlator.Event{Kind: xlator.Invalidate, GFID: e.GFID})
}
