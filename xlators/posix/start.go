package posix

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/brickid"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// open checks that dir is the brick of the volume, makes what is missing in .glusterfs
// and removes what an earlier process left unfinished. Its errors are one sentence for
// the one who administrates the brick.
func (b *brick) open(dir, volumeID, brickID string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("option directory %q is not an absolute path", dir)
	}
	b.dir = filepath.Clean(dir)
	b.dotPath = b.dir + "/" + dotName
	fd, err := unix.Open(b.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	switch err {
	case nil:
	case syscall.ENOENT:
		return fmt.Errorf("brick directory %s does not exist; is its filesystem mounted? %w", b.dir, err)
	case syscall.ENOTDIR:
		return fmt.Errorf("brick %s is not a directory: %w", b.dir, err)
	default:
		return fmt.Errorf("open brick directory %s: %w", b.dir, err)
	}
	var st unix.Statx_t
	if err := statFd(fd, &st); err != nil {
		unix.Close(fd)
		return fmt.Errorf("stat brick directory %s: %w", b.dir, err)
	}
	b.root = b.newInode(fop.RootGFID, &st, fd)
	b.table.add(b.root)
	if err := b.checkVolume(fd, volumeID); err != nil {
		return err
	}
	if err := b.checkIdentity(brickID); err != nil {
		return err
	}
	if err := b.claimRoot(fd); err != nil {
		return err
	}
	if err := b.skeleton(fd); err != nil {
		return fmt.Errorf("prepare %s: %w", b.dotPath, err)
	}
	if brickID == "" {
		return nil
	}
	if has, err := brickid.Read(b.dir); err != nil || has != "" {
		return err
	}
	return brickid.Write(b.dir, brickID)
}

// checkVolume checks trusted.glusterfs.volume-id against the option, if that is given.
func (b *brick) checkVolume(fd int, volumeID string) error {
	if volumeID == "" {
		return nil
	}
	want, err := fop.ParseGFID(strings.ToLower(volumeID))
	if err != nil {
		return fmt.Errorf("option volume-id %q is not a UUID", volumeID)
	}
	var buf [17]byte
	n, err := unix.Fgetxattr(fd, xattrVolumeID, buf[:])
	switch {
	case err == syscall.ENODATA:
		return fmt.Errorf("directory %s is not a brick: it has no %s, which volume creation sets; if its filesystem is not mounted, mount it; a new or emptied disk is filled with gofs volume reset-brick: %w", b.dir, xattrVolumeID, err)
	case errors.Is(err, syscall.EOPNOTSUPP):
		return fmt.Errorf("the filesystem of %s does not support extended attributes; use XFS or ext4: %w", b.dir, err)
	case err != nil:
		return fmt.Errorf("read %s of %s: %w", xattrVolumeID, b.dir, err)
	case n != 16:
		return fmt.Errorf("%s of %s is %d bytes, want 16", xattrVolumeID, b.dir, n)
	}
	if has := fop.GFID(buf[:16]); has != want {
		return fmt.Errorf("brick %s belongs to volume %s, not to %s", b.dir, has, want)
	}
	return nil
}

// claimRoot gives the root its GFID, or checks it. Doing so shows also whether the disk
// can be written and has xattrs.
func (b *brick) claimRoot(fd int) error {
	err := unix.Fsetxattr(fd, xattrGFID, fop.RootGFID[:], unix.XATTR_CREATE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EOPNOTSUPP):
		return fmt.Errorf("the filesystem of %s does not support extended attributes; use XFS or ext4: %w", b.dir, err)
	case err == syscall.EROFS:
		return fmt.Errorf("the filesystem of %s is read-only: %w", b.dir, err)
	case err == syscall.EPERM:
		return fmt.Errorf("may not set trusted.* attributes on %s; bricks must be served by root: %w", b.dir, err)
	case err != syscall.EEXIST:
		return fmt.Errorf("set trusted.gfid of %s: %w", b.dir, err)
	}
	g, err := readGFID(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, xattrGFID, buf) })
	if err != nil {
		return fmt.Errorf("trusted.gfid of %s: %w", b.dir, err)
	}
	if g != fop.RootGFID {
		return fmt.Errorf("directory %s is not a brick's root: its trusted.gfid is %s, want %s", b.dir, g, fop.RootGFID)
	}
	return nil
}

