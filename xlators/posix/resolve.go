package posix

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

const (
	dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOATIME
	// maxDepth bounds the climb from a directory to the root.
	maxDepth = 100000
	// raceTries is how often something that moved under the resolution is looked for anew.
	raceTries = 16
	// foreignAge is how old an object without a GFID must be to be adopted: a younger one
	// may be in the making.
	foreignAge = time.Second
)

// get pins the inode g. ESTALE if there is none; ENOTCONN if the disk is sick.
func (b *brick) get(g fop.GFID) (*inode, error) {
	if b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if in := b.table.pin(g); in != nil {
		return in, nil
	}
	return b.find(g)
}

// getDir is get; ENOTDIR if g is no directory.
func (b *brick) getDir(g fop.GFID) (*inode, error) {
	in, err := b.get(g)
	if err != nil {
		return nil, err
	}
	if in.typ != fop.TypeDir {
		b.put(in)
		return nil, syscall.ENOTDIR
	}
	return in, nil
}

func (b *brick) put(in *inode) { b.table.unpin(in) }

// find gets the inode g from its handle.
func (b *brick) find(g fop.GFID) (*inode, error) {
	var st unix.Statx_t
	for range raceTries {
		in, step, err := b.findOne(g, &st)
		if in != nil || err != nil {
			return in, err
		}
		in, err = b.descend(g, step)
		if err != syscall.ESTALE || !b.moved(step) {
			return in, err
		}
	}
	return nil, syscall.ESTALE
}

// A step is what a directory handle says: g is the directory name in parent.
type step struct {
	g, parent fop.GFID
	name      string
}

// moved reports whether s is not what the handle says any more.
func (b *brick) moved(s step) bool {
	now, err := b.readHandle(s.g)
	return err == nil && now != s
}

// findOne reads the handle of g: a non-directory is pinned, of a directory the handle's
// content is returned.
func (b *brick) findOne(g fop.GFID, st *unix.Statx_t) (*inode, step, error) {
	unlock := b.gfids.lock(b.gfids.of(g))
	defer unlock()
	if in := b.table.pin(g); in != nil {
		return in, step{}, nil
	}
	var rb [relLen]byte
	rel := string(appendRel(rb[:0], g))
	err := statAt(b.dot, rel, st)
	if err == syscall.ENOENT || err == nil && typeOf(st) == fop.TypeDir {
		return nil, step{}, syscall.ESTALE
	}
	if err != nil {
		return nil, step{}, err
	}
	if typeOf(st) == fop.TypeLink && st.Nlink == 1 {
		s, err := b.readHandle(g)
		return nil, s, err
	}
	if st.Nlink < 2 {
		return nil, step{}, syscall.ESTALE // a creation that was cut short
	}
	if err := b.proveHandle(g, rel); err != nil {
		return nil, step{}, err
	}
	in := b.newInode(g, st, -1)
	b.table.add(in)
	return in, step{}, nil
}

// proveHandle checks that the non-directory at g's handle is g. One that has lost its GFID
// gets it back; a handle of something else goes, as if it had never been. g's stripe is held.
// ESTALE: it is not g.
func (b *brick) proveHandle(g fop.GFID, rel string) error {
	has, err := b.gfidAt(b.dot, rel)
	switch {
	case err == nil && has == g:
		return nil
	case err == nil:
		b.log.Error("a handle refers to another file; it is removed", "gfid", g, "file", has)
		if err := unix.Unlinkat(b.dot, rel, 0); err != nil {
			return err
		}
		return syscall.ESTALE
	case err == syscall.ENODATA || err == errBadGFID:
		b.log.Error("a file has lost its GFID; its handle tells it", "gfid", g, "error", err)
		return unix.Lsetxattr(procPath(b.dot)+"/"+rel, xattrGFID, g[:], 0)
	}
	return err
}

// readHandle reads the handle of the directory g. ESTALE if it is none.
func (b *brick) readHandle(g fop.GFID) (step, error) {
	var buf [maxTarget]byte
	var rb [relLen]byte
	n, err := unix.Readlinkat(b.dot, string(appendRel(rb[:0], g)), buf[:])
	if err == syscall.ENOENT || err == syscall.EINVAL {
		return step{}, syscall.ESTALE
	}
	if err != nil {
		return step{}, err
	}
	parent, name, err := parseTarget(string(buf[:n]))
	if err != nil {
		return step{}, fmt.Errorf("handle of %s: %w: %w", g, err, syscall.ESTALE)
	}
	return step{g, parent, name}, nil
}

