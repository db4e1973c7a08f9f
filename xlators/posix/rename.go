package posix

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// A move is one rename under way.
type move struct {
	from, to         *inode // the parents
	oldName, newName string
	in               *inode // what is renamed
	victim           *inode // what newName refers to before, if anything
	flags            uint32
	t                fop.Time
}

// Rename implements xlator.Entries.
func (b *brick) Rename(_ context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	if q.Flags&^(fop.RenameNoReplace|fop.RenameExchange) != 0 || q.Flags == fop.RenameNoReplace|fop.RenameExchange {
		return nil, syscall.EINVAL
	}
	from, preOld, err := b.toRemove(q.OldParent, q.OldName, q.Caller)
	if err != nil {
		return nil, err
	}
	defer b.put(from)
	to, preNew, err := b.toRemove(q.NewParent, q.NewName, q.Caller)
	if err != nil {
		return nil, err
	}
	defer b.put(to)
	m := &move{from: from, to: to, oldName: q.OldName, newName: q.NewName, flags: q.Flags, t: now(q.Caller)}
	unlock := b.names.lock(b.names.ofName(from.gfid, q.OldName), b.names.ofName(to.gfid, q.NewName))
	defer unlock()
	done, err := b.resolveMove(m)
	if m.in != nil {
		defer b.put(m.in)
	}
	if m.victim != nil {
		defer b.put(m.victim)
	}
	if err != nil {
		return nil, err
	}
	r := &fop.RenameReply{PreOldDir: preOld, PreNewDir: preNew}
	if done {
		r.PostOldDir, r.PostNewDir = preOld, preNew
		r.Iatt, err = b.attrs(m.in)
		return r, err
	}
	if r.Replaced, err = b.move(m); err != nil {
		return nil, err
	}
	r.Iatt = b.after(m.in, timeC, m.t)
	r.PostOldDir = b.after(from, timeC|timeM, m.t)
	r.PostNewDir = r.PostOldDir
	if to != from {
		r.PostNewDir = b.after(to, timeC|timeM, m.t)
	}
	return r, nil
}

// resolveMove pins what the names refer to. done: there is nothing to do, because they
// refer to one inode.
func (b *brick) resolveMove(m *move) (done bool, err error) {
	var st unix.Statx_t
	if m.in, err = b.childLocked(m.from, m.oldName, &st); err != nil {
		return false, staleDir(m.from, err)
	}
	m.victim, err = b.childLocked(m.to, m.newName, &st)
	switch {
	case err == nil && m.flags == fop.RenameNoReplace:
		return false, syscall.EEXIST
	case err == nil:
		return m.victim == m.in, nil
	case fop.Errno(err) != syscall.ENOENT || m.flags == fop.RenameExchange:
		return false, staleDir(m.to, err)
	}
	return false, nil
}

// move renames. Both names' stripes are held.
func (b *brick) move(m *move) (replaced fop.Iatt, err error) {
	if m.victim == nil {
		unlock := b.gfids.lock(b.gfids.of(m.in.gfid))
		defer unlock()
	} else {
		unlock := b.gfids.lock(b.gfids.of(m.in.gfid), b.gfids.of(m.victim.gfid))
		defer unlock()
	}
	if m.flags == fop.RenameExchange {
		return fop.Iatt{}, b.exchange(m)
	}
	undo := func() {}
	last := false
	if m.victim != nil {
		if replaced, err = b.attrs(m.victim); err != nil {
			return replaced, err
		}
		if m.victim.typ != fop.TypeDir && m.in.typ != fop.TypeDir && replaced.Nlink == 1 {
			if err := b.park(m.victim); err != nil {
				return replaced, err
			}
			last, undo = true, func() { b.unpark(m.victim) }
		}
	}
	b.recordMove(m.in, m.to, m.newName)
	if err := unix.Renameat2(m.from.fd, m.oldName, m.to.fd, m.newName, uint(m.flags)); err != nil {
		undo()
		b.forgetName(m.in, m.to, m.newName)
		if err == syscall.EEXIST && m.flags != fop.RenameNoReplace {
			err = syscall.ENOTEMPTY // XFS says it so
		}
		return replaced, staleDir(m.to, err)
	}
	b.noteMove(m.in, m.from, m.oldName, m.to, m.newName)
	if m.victim != nil {
		replaced = b.replaced(m, replaced, last)
	}
	return replaced, nil
}

// recordMove records the name that a non-directory is about to get.
func (b *brick) recordMove(in, p *inode, name string) {
	if in.typ != fop.TypeDir {
		b.addPath(in, p.gfid, name)
	}
}

// forgetName forgets a name that a non-directory had or was to get.
func (b *brick) forgetName(in, p *inode, name string) {
	if in.typ != fop.TypeDir {
		b.delPath(in, p.gfid, name)
	}
}

// noteMove brings what the brick notes about in's name from the old one to the new.
func (b *brick) noteMove(in, from *inode, oldName string, to *inode, newName string) {
	if in.typ != fop.TypeDir {
		b.delPath(in, from.gfid, oldName)
		return
	}
	if err := b.setDirHandle(in.gfid, to.gfid, newName); err != nil {
		b.log.Error("the handle of a renamed directory is stale; the next start's first lookup of the name corrects it",
			"gfid", in.gfid, "error", err)
	}
}

// replaced brings the one that lost its name to its end and returns its attributes. last:
// that was its last name, and its handle is parked.
func (b *brick) replaced(m *move, a fop.Iatt, last bool) fop.Iatt {
	v := m.victim
	switch {
	case v.typ == fop.TypeDir:
		b.dirGone(v)
	case !last:
		b.delPath(v, m.to.gfid, m.newName)
		return b.after(v, timeC, m.t)
	case v.opens.Load() > 0:
		return b.after(v, timeC, m.t)
	default:
		b.discardParked(v)
		v.changed()
	}
	a.Nlink = 0
	a.Ctime = a.Ctime.Later(m.t)
	return a
}

// exchange swaps two names.
func (b *brick) exchange(m *move) error {
	b.recordMove(m.in, m.to, m.newName)
	b.recordMove(m.victim, m.from, m.oldName)
	if err := unix.Renameat2(m.from.fd, m.oldName, m.to.fd, m.newName, unix.RENAME_EXCHANGE); err != nil {
		b.forgetName(m.in, m.to, m.newName)
		b.forgetName(m.victim, m.from, m.oldName)
		return err
	}
	b.noteMove(m.in, m.from, m.oldName, m.to, m.newName)
	b.noteMove(m.victim, m.to, m.newName, m.from, m.oldName)
	b.after(m.victim, timeC, m.t)
	return nil
}
