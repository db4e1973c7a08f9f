package posix

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// Setattr implements xlator.Inodes. The mode of a symlink is not changed.
func (b *brick) Setattr(_ context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	pre, err := b.before(in)
	if err != nil {
		return nil, err
	}
	if q.Valid&(fop.SetUID|fop.SetGID) != 0 { // before the mode: chown(2) clears bits of it
		if err := b.chown(in, q); err != nil {
			return nil, err
		}
	}
	if q.Valid&fop.SetMode != 0 && in.typ != fop.TypeLink {
		if err := b.chmod(in, q.Mode&07777); err != nil {
			return nil, err
		}
	}
	if q.Valid&(fop.SetAtime|fop.SetMtime|fop.SetCtime) != 0 {
		if err := b.utimes(in, q); err != nil {
			return nil, err
		}
	}
	which := timeC
	if q.Valid&fop.SetCtime != 0 || !b.hasMdata(in) && q.Valid&(fop.SetMode|fop.SetUID|fop.SetGID) == 0 {
		which = 0 // a bare utimes begins no mdata
	}
	return &fop.InodeReply{Pre: pre, Post: b.after(in, which, now(q.Caller))}, nil
}

func (b *brick) hasMdata(in *inode) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	b.load(in)
	return in.hasMd
}

func (b *brick) chown(in *inode, q *fop.SetattrReq) error {
	uid, gid := -1, -1
	if q.Valid&fop.SetUID != 0 {
		uid = int(q.UID)
	}
	if q.Valid&fop.SetGID != 0 {
		gid = int(q.GID)
	}
	if in.fd >= 0 {
		return unix.Fchown(in.fd, uid, gid)
	}
	return b.atHandle(in, func(rel string) error {
		return unix.Fchownat(b.dot, rel, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	})
}

func (b *brick) chmod(in *inode, mode uint32) error {
	if in.fd >= 0 {
		return unix.Fchmod(in.fd, mode)
	}
	return b.atHandle(in, func(rel string) error { return unix.Fchmodat(b.dot, rel, mode, 0) })
}

// utimes sets times to what the request says, also backwards, in mdata and on the inode
// itself for those who read the disk without gofs.
func (b *brick) utimes(in *inode, q *fop.SetattrReq) error {
	omit := unix.Timespec{Nsec: unix.UTIME_OMIT}
	ts := []unix.Timespec{omit, omit}
	for i, t := range []struct {
		set fop.SetattrValid
		t   fop.Time
	}{{fop.SetAtime, q.Atime}, {fop.SetMtime, q.Mtime}} {
		if q.Valid&t.set == 0 {
			continue
		}
		if t.t.Nsec > 999_999_999 {
			return syscall.EINVAL
		}
		ts[i] = unix.Timespec{Sec: t.t.Sec, Nsec: int64(t.t.Nsec)}
	}
	var err error
	if in.fd >= 0 {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, procPath(in.fd), ts, 0)
	} else {
		err = b.atHandle(in, func(rel string) error {
			return unix.UtimesNanoAt(b.dot, rel, ts, unix.AT_SYMLINK_NOFOLLOW)
		})
	}
	if err != nil {
		return err
	}
	in.mu.Lock()
	b.load(in)
	if q.Valid&fop.SetCtime != 0 {
		b.beginMdata(in, timeC, q.Ctime)
		in.md.ctime = q.Ctime
	}
	if in.hasMd {
		if q.Valid&fop.SetAtime != 0 {
			in.md.atime = q.Atime
		}
		if q.Valid&fop.SetMtime != 0 {
			in.md.mtime = q.Mtime
		}
		in.dirty = true
	}
	dirty := in.dirty
	in.mu.Unlock()
	if dirty {
		b.dirty.add(in)
	}
	return nil
}

// Truncate implements xlator.Inodes. EISDIR, EINVAL: not a regular file.
func (b *brick) Truncate(_ context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	if in.typ == fop.TypeDir {
		return nil, syscall.EISDIR
	}
	if in.typ != fop.TypeReg || q.Size > 1<<63-1 {
		return nil, syscall.EINVAL
	}
	pre, err := b.before(in)
	if err != nil {
		return nil, err
	}
	if err := b.atPath(in, func(path string) error { return unix.Truncate(path, int64(q.Size)) }); err != nil {
		return nil, err
	}
	return &fop.InodeReply{Pre: pre, Post: b.after(in, timeC|timeM, now(q.Caller))}, nil
}