// descend pins the directory that s leads to: up to the first known ancestor, then down
// again name by name. The kernel's limit of 40 symlinks does not apply.
func (b *brick) descend(g fop.GFID, s step) (*inode, error) {
	steps := []step{s}
	var in *inode
	for {
		if in = b.table.pin(s.parent); in != nil {
			break
		}
		if len(steps) > maxDepth {
			return nil, syscall.ESTALE // a circle
		}
		var err error
		if s, err = b.readLocked(s.parent); err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	for i := len(steps) - 1; i >= 0; i-- {
		if in.typ != fop.TypeDir {
			b.put(in)
			return nil, syscall.ESTALE
		}
		child, err := b.openStep(in, steps[i])
		b.put(in)
		if err != nil {
			return nil, err
		}
		in = child
	}
	return in, nil
}

// readLocked is readHandle when no rename is in the middle of changing it.
func (b *brick) readLocked(g fop.GFID) (step, error) {
	unlock := b.gfids.lock(b.gfids.of(g))
	defer unlock()
	return b.readHandle(g)
}

// openStep opens the directory s.name in p. ESTALE if that is not s.g.
func (b *brick) openStep(p *inode, s step) (*inode, error) {
	unlock := b.gfids.lock(b.gfids.of(s.g))
	defer unlock()
	if in := b.table.pin(s.g); in != nil {
		return in, nil
	}
	fd, st, g, err := openDir(p.fd, s.name)
	if err == syscall.ENOENT || err == syscall.ENOTDIR || err == syscall.ELOOP || err == syscall.ENODATA {
		return nil, syscall.ESTALE
	}
	if err != nil {
		return nil, err
	}
	if g != s.g {
		unix.Close(fd)
		return nil, syscall.ESTALE
	}
	in := b.newInode(g, &st, fd)
	b.table.add(in)
	return in, nil
}

// errBadGFID: trusted.gfid is not one.
var errBadGFID = fmt.Errorf("trusted.gfid is not 16 bytes, or zero: %w", syscall.EIO)

// openDir opens the directory name in fd and reads its GFID. ENODATA: it has none.
func openDir(at int, name string) (fd int, st unix.Statx_t, g fop.GFID, err error) {
	fd, err = unix.Openat(at, name, dirFlags, 0)
	if err != nil {
		return -1, st, g, err
	}
	if err = statFd(fd, &st); err == nil {
		g, err = readGFID(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, xattrGFID, buf) })
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, g, err
	}
	return fd, st, g, nil
}

// readGFID reads trusted.gfid. ENODATA if there is none; errBadGFID if it is not valid.
func readGFID(get func([]byte) (int, error)) (fop.GFID, error) {
	var buf [17]byte
	n, err := get(buf[:])
	if err == syscall.ERANGE || err == nil && n != 16 {
		return fop.GFID{}, errBadGFID
	}
	if err != nil {
		return fop.GFID{}, err
	}
	g := fop.GFID(buf[:16])
	if g.IsZero() {
		return g, errBadGFID
	}
	return g, nil
}

func (b *brick) newInode(g fop.GFID, st *unix.Statx_t, fd int) *inode {
	in := &inode{gfid: g, typ: typeOf(st), id: identOf(st), fd: fd}
	if fd < 0 {
		buf := make([]byte, 0, len(b.dotPath)+1+relLen)
		buf = append(append(buf, b.dotPath...), '/')
		in.relAt = len(buf)
		in.path = string(appendRel(buf, g))
	}
	return in
}

// child pins the inode that name in p refers to; st is its stat. Something that a crash
// or another program left incomplete is put right first.
// ENOENT; EIO if the GFID is not valid or another inode's.
func (b *brick) child(p *inode, name string, st *unix.Statx_t) (*inode, error) {
	in, err := b.childFast(p, name, st)
	if err != errIncomplete {
		return in, err
	}
	unlock := b.names.lock(b.names.ofName(p.gfid, name))
	defer unlock()
	return b.childLocked(p, name, st)
}

