package posix

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// complete puts right what name in p lacks: its GFID, if another program made it or the one
// it has is none, and its handle. The name's stripe is held.
// ENOENT: it is too young to adopt; EIO: another inode has its GFID.
func (b *brick) complete(p *inode, name string) error {
	if p.gfid == fop.RootGFID && name == dotName {
		return syscall.ENOENT
	}
	var st unix.Statx_t
	if err := statAt(p.fd, name, &st); err != nil {
		return err
	}
	g, err := b.gfidAt(p.fd, name)
	if err == syscall.ENODATA || err == errBadGFID {
		g, err = b.adopt(p, name, &st)
	}
	if err != nil {
		return err
	}
	if typeOf(&st) == fop.TypeDir {
		return b.completeDir(p, name, g, &st)
	}
	return b.completeFile(p, name, g, &st)
}

// adopt gives an object that another program made a GFID and its times an mdata.
func (b *brick) adopt(p *inode, name string, st *unix.Statx_t) (fop.GFID, error) {
	// One from the future is old: the clock was put back since.
	if since := time.Since(time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec))); since >= 0 && since < foreignAge {
		return fop.GFID{}, syscall.ENOENT
	}
	g := fop.NewGFID()
	path := procPath(p.fd) + "/" + name
	// One that is no GFID is not missed.
	if err := unix.Lremovexattr(path, xattrGFID); err != nil && err != syscall.ENODATA {
		return g, err
	}
	md := mdata{timeOf(st.Ctime), timeOf(st.Mtime), timeOf(st.Atime)}
	if err := unix.Lsetxattr(path, xattrMdata, md.encode(), 0); err != nil {
		return g, err
	}
	if err := unix.Lsetxattr(path, xattrGFID, g[:], unix.XATTR_CREATE); err != nil {
		return g, err
	}
	b.log.Info("adopted an object without a GFID", "parent", p.gfid, "name", name, "gfid", g)
	return g, nil
}

// completeFile makes the handle of a non-directory.
func (b *brick) completeFile(p *inode, name string, g fop.GFID, st *unix.Statx_t) error {
	unlock := b.gfids.lock(b.gfids.of(g))
	defer unlock()
	rel := string(appendRel(nil, g))
	for range 2 {
		err := b.inHandleDir(g, func() error { return unix.Linkat(p.fd, name, b.dot, rel, 0) })
		if err != syscall.EEXIST {
			return err
		}
		var hst unix.Statx_t
		if err := statAt(b.dot, rel, &hst); err != nil {
			return err
		}
		if identOf(&hst) == identOf(st) {
			return nil
		}
		if has, err := b.gfidAt(b.dot, rel); hst.Nlink > 1 && (err != nil || has == g) {
			return duplicate(p, name, g)
		}
		if err := unix.Unlinkat(b.dot, rel, 0); err != nil { // a creation that was cut short, or a handle that lies
			return err
		}
	}
	return syscall.EIO
}

func duplicate(p *inode, name string, g fop.GFID) error {
	return fmt.Errorf("%s in %s has the GFID %s of another inode: %w", name, p.gfid, g, syscall.EIO)
}

// completeDir makes or corrects the handle of a directory.
func (b *brick) completeDir(p *inode, name string, g fop.GFID, st *unix.Statx_t) error {
	if g == fop.RootGFID {
		return duplicate(p, name, g)
	}
	switch in, err := b.get(g); {
	case err == nil:
		same := in.id == identOf(st)
		b.put(in)
		if !same {
			return duplicate(p, name, g)
		}
	case fop.Errno(err) != syscall.ESTALE:
		return err
	}
	unlock := b.gfids.lock(b.gfids.of(g))
	defer unlock()
	return b.setDirHandle(g, p.gfid, name)
}

// setDirHandle makes g's handle say that it is name in parent, replacing another at one
// stroke. g's stripe is held.
func (b *brick) setDirHandle(g, parent fop.GFID, name string) error {
	rel := string(appendRel(nil, g))
	target := handleTarget(parent, name)
	err := b.inHandleDir(g, func() error { return unix.Symlinkat(target, b.dot, rel) })
	if err != syscall.EEXIST {
		return err
	}
	tmp := g.String() + ".handle"
	if err := unix.Symlinkat(target, b.staging, tmp); err != nil {
		return err
	}
	if err := unix.Renameat(b.staging, tmp, b.dot, rel); err != nil {
		_ = unix.Unlinkat(b.staging, tmp, 0)
		return err
	}
	return nil
}

// inHandleDir calls f, which makes a handle of g; if its directory is missing, that is
// made and f called again.
func (b *brick) inHandleDir(g fop.GFID, f func() error) error {
	err := f()
	if err != syscall.ENOENT {
		return err
	}
	rel := string(appendRel(nil, g))
	err = unix.Mkdirat(b.dot, rel[:5], 0700)
	if err == syscall.ENOENT { // the start makes these, but who knows
		if err = unix.Mkdirat(b.dot, rel[:2], 0700); err == nil || err == syscall.EEXIST {
			err = unix.Mkdirat(b.dot, rel[:5], 0700)
		}
	}
	if err != nil && err != syscall.EEXIST {
		return err
	}
	return f()
}
