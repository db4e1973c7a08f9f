package posix

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

const xattrLinkto = "trusted.glusterfs.dht.linkto"

// Unlink implements xlator.Entries.
func (b *brick) Unlink(_ context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	p, pre, err := b.toRemove(q.Parent, q.Name, q.Caller)
	if err != nil {
		return nil, err
	}
	defer b.put(p)
	unlockName := b.names.lock(b.names.ofName(p.gfid, q.Name))
	defer unlockName()
	var st unix.Statx_t
	in, err := b.childLocked(p, q.Name, &st)
	if err != nil {
		return nil, staleDir(p, err)
	}
	defer b.put(in)
	switch {
	case in.typ == fop.TypeDir:
		return nil, syscall.EISDIR
	case !q.GFID.IsZero() && q.GFID != in.gfid:
		return nil, syscall.ESTALE
	case q.OnlyLinkto && !b.isLinkto(in, &st):
		return nil, syscall.EBUSY
	}
	t := now(q.Caller)
	a, err := b.unlinkName(in, p, q.Name, t, q.NotLast)
	if err != nil {
		return nil, err
	}
	return &fop.RemoveReply{Iatt: a, PreDir: pre, PostDir: b.after(p, timeC|timeM, t)}, nil
}

// toRemove pins the directory that a name is to be removed from.
func (b *brick) toRemove(parent fop.GFID, name string, c *fop.Caller) (p *inode, pre fop.Iatt, err error) {
	if p, err = b.getDir(parent); err != nil {
		return nil, pre, err
	}
	if err = checkEntry(parent, name, c); err == nil {
		pre, err = b.before(p)
	}
	if err != nil {
		b.put(p)
	}
	return p, pre, err
}

