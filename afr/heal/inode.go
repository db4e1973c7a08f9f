package heal

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// attrsAndData heals what the whole inode's lock guards.
func (j *job) attrsAndData(ctx context.Context, typ fop.FileType) error {
	l := j.h.newLock(j.gfid)
	if err := j.turn.wait(ctx, l); err != nil {
		return err
	}
	c := j.h.look(ctx, l, j.gfid)
	if !j.h.Quorum.Met(c.m.Replied) || c.broken != "" {
		l.release(ctx)
		j.out.note(Partly, "bricks came or went")
		return nil
	}
	var u undo
	changed, err := j.attrs(ctx, l, c, &u)
	if err != nil {
		l.release(ctx)
		return err
	}
	if typ != fop.TypeReg {
		j.settle(ctx, l, changed, u)
		return nil
	}
	return j.data(ctx, l, c, changed, u)
}

// settle makes all copies durable, also those that clients have changed, then changes the
// marks and gives up the lock. If one cannot be made durable, nobody's marks change.
func (j *job) settle(ctx context.Context, l *lock, changed set, u undo) {
	if !u.empty() {
		changed = l.held
	}
	if ok := l.sync(ctx, changed); ok != changed {
		l.release(ctx)
		j.out.note(Failed, "what was healed could not be made durable")
		return
	}
	if l.settle(ctx, u) != 0 {
		j.out.note(Partly, "some marks could not be undone")
		return
	}
	if !u.empty() {
		j.out.note(Healed, "")
	}
}

func (u *undo) empty() bool {
	for i := range u.deltas {
		if len(u.deltas[i]) > 0 {
			return false
		}
	}
	return true
}

// doubt notes why there is no source.
func (j *job) doubt(d changelog.Direction, k changelog.Class) {
	if d.Doubt == changelog.Wait {
		j.out.note(Partly, "the right copy may be on a brick that is away")
		return
	}
	j.out.note(SplitBrain, "all copies have missed changes of "+k.String())
}

// times gives the children in to the times of the one in from.
func (j *job) times(ctx context.Context, l *lock, to set, from *fop.Iatt) (ok set) {
	got := on(to, func(i int) (*fop.InodeReply, error) {
		return j.h.children[i].Setattr(ctx, &fop.SetattrReq{Req: l.req(i), GFID: j.gfid, Valid: fop.SetAtime | fop.SetMtime | fop.SetCtime,
			Atime: from.Atime, Mtime: from.Mtime, Ctime: from.Ctime})
	})
	for i := range to.Each {
		if got[i].Err == nil {
			ok |= changelog.Of(i)
		} else {
			j.refused(i, "setting times", got[i].Err)
		}
	}
	return ok
}

// refused notes that a child did not do what it was asked.
func (j *job) refused(i int, what string, err error) {
	if fop.IsDown(err) {
		j.out.note(Partly, "a brick went away")
		return
	}
	j.h.Log.Warn("healing: a brick refused", "child", j.h.Names[i], "gfid", j.gfid, "what", what, "error", err)
	j.out.note(Failed, j.h.Names[i]+": "+what+": "+err.Error())
}
