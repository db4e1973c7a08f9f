package heal

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A lock is held on as many children as could be reached. It is used by one goroutine;
// others may make requests under it.
type lock struct {
	h        *Healer
	gfid     fop.GFID
	domain   string
	entry    bool // all names of a directory, else a range
	start, n int64
	owner    fop.LkOwner
	held     set
	session  [changelog.MaxReplicas]uint64
}

// newLock describes the lock of a whole inode.
func (h *Healer) newLock(g fop.GFID) *lock {
	return &lock{h: h, gfid: g, domain: h.Name, owner: fop.LkOwner(h.owners.Add(1))}
}

// everywhere pretends that the lock is held: for looking without one.
func (l *lock) everywhere() *lock {
	l.held = l.h.all()
	return l
}

// req is the header of a request to child i under the lock.
func (l *lock) req(i int) fop.Req { return fop.Req{Caller: caller(), Session: l.session[i]} }

// try takes the lock on all children at once. EAGAIN: somebody has it, and it is held
// nowhere. ENOTCONN: it is held on no quorum, and so nowhere.
func (l *lock) try(ctx context.Context) error {
	got := on(l.h.all(), func(i int) (*fop.LockReply, error) { return l.one(ctx, i, fop.LockTry) })
	refused := false
	for i := range l.h.all().Each {
		refused = refused || fop.Errno(got[i].Err) == syscall.EAGAIN
		l.note(i, got[i])
	}
	if refused {
		l.release(ctx)
		return syscall.EAGAIN
	}
	return l.enough(ctx)
}

// wait takes the lock, if need be one child after the other, in the order that all who
// lock follow.
func (l *lock) wait(ctx context.Context) error {
	if err := l.try(ctx); err != syscall.EAGAIN {
		return err
	}
	for i := range l.h.all().Each {
		r, err := l.one(ctx, i, fop.LockWait)
		l.note(i, xlator.Result[*fop.LockReply]{Reply: r, Err: err})
		if fop.Errno(err) == syscall.EINTR {
			l.release(ctx)
			return syscall.EINTR
		}
	}
	return l.enough(ctx)
}

func (l *lock) enough(ctx context.Context) error {
	if l.h.Quorum.Met(l.held) {
		return nil
	}
	l.release(ctx)
	return errDown
}

func (l *lock) note(i int, a xlator.Result[*fop.LockReply]) {
	if a.Err == nil {
		l.held |= changelog.Of(i)
		l.session[i] = a.Reply.Session
	}
}

func (l *lock) one(ctx context.Context, i int, cmd fop.LockCmd) (*fop.LockReply, error) {
	req := fop.Req{Caller: caller(), Session: l.session[i]}
	if l.entry {
		return l.h.children[i].Entrylk(ctx, &fop.EntrylkReq{Req: req, GFID: l.gfid, Domain: l.domain, Owner: l.owner, Cmd: cmd})
	}
	return l.h.children[i].Inodelk(ctx, &fop.InodelkReq{Req: req, GFID: l.gfid, Domain: l.domain, Owner: l.owner,
		Cmd: cmd, Type: fop.LkWrite, Start: l.start, Len: l.n})
}

// release gives the lock up where it is held. That a connection is lost does not matter:
// the lock went with it.
func (l *lock) release(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	on(l.held, func(i int) (*fop.LockReply, error) { return l.one(ctx, i, fop.LockUnlock) })
	l.held, l.session = 0, [changelog.MaxReplicas]uint64{}
}

// An undo is what marks to change on each child, and which names are healed.
type undo struct {
	deltas [changelog.MaxReplicas][]fop.Xattr
	names  []string
}

// settle changes marks and gives the lock up, which is of a whole inode or of all names,
// in one message, if they need not last. It returns the children that failed to store the marks.
func (l *lock) settle(ctx context.Context, u undo) (failed set) {
	ctx = context.WithoutCancel(ctx)
	last := l.h.toLast(u) & l.held
	got := on(l.held, func(i int) (*fop.ReleaseReply, error) {
		it := fop.ReleaseItem{GFID: l.gfid, Domain: l.domain, Owner: l.owner, Entry: l.entry, NoUnlock: last != 0, Undo: u.deltas[i], EntryDelete: u.names}
		return l.h.children[i].Release(ctx, &fop.ReleaseReq{Req: l.req(i), Items: []fop.ReleaseItem{it}})
	})
	for i := range l.held.Each {
		if got[i].Err != nil || len(got[i].Reply.Errnos) != 1 || got[i].Reply.Errnos[0] != 0 {
			failed |= changelog.Of(i)
			l.h.Log.Debug("marks stay on a brick that could not undo them", "child", l.h.Names[i], "gfid", l.gfid, "error", got[i].Err)
		}
	}
	if last != 0 {
		failed |= last &^ l.sync(ctx, last&^failed)
		l.release(ctx)
	}
	l.held = 0
	return failed
}

// sync makes durable, on the children in s, what was changed of the inode, and returns
// those that could.
func (l *lock) sync(ctx context.Context, s set) (ok set) {
	got := on(s, func(i int) (*fop.ReleaseReply, error) {
		it := fop.ReleaseItem{GFID: l.gfid, Domain: l.domain, Owner: l.owner, NoUnlock: true}
		return l.h.children[i].Release(ctx, &fop.ReleaseReq{Req: l.req(i), Sync: true, Items: []fop.ReleaseItem{it}})
	})
	for i := range s.Each {
		if got[i].Err == nil {
			ok |= changelog.Of(i)
		}
	}
	return ok
}
