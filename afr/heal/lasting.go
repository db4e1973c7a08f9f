package heal

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// toLast returns the children whose marks have to be durable before anybody changes the inode
// again: a brick that loses power right after healing comes back with the marks as they were.
//
//   - A copy that was healed may be the only one to know whom its source blames. Nothing is dirty any
//     more, so that nobody would tell it (Vouch).
//   - Where one brick is a quorum, the other one may meanwhile go on alone, and blame it. If it came
//     back with blame that was undone, that would be a split-brain. A quorum of others outvotes it.
func (h *Healer) toLast(u undo) (s set) {
	alone := false
	for i := range h.children {
		alone = alone || h.Quorum.Met(changelog.Of(i))
	}
	for i, deltas := range u.deltas {
		for _, x := range deltas {
			d, _ := changelog.Parse(x.Value)
			for _, n := range d {
				if x.Name != changelog.DirtyKey && n != 0 && (alone || int32(n) > 0) {
					s |= changelog.Of(i)
				}
			}
		}
	}
	return s
}

// syncAll makes everything durable on the children in s, and returns those that could, and why
// another could not.
func (h *Healer) syncAll(ctx context.Context, s set) (ok set, err error) {
	got := on(s, func(i int) (*fop.ReleaseReply, error) {
		return h.children[i].Release(ctx, &fop.ReleaseReq{Req: fop.Req{Caller: caller()}, Sync: true})
	})
	for i := range s.Each {
		if got[i].Err == nil {
			ok |= changelog.Of(i)
		} else {
			err = got[i].Err
		}
	}
	return ok, err
}

// makeLast makes the marks durable that were changed on the children in last, and then unlocks
// what is locked on those in where.
func (d *dirHeal) makeLast(ctx context.Context, last, where set, items [changelog.MaxReplicas][]fop.ReleaseItem) {
	if ok, err := d.h.syncAll(ctx, last); ok != last {
		d.h.Log.Error("healing: marks could not be made durable", "gfid", d.gfid, "error", err)
		d.postpone("some marks could not be made durable")
	}
	on(where, func(i int) (*fop.ReleaseReply, error) {
		q := &fop.ReleaseReq{Req: d.l.req(i)}
		for _, it := range items[i] {
			if !it.NoUnlock {
				it.Undo = nil
				q.Items = append(q.Items, it)
			}
		}
		return d.h.children[i].Release(ctx, q)
	})
}
