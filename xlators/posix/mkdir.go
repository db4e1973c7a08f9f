package posix

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// Mkdir implements xlator.Entries.
func (b *brick) Mkdir(_ context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	if q.GFID.IsZero() || q.GFID == fop.RootGFID {
		return nil, syscall.EINVAL
	}
	if err := b.room(q.Caller); err != nil {
		return nil, err
	}
	p, err := b.getDir(q.Parent)
	if err != nil {
		return nil, err
	}
	defer b.put(p)
	if err := checkEntry(q.Parent, q.Name, q.Caller); err != nil {
		return nil, err
	}
	pre, err := b.before(p)
	if err != nil {
		return nil, err
	}
	o, acl, err := b.inherit(p, &pre, q.Caller, q.Mode, q.Umask, fop.TypeDir)
	if err != nil {
		return nil, err
	}
	t := now(q.Caller)
	in, err := b.makeDir(p, q, &o, acl, t)
	if err == errExists {
		in, err = b.replaceDir(p, q, &o, acl, t)
	}
	if err != nil {
		return nil, staleDir(p, err)
	}
	defer b.put(in)
	a, err := b.attrs(in)
	if err != nil {
		return nil, err
	}
	return &fop.EntryReply{Iatt: a, PreDir: pre, PostDir: b.after(p, timeC|timeM, t)}, nil
}

// makeDir makes the directory in staging, then moves it into place.
// errExists: there is a handle for its GFID.
func (b *brick) makeDir(p *inode, q *fop.MkdirReq, o *owner, acl []byte, t fop.Time) (in *inode, err error) {
	unlock := b.gfids.lock(b.gfids.of(q.GFID))
	defer unlock()
	if b.exists(p, q.Name) {
		return nil, syscall.EEXIST
	}
	tmp := q.GFID.String()
	if err := unix.Mkdirat(b.staging, tmp, o.mode); err != nil {
		return nil, err
	}
	rel := string(appendRel(nil, q.GFID))
	handle := false
	defer func() {
		if err == nil {
			return
		}
		if handle {
			_ = unix.Unlinkat(b.dot, rel, 0)
		}
		_ = unix.Unlinkat(b.staging, tmp, unix.AT_REMOVEDIR)
		if in != nil {
			in.gone.Store(true)
			b.table.drop(in)
			b.put(in)
		}
	}()
	in, err = b.dressDir(q, tmp, o, acl, t)
	if err != nil {
		return in, err
	}
	target := handleTarget(p.gfid, q.Name)
	err = b.inHandleDir(q.GFID, func() error { return unix.Symlinkat(target, b.dot, rel) })
	if err == syscall.EEXIST {
		return in, errExists
	}
	if err != nil {
		return in, err
	}
	handle = true
	return in, unix.Renameat2(b.staging, tmp, p.fd, q.Name, unix.RENAME_NOREPLACE)
}

// exists reports whether p has the name.
func (b *brick) exists(p *inode, name string) bool {
	var st unix.Statx_t
	return statAt(p.fd, name, &st) == nil
}

// dressDir opens the new directory, gives it owner and xattrs, and puts it in the table.
func (b *brick) dressDir(q *fop.MkdirReq, tmp string, o *owner, acl []byte, t fop.Time) (*inode, error) {
	fd, err := unix.Openat(b.staging, tmp, dirFlags, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Statx_t
	in := &inode{gfid: q.GFID, typ: fop.TypeDir, fd: fd}
	err = statFd(fd, &st)
	in.id = identOf(&st)
	if err == nil {
		err = chownNew(in, b.dot, o)
	}
	if err == nil && uint32(st.Mode)&07777 != o.mode { // mkdir(2) ignores S_ISUID and S_ISGID
		err = unix.Fchmod(fd, o.mode)
	}
	if err == nil {
		err = b.setNew(in, xattrGFID, q.GFID[:])
	}
	if err == nil {
		err = b.dressAny(in, mdataAt(t), acl, q.Xattrs, q.Mark)
	}
	if err == nil && o.inherits != nil {
		err = b.setNew(in, xattrACLDefault, o.inherits)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	b.table.add(in)
	return in, nil
}

// replaceDir makes the directory although there is a handle for its GFID, if that leads
// nowhere: EEXIST otherwise.
func (b *brick) replaceDir(p *inode, q *fop.MkdirReq, o *owner, acl []byte, t fop.Time) (*inode, error) {
	in, err := b.get(q.GFID)
	if err == nil {
		b.put(in)
		return nil, syscall.EEXIST
	}
	if fop.Errno(err) != syscall.ESTALE {
		return nil, err
	}
	unlock := b.gfids.lock(b.gfids.of(q.GFID))
	err = unix.Unlinkat(b.dot, string(appendRel(nil, q.GFID)), 0)
	unlock()
	if err != nil && err != syscall.ENOENT {
		return nil, err
	}
	in, err = b.makeDir(p, q, o, acl, t)
	if err == errExists {
		err = syscall.EEXIST // somebody was faster
	}
	return in, err
}