// childLocked is child for those who hold the name's stripe.
func (b *brick) childLocked(p *inode, name string, st *unix.Statx_t) (*inode, error) {
	in, err := b.childFast(p, name, st)
	if err != errIncomplete {
		return in, err
	}
	if err := b.complete(p, name); err != nil {
		return nil, err
	}
	in, err = b.childFast(p, name, st)
	if err == errIncomplete {
		err = fmt.Errorf("%s in %s has no usable handle: %w", name, p.gfid, syscall.EIO)
	}
	return in, err
}

// childFast does child's work when all is well, else answers errIncomplete.
func (b *brick) childFast(p *inode, name string, st *unix.Statx_t) (*inode, error) {
	for range raceTries {
		if err := statAt(p.fd, name, st); err != nil {
			return nil, err
		}
		if in := b.table.pinIdent(identOf(st)); in != nil {
			return in, nil
		}
		var in *inode
		var err error
		if typeOf(st) == fop.TypeDir {
			in, err = b.coldDir(p, name)
		} else {
			in, err = b.coldFile(p, name, st)
		}
		if err != errRace {
			return in, err
		}
	}
	return nil, syscall.ENOENT // it is renamed all the time
}

const (
	// errRace: the name refers to something else now; look again.
	errRace = brickErr("the name changed")
	// errIncomplete: GFID or handle are missing.
	errIncomplete = brickErr("GFID or handle is missing")
)

type brickErr string

func (e brickErr) Error() string { return string(e) }

// coldDir pins the directory name in p, which the table does not know.
func (b *brick) coldDir(p *inode, name string) (*inode, error) {
	if p.gfid == fop.RootGFID && name == dotName {
		return nil, syscall.ENOENT
	}
	fd, st, g, err := openDir(p.fd, name)
	switch err {
	case nil:
	case syscall.ENODATA, errBadGFID:
		return nil, errIncomplete
	case syscall.ENOTDIR, syscall.ELOOP:
		return nil, errRace
	default:
		return nil, err
	}
	unlock := b.gfids.lock(b.gfids.of(g))
	defer unlock()
	if in := b.table.pin(g); in != nil {
		unix.Close(fd)
		if in.id != identOf(&st) {
			b.put(in)
			return nil, errIncomplete
		}
		return in, nil
	}
	if s, err := b.readHandle(g); err != nil || s.parent != p.gfid || s.name != name {
		unix.Close(fd)
		var now unix.Statx_t
		if statAt(p.fd, name, &now) != nil || identOf(&now) != identOf(&st) {
			return nil, errRace
		}
		return nil, errIncomplete
	}
	in := b.newInode(g, &st, fd)
	b.table.add(in)
	return in, nil
}

// coldFile pins the non-directory name in p, which the table does not know.
func (b *brick) coldFile(p *inode, name string, st *unix.Statx_t) (*inode, error) {
	g, err := b.gfidAt(p.fd, name)
	if err == syscall.ENODATA || err == errBadGFID {
		return nil, errIncomplete
	}
	if err != nil {
		return nil, err
	}
	unlock := b.gfids.lock(b.gfids.of(g))
	defer unlock()
	if in := b.table.pin(g); in != nil {
		if in.id == identOf(st) {
			return in, nil
		}
		b.put(in)
	}
	var hst unix.Statx_t
	var rb [relLen]byte
	err = statAt(b.dot, string(appendRel(rb[:0], g)), &hst)
	if err == nil && identOf(&hst) == identOf(st) {
		in := b.newInode(g, st, -1)
		b.table.add(in)
		return in, nil
	}
	if err != nil && err != syscall.ENOENT {
		return nil, err
	}
	if statAt(p.fd, name, &hst) != nil || identOf(&hst) != identOf(st) {
		return nil, errRace
	}
	return nil, errIncomplete
}

// gfidAt reads the GFID of the object name in the directory fd, without opening it: a
// device or a fifo must not be.
func (b *brick) gfidAt(fd int, name string) (fop.GFID, error) {
	path := procPath(fd) + "/" + name
	return readGFID(func(buf []byte) (int, error) { return unix.Lgetxattr(path, xattrGFID, buf) })
}

// procPath is a path to what fd refers to.
func procPath(fd int) string {
	const digits = "0123456789"
	var b [32]byte
	i := len(b)
	for ; fd > 9; fd /= 10 {
		i--
		b[i] = digits[fd%10]
	}
	i--
	b[i] = digits[fd]
	return "/proc/self/fd/" + string(b[i:])
}
