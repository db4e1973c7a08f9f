package posix

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// Lookup implements xlator.Entries. An object that another program put on the brick is
// adopted, and a missing handle made, on the way.
func (b *brick) Lookup(_ context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	if q.Name == "" {
		return b.lookupGFID(q)
	}
	p, err := b.getDir(q.Parent)
	if err != nil {
		return nil, err
	}
	defer b.put(p)
	if err := checkName(q.Name); err != nil {
		return nil, err
	}
	if hidden(q.Parent, q.Name, q.Caller) {
		return nil, syscall.ENOENT
	}
	var st unix.Statx_t
	in, err := b.child(p, q.Name, &st)
	if err != nil {
		return nil, staleDir(p, err)
	}
	defer b.put(in)
	r := &fop.LookupReply{Iatt: b.iatt(in, &st)}
	if r.Xattrs, err = b.want(in, q.Want); err != nil {
		return nil, err
	}
	if err := b.content(in, q.Content, r); err != nil {
		return nil, err
	}
	if r.Parent, err = b.before(p); err != nil {
		return nil, err
	}
	return r, nil
}

func (b *brick) lookupGFID(q *fop.LookupReq) (*fop.LookupReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	a, err := b.attrs(in)
	if err != nil {
		return nil, err
	}
	r := &fop.LookupReply{Iatt: a}
	if r.Xattrs, err = b.want(in, q.Want); err != nil {
		return nil, err
	}
	return r, b.content(in, q.Content, r)
}

// content adds to a lookup's answer the content of a regular file of at most limit bytes.
func (b *brick) content(in *inode, limit uint32, r *fop.LookupReply) error {
	if limit == 0 || in.typ != fop.TypeReg || r.Iatt.Size > uint64(limit) {
		return nil
	}
	if r.HasContent = true; r.Iatt.Size == 0 {
		return nil
	}
	return b.atHandle(in, func(rel string) error {
		fd, err := unix.Openat(b.dot, rel, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOATIME, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		buf := make([]byte, r.Iatt.Size)
		n, err := readFull(fd, buf)
		r.Content = buf[:n]
		return err
	})
}

// readFull reads from the beginning until buf is full or the file ends.
func readFull(fd int, buf []byte) (n int, err error) {
	for n < len(buf) {
		k, err := unix.Pread(fd, buf[n:], int64(n))
		if err == syscall.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return n, err
		}
		n += k
	}
	return n, nil
}

// want returns those of the named xattrs that in has. Names that cannot be read are left
// out like those that do not exist, but not marks: a copy without them would look clean.
func (b *brick) want(in *inode, names []string) ([]fop.Xattr, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var out []fop.Xattr
	in.mu.Lock()
	defer in.mu.Unlock()
	b.load(in)
	for _, n := range names {
		v, ok, err := b.value(in, n)
		if err != nil && cachedName(n) {
			return nil, err
		}
		if ok {
			out = append(out, fop.Xattr{Name: n, Value: v})
		}
	}
	return out, nil
}

// value returns a copy of one xattr, if it is there, without asking the disk where it can.
// in.mu is held.
func (b *brick) value(in *inode, name string) (v []byte, there bool, err error) {
	if in.loaded {
		if name == xattrMdata && in.hasMd {
			return in.md.encode(), true, nil
		}
		if cachedName(name) {
			v, ok := fop.XattrOf(in.xs, name)
			if !ok || v != nil {
				return append([]byte{}, v...), ok, nil
			}
		} else if in.bare && !internalName(name) {
			return nil, false, nil
		}
	}
	var buf [256]byte
	switch v, err = b.getx(in, name, buf[:]); err {
	case nil:
		return append([]byte{}, v...), true, nil
	case syscall.ENODATA:
		return nil, false, nil
	}
	return nil, false, err
}

// Stat implements xlator.Inodes.
func (b *brick) Stat(_ context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	a, err := b.attrs(in)
	if err != nil {
		return nil, err
	}
	return &fop.StatReply{Iatt: a}, nil
}

// Readlink implements xlator.Inodes.
func (b *brick) Readlink(_ context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	if in.typ != fop.TypeLink {
		return nil, syscall.EINVAL
	}
	var buf [4096]byte
	r := &fop.ReadlinkReply{}
	err = b.atHandle(in, func(rel string) error {
		n, err := unix.Readlinkat(b.dot, rel, buf[:])
		if err == nil {
			r.Target = string(buf[:n])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.Iatt, err = b.attrs(in); err != nil {
		return nil, err
	}
	return r, nil
}

// Statfs implements xlator.Inodes.
func (b *brick) Statfs(_ context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	if b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(b.root.fd, &s); err != nil {
		return nil, err
	}
	kept := b.reserve.blocks(&s)
	return &fop.StatfsReply{Bsize: uint64(s.Bsize), Frsize: uint64(s.Frsize), Blocks: s.Blocks, Bfree: s.Bfree,
		Bavail: s.Bavail - min(s.Bavail, kept), Files: s.Files, Ffree: s.Ffree, Favail: s.Ffree, Namemax: uint64(s.Namelen)}, nil
}