func (b *brick) isLinkto(in *inode, st *unix.Statx_t) bool {
	if in.typ != fop.TypeReg || st.Mode&07777 != unix.S_ISVTX {
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	b.load(in)
	_, ok, err := b.value(in, xattrLinkto)
	return ok && err == nil
}

// unlinkName removes a name of in and, with the last, its handle; notLast: EBUSY instead. The
// name's stripe is held.
func (b *brick) unlinkName(in, p *inode, name string, t fop.Time, notLast bool) (fop.Iatt, error) {
	unlock := b.gfids.lock(b.gfids.of(in.gfid))
	defer unlock()
	var st unix.Statx_t
	if err := statAt(p.fd, name, &st); err != nil {
		return fop.Iatt{}, err
	}
	if st.Nlink > 2 {
		b.delPath(in, p.gfid, name)
		if err := unix.Unlinkat(p.fd, name, 0); err != nil {
			return fop.Iatt{}, err
		}
		return b.after(in, timeC, t), nil
	}
	if notLast {
		return fop.Iatt{}, syscall.EBUSY
	}
	if err := b.loseHandle(in); err != nil {
		return fop.Iatt{}, err
	}
	if err := unix.Unlinkat(p.fd, name, 0); err != nil {
		b.regainHandle(in, p, name)
		return fop.Iatt{}, err
	}
	if in.parked.Load() {
		return b.after(in, timeC, t), nil
	}
	in.gone.Store(true)
	b.table.drop(in)
	st.Nlink = 1 // as if the handle were left
	in.changed()
	b.touchGone(in, t)
	return b.iatt(in, &st), nil
}

// touchGone moves the ctime of an inode that is only in a reply any more.
func (b *brick) touchGone(in *inode, t fop.Time) {
	in.mu.Lock()
	if in.hasMd {
		in.md.merge(timeC, t)
	}
	in.loaded = true // there is nothing to read any more
	in.mu.Unlock()
}

// loseHandle removes the handle of an inode whose last name goes, or parks it if the
// inode is open. in's stripe is held.
func (b *brick) loseHandle(in *inode) error {
	if in.opens.Load() == 0 {
		err := unix.Unlinkat(b.dot, in.rel(), 0)
		if err == syscall.ENOENT {
			return nil
		}
		return err
	}
	return b.park(in)
}

// park moves the handle of in to unlink/. in's stripe is held.
func (b *brick) park(in *inode) error {
	if err := unix.Renameat(b.dot, in.path[in.relAt:], b.parkDir, in.gfid.String()); err != nil {
		return err
	}
	in.parked.Store(true)
	return nil
}

// unpark is the inverse of park.
func (b *brick) unpark(in *inode) {
	if err := unix.Renameat(b.parkDir, in.gfid.String(), b.dot, in.path[in.relAt:]); err != nil {
		b.log.Error("cannot restore a handle; the next lookup of the name will", "gfid", in.gfid, "error", err)
		return
	}
	in.parked.Store(false)
}

// regainHandle undoes loseHandle, because the name could not be removed.
func (b *brick) regainHandle(in, p *inode, name string) {
	if in.parked.Load() {
		b.unpark(in)
		return
	}
	if err := unix.Linkat(p.fd, name, b.dot, in.rel(), 0); err != nil {
		b.log.Error("cannot restore a handle; a lookup after the next start will", "gfid", in.gfid, "error", err)
	}
}

// closed says that a File of in was closed. The last removes a parked inode.
func (b *brick) closed(in *inode) {
	// Under the stripe, because an unlink that saw the inode open parks it.
	unlock := b.gfids.lock(b.gfids.of(in.gfid))
	defer unlock()
	if in.opens.Add(-1) == 0 && in.parked.Load() && !in.gone.Load() {
		b.discardParked(in)
	}
}

// discardParked removes a parked inode for good. in's stripe is held.
func (b *brick) discardParked(in *inode) {
	in.gone.Store(true)
	b.table.drop(in)
	if b.ended.Load() {
		return // the next start empties unlink
	}
	if err := unix.Unlinkat(b.parkDir, in.gfid.String(), 0); err != nil && err != syscall.ENOENT {
		b.log.Warn("cannot remove an unlinked file; the next start will", "gfid", in.gfid, "error", err)
	}
}

// Rmdir implements xlator.Entries.
func (b *brick) Rmdir(_ context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	p, pre, err := b.toRemove(q.Parent, q.Name, q.Caller)
	if err != nil {
		return nil, err
	}
	defer b.put(p)
	unlockName := b.names.lock(b.names.ofName(p.gfid, q.Name))
	defer unlockName()
	var st unix.Statx_t
	in, err := b.childLocked(p, q.Name, &st)
	if err != nil {
		return nil, staleDir(p, err)
	}
	defer b.put(in)
	switch {
	case in.typ != fop.TypeDir:
		return nil, syscall.ENOTDIR
	case !q.GFID.IsZero() && q.GFID != in.gfid:
		return nil, syscall.ESTALE
	}
	t := now(q.Caller)
	if err := b.rmdirName(in, p, q.Name); err != nil {
		return nil, err
	}
	b.touchGone(in, t)
	st.Nlink = 0
	return &fop.RemoveReply{Iatt: b.iatt(in, &st), PreDir: pre, PostDir: b.after(p, timeC|timeM, t)}, nil
}

// rmdirName removes the directory in and its handle. The name's stripe is held.
func (b *brick) rmdirName(in, p *inode, name string) error {
	unlock := b.gfids.lock(b.gfids.of(in.gfid))
	defer unlock()
	if err := unix.Unlinkat(p.fd, name, unix.AT_REMOVEDIR); err != nil {
		return err
	}
	b.dirGone(in)
	return nil
}

// dirGone forgets a directory that was removed, and its handle. in's stripe is held.
func (b *brick) dirGone(in *inode) {
	in.gone.Store(true)
	b.table.drop(in)
	in.changed()
	if err := unix.Unlinkat(b.dot, string(appendRel(nil, in.gfid)), 0); err != nil && err != syscall.ENOENT {
		b.log.Warn("the handle of a removed directory stays behind", "gfid", in.gfid, "error", err)
	}
}
