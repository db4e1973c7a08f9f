package posix

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// statAt stats name in the directory fd; a final symlink is not followed.
func statAt(fd int, name string, st *unix.Statx_t) error {
	return unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_SYNC_AS_STAT, statMask, st)
}

// statFd stats what fd refers to.
func statFd(fd int, st *unix.Statx_t) error {
	return unix.Statx(fd, "", unix.AT_EMPTY_PATH, statMask, st)
}

func typeOf(st *unix.Statx_t) fop.FileType { return fop.TypeOfMode(uint32(st.Mode)) }

// stat stats in. ESTALE if it is no more.
func (b *brick) stat(in *inode, st *unix.Statx_t) error {
	if in.fd >= 0 {
		if err := statFd(in.fd, st); err != nil {
			return err
		}
		if st.Nlink == 0 {
			return syscall.ESTALE
		}
		return nil
	}
	return b.atHandle(in, func(rel string) error { return statAt(b.dot, rel, st) })
}

// atHandle calls f with the path, beneath .glusterfs, of a non-directory's handle. The
// handle may be moved to or from unlink/ at any time, so that one that is not there is
// looked for there too. ESTALE if there is none.
func (b *brick) atHandle(in *inode, f func(rel string) error) error {
	parked := in.parked.Load()
	err := f(in.relIf(parked))
	for i := 0; err == syscall.ENOENT && i < 2; i++ {
		parked = !parked
		err = f(in.relIf(parked))
	}
	if err == syscall.ENOENT {
		return syscall.ESTALE
	}
	return err
}

// atPath is atHandle with an absolute path, for the xattr calls.
func (b *brick) atPath(in *inode, f func(path string) error) error {
	return b.atHandle(in, func(rel string) error {
		if len(rel) == len(in.path)-in.relAt {
			return f(in.path)
		}
		return f(b.dotPath + "/" + rel)
	})
}