// giveRoot gives the root to the user and group of the options brick-uid and brick-gid;
// -1 leaves it.
func (b *brick) giveRoot(opts xlator.Options) error {
	uid, err := opts.Int("brick-uid", -1)
	if err != nil {
		return err
	}
	gid, err := opts.Int("brick-gid", -1)
	if err != nil || uid < 0 && gid < 0 {
		return err
	}
	if err := unix.Lchown(b.dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("give %s to user %d, group %d: %w", b.dir, uid, gid, err)
	}
	return nil
}

// skeleton makes what is missing in .glusterfs, the way GlusterFS does, and empties
// unlink and staging.
func (b *brick) skeleton(root int) (err error) {
	if err := mkdirAt(root, dotName, 0700); err != nil {
		return err
	}
	if b.dot, err = unix.Openat(root, dotName, dirFlags, 0); err != nil {
		return err
	}
	if err := unix.Flock(b.dot, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another process serves this brick already: %w", err)
	}
	const hex = "0123456789abcdef"
	for i := range 256 {
		if err := mkdirAt(b.dot, string([]byte{hex[i>>4], hex[i&15]}), 0700); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name string
		mode uint32
	}{{"00/00", 0700}, {"landfill", 0755}, {"unlink", 0600}, {"staging", 0600}} {
		if err := mkdirAt(b.dot, d.name, d.mode); err != nil {
			return fmt.Errorf("make %s: %w", d.name, err)
		}
	}
	if err := b.rootHandle(); err != nil {
		return err
	}
	if b.parkDir, err = unix.Openat(b.dot, "unlink", dirFlags, 0); err != nil {
		return err
	}
	if b.staging, err = unix.Openat(b.dot, "staging", dirFlags, 0); err != nil {
		return err
	}
	if err := b.emptyParked(); err != nil {
		return fmt.Errorf("empty unlink: %w", err)
	}
	if err := b.emptyStaging(); err != nil {
		return fmt.Errorf("empty staging: %w", err)
	}
	return nil
}

func mkdirAt(fd int, name string, mode uint32) error {
	err := unix.Mkdirat(fd, name, mode)
	if err == syscall.EEXIST {
		return nil
	}
	return err
}

// rootHandle makes the root's handle, or checks that it leads to the root.
func (b *brick) rootHandle() error {
	err := unix.Symlinkat("../../..", b.dot, rootRel)
	if err != syscall.EEXIST {
		return err
	}
	var st unix.Statx_t
	if err := unix.Statx(b.dot, rootRel, 0, statMask, &st); err != nil {
		return fmt.Errorf("root handle: %w", err)
	}
	if identOf(&st) != b.root.id {
		return fmt.Errorf("the root's handle %s/%s does not lead to %s; was the brick copied into another one?", b.dotPath, rootRel, b.dir)
	}
	return nil
}

// emptyParked removes the files that were unlinked while open in an earlier process.
func (b *brick) emptyParked() error {
	return eachName(b.parkDir, func(name string) error {
		err := unix.Unlinkat(b.parkDir, name, 0)
		if err == syscall.EISDIR {
			return nil
		}
		return err
	})
}

// emptyStaging removes the directories whose making was cut short, and their handles,
// and handles that did not reach their place.
func (b *brick) emptyStaging() error {
	return eachName(b.staging, func(name string) error {
		err := unix.Unlinkat(b.staging, name, 0)
		if err != syscall.EISDIR {
			return err
		}
		if g, err := fop.ParseGFID(name); err == nil {
			if err := unix.Unlinkat(b.dot, string(appendRel(nil, g)), 0); err != nil && err != syscall.ENOENT {
				return err
			}
		}
		return unix.Unlinkat(b.staging, name, unix.AT_REMOVEDIR)
	})
}

// eachName calls f with each name in the directory fd refers to.
func eachName(fd int, f func(name string) error) error {
	d, err := unix.Openat(fd, ".", dirFlags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(d)
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(d, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		for e := (direntReader{buf[:n]}); e.more(); {
			if de := e.next(); de.name != "." && de.name != ".." {
				names = append(names, de.name)
			}
		}
	}
	for _, name := range names {
		if err := f(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
