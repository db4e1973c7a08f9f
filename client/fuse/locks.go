package fuse

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// lkTypes are fop's lock types in the order of F_RDLCK, F_WRLCK, F_UNLCK.
var lkTypes = [...]fop.LkType{syscall.F_RDLCK: fop.LkRead, syscall.F_WRLCK: fop.LkWrite, syscall.F_UNLCK: fop.LkUnlock}

// lock performs a lock request of a program, POSIX or flock.
func (b *Bridge) lock(ctx context.Context, in *gofuse.LkIn, cmd fop.LkCmd) (*fop.LkReply, gofuse.Status) {
	h := b.files.get(in.Fh)
	if h == nil {
		return nil, gofuse.EBADF
	}
	if int(in.Lk.Typ) >= len(lkTypes) {
		return nil, gofuse.EINVAL
	}
	q := &fop.LkReq{Req: b.req(&in.InHeader), Cmd: cmd, Type: lkTypes[in.Lk.Typ], Owner: fop.LkOwner(in.Owner),
		PID: in.Lk.Pid, Start: in.Lk.Start, End: in.Lk.End, Flock: in.LkFlags&gofuse.LK_FLOCK != 0}
	if cmd != fop.LkGet && q.Type != fop.LkUnlock && !q.Flock {
		h.node.locked.Store(true)
	}
	r, err := h.file.Lk(ctx, q)
	return r, status(err)
}

// GetLk is F_GETLK.
func (b *Bridge) GetLk(_ <-chan struct{}, in *gofuse.LkIn, out *gofuse.LkOut) gofuse.Status {
	r, st := b.lock(background, in, fop.LkGet)
	if !st.Ok() {
		return st
	}
	out.Lk.Typ = syscall.F_UNLCK
	for typ, t := range lkTypes {
		if t == r.Type && t != fop.LkUnlock {
			out.Lk = gofuse.FileLock{Typ: uint32(typ), Pid: r.PID, Start: r.Start, End: r.End}
		}
	}
	return gofuse.OK
}

// SetLk is F_SETLK and flock(2) with LOCK_NB.
func (b *Bridge) SetLk(_ <-chan struct{}, in *gofuse.LkIn) gofuse.Status {
	_, st := b.lock(background, in, fop.LkSet)
	return st
}

// SetLkw is F_SETLKW and flock(2): it waits, until a signal at most.
func (b *Bridge) SetLkw(cancel <-chan struct{}, in *gofuse.LkIn) gofuse.Status {
	_, st := b.lock(&gofuse.Context{Cancel: cancel}, in, fop.LkWait)
	return st
}