// iatt makes of st, which describes in, what clients see.
func (b *brick) iatt(in *inode, st *unix.Statx_t) fop.Iatt {
	a := fop.Iatt{
		GFID: in.gfid, Type: in.typ, Mode: uint32(st.Mode) & 07777, Nlink: st.Nlink,
		UID: st.Uid, GID: st.Gid, Rdev: unix.Mkdev(st.Rdev_major, st.Rdev_minor),
		Size: st.Size, Blksize: st.Blksize, Blocks: st.Blocks,
		Atime: timeOf(st.Atime), Mtime: timeOf(st.Mtime), Ctime: timeOf(st.Ctime),
	}
	if in.typ != fop.TypeDir && a.Nlink > 0 {
		a.Nlink-- // the handle
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	b.load(in)
	if in.hasMd {
		a.Atime, a.Mtime, a.Ctime = in.md.atime, in.md.mtime, in.md.ctime
	}
	if in.loaded && in.bare {
		a.Flags |= fop.IattNoXattrs
	}
	return a
}

func timeOf(t unix.StatxTimestamp) fop.Time { return fop.Time{Sec: t.Sec, Nsec: t.Nsec} }

// attrs stats in and returns its attributes.
func (b *brick) attrs(in *inode) (fop.Iatt, error) {
	gen := in.gen.Load()
	var st unix.Statx_t
	if err := b.stat(in, &st); err != nil {
		return fop.Iatt{}, err
	}
	a := b.iatt(in, &st)
	in.setLast(a, gen)
	return a, nil
}

// setLast keeps a for before, unless in changed since gen was read.
func (in *inode) setLast(a fop.Iatt, gen uint32) {
	in.mu.Lock()
	if in.gen.Load() == gen {
		in.last = a
	}
	in.mu.Unlock()
}

// changed says that in is not what it was.
func (in *inode) changed() {
	in.gen.Add(1)
	in.mu.Lock()
	in.last = fop.Iatt{}
	in.mu.Unlock()
}

// before returns the attributes of in without asking the disk if they are known.
func (b *brick) before(in *inode) (fop.Iatt, error) {
	in.mu.Lock()
	a := in.last
	in.mu.Unlock()
	if a.Known() && !in.gone.Load() {
		return a, nil
	}
	return b.attrs(in)
}

// after returns the attributes of in, which a fop at time t just changed.
func (b *brick) after(in *inode, which times, t fop.Time) fop.Iatt {
	b.touch(in, which, t)
	in.changed()
	a, err := b.attrs(in)
	if err != nil {
		a = fop.Iatt{GFID: in.gfid, Type: in.typ} // removed meanwhile
	}
	return a
}

// touch moves times of in forward to t; they reach the disk later.
func (b *brick) touch(in *inode, which times, t fop.Time) {
	if which == 0 {
		return
	}
	in.mu.Lock()
	b.load(in)
	began := b.beginMdata(in, which, t)
	first := (in.md.merge(which, t) || began) && !in.dirty
	in.dirty = in.dirty || first
	in.mu.Unlock()
	if first {
		b.dirty.add(in)
	}
}

// beginMdata gives in, whose mu is held, an mdata if it has none: t for the times that are
// changed, which the disk has already moved by its own clock, and for the others what it has.
// began: it is to be written.
func (b *brick) beginMdata(in *inode, which times, t fop.Time) (began bool) {
	if in.hasMd {
		return false
	}
	in.hasMd = true
	in.md = mdata{t, t, t}
	var st unix.Statx_t
	if b.stat(in, &st) == nil {
		if which&timeC == 0 {
			in.md.ctime = timeOf(st.Ctime)
		}
		if which&timeM == 0 {
			in.md.mtime = timeOf(st.Mtime)
		}
		if which&timeA == 0 {
			in.md.atime = timeOf(st.Atime)
		}
	}
	return true
}

// load reads the xattrs of in that are worth keeping. in.mu is held. If the disk
// refuses, the next call tries again.
func (b *brick) load(in *inode) {
	if in.loaded {
		return
	}
	names, err := b.listx(in)
	if err != nil {
		return
	}
	var buf [256]byte
	in.bare, in.xs, in.hasMd, in.defACL = true, nil, false, nil
	for _, n := range names {
		if !internalName(n) {
			in.bare = false
			if n != xattrACLDefault {
				continue
			}
		} else if n != xattrMdata && !cachedName(n) {
			continue
		}
		v, err := b.getx(in, n, buf[:])
		if err != nil {
			if err == syscall.ENODATA {
				continue
			}
			return
		}
		switch n {
		case xattrMdata:
			in.md, in.hasMd = decodeMdata(v)
		case xattrACLDefault:
			in.defACL = append([]byte(nil), v...)
		default:
			in.keep(n, v)
		}
	}
	in.loaded = true
}

// keep remembers the value of a cachedName. in.mu is held.
func (in *inode) keep(name string, v []byte) {
	if len(v) <= 64 {
		v = append(make([]byte, 0, len(v)), v...)
	} else {
		v = nil
	}
	for i := range in.xs {
		if in.xs[i].Name == name {
			in.xs[i].Value = v
			return
		}
	}
	in.xs = append(in.xs, fop.Xattr{Name: name, Value: v})
}

// unkeep forgets the value of a cachedName that was removed. in.mu is held.
func (in *inode) unkeep(name string) {
	for i := range in.xs {
		if in.xs[i].Name == name {
			in.xs = append(in.xs[:i:i], in.xs[i+1:]...)
			return
		}
	}
}

// getx reads one xattr, into buf if it fits. ENODATA if there is none.
func (b *brick) getx(in *inode, name string, buf []byte) (v []byte, err error) {
	if in.fd >= 0 {
		return readx(buf, func(buf []byte) (int, error) { return unix.Fgetxattr(in.fd, name, buf) })
	}
	err = b.atPath(in, func(path string) (err error) {
		v, err = readx(buf, func(buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) })
		return err
	})
	return v, err
}

// readx calls get with buf, and with a larger one as long as the value does not fit.
func readx(buf []byte, get func([]byte) (int, error)) ([]byte, error) {
	if len(buf) == 0 {
		buf = make([]byte, 256)
	}
	for {
		n, err := get(buf)
		if err == nil {
			return buf[:n], nil
		}
		if !errors.Is(err, syscall.ERANGE) || len(buf) >= 1<<20 {
			return nil, err
		}
		buf = make([]byte, 64<<10*((len(buf)>>16)+1))
	}
}

func (b *brick) setx(in *inode, name string, v []byte, flags int) error {
	if in.fd >= 0 {
		return unix.Fsetxattr(in.fd, name, v, flags)
	}
	return b.atPath(in, func(path string) error { return unix.Lsetxattr(path, name, v, flags) })
}

func (b *brick) removex(in *inode, name string) error {
	if in.fd >= 0 {
		return unix.Fremovexattr(in.fd, name)
	}
	return b.atPath(in, func(path string) error { return unix.Lremovexattr(path, name) })
}

// listx returns the names of all xattrs.
func (b *brick) listx(in *inode) (names []string, err error) {
	var buf [1024]byte
	var v []byte
	if in.fd >= 0 {
		v, err = readx(buf[:], func(buf []byte) (int, error) { return unix.Flistxattr(in.fd, buf) })
	} else {
		err = b.atPath(in, func(path string) (err error) {
			v, err = readx(buf[:], func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) })
			return err
		})
	}
	if err != nil || len(v) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(v), "\x00"), "\x00"), nil
}
