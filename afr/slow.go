package afr

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// slowness is which children do not answer in time. A brick whose disk hangs would hold up
// every change, which waits for all live bricks. It is given up, and healed later, if
// those that do answer can go on without it, and lack nothing that only it may have.
type slowness struct {
	mu      sync.Mutex
	told    [changelog.MaxReplicas]time.Time // guarded by mu; when a child last was slow
	judging bool                             // guarded by mu
}

const (
	// slowFor is how long a child counts as slow after the last word of it, which is
	// repeated several times a second.
	slowFor = 2 * time.Second
	// judgement bounds the question to the others.
	judgement = 3 * time.Second
)

// childSlow is told that child i keeps a request waiting. It does not block.
func (r *replicate) childSlow(i int, reason string) {
	r.slow.mu.Lock()
	defer r.slow.mu.Unlock()
	r.slow.told[i] = time.Now()
	if r.slow.judging {
		return
	}
	r.slow.judging = true
	r.keeper.spawn(func() {
		r.judge(i, reason)
		r.slow.mu.Lock()
		defer r.slow.mu.Unlock()
		r.slow.judging = false
	})
}

// judge gives up child i if the others are enough.
func (r *replicate) judge(i int, reason string) {
	up := r.state.Load().up
	rest := up &^ r.slow.now()
	e, can := r.children[i].(xlator.Ejector)
	ctx, cancel := context.WithTimeout(context.Background(), judgement) // the keeper waits for it
	defer cancel()
	if !can || !up.Has(i) || !r.usable(rest) || !r.knowAll(rest) || !r.accuseOthers(ctx, rest) {
		return
	}
	r.log.Warn("a brick is slow, and the others go on without it", "child", r.names[i], "reason", reason)
	e.Eject(reason)
}

// knowAll reports whether the children in s know of all changes that were acknowledged: the
// others are no quorum, and so made none without one of s, which was then told who missed it.
func (r *replicate) knowAll(s set) bool { return !r.quorum.Met(r.all() &^ s) }

// accuseOthers asks the children in s, and reports whether none of them accuses one of them,
// of any inode.
func (r *replicate) accuseOthers(ctx context.Context, s set) bool {
	q := &fop.GetxattrReq{Req: fop.Req{Caller: internalCaller}, GFID: fop.RootGFID, Name: fop.AccusedXattr, Internal: true}
	idx := r.indexes(s)
	got := xlator.Each(len(idx), func(k int) (*fop.GetxattrReply, error) { return r.children[idx[k]].Getxattr(ctx, q) })
	for _, a := range got {
		if a.Err != nil || len(a.Reply.Xattrs) != 1 {
			return false
		}
		accused := strings.Split(string(a.Reply.Xattrs[0].Value), ",")
		if slices.Contains(accused, fop.AccusedAny) {
			return false
		}
		for i := range s.Each {
			if slices.Contains(accused, r.keys[i]) {
				return false
			}
		}
	}
	return true
}

// now is who is slow.
func (s *slowness) now() (slow set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.told {
		if time.Since(t) < slowFor {
			slow |= changelog.Of(i)
		}
	}
	return slow
}
