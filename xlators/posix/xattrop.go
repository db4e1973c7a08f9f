package posix

import (
	"bytes"
	"context"
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// Xattrop implements xlator.Cluster. It is atomic against every other change of the
// inode's xattrs. EntryCreate and EntryDelete are features/index's business.
func (b *brick) Xattrop(_ context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	for _, d := range q.Deltas {
		if err := checkDelta(q.Op, d); err != nil {
			return nil, err
		}
	}
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	r := &fop.XattropReply{Values: make([]fop.Xattr, 0, len(q.Deltas))}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.gone.Load() {
		return nil, syscall.ESTALE
	}
	if b.load(in); !in.loaded {
		if err := b.whyNotLoaded(in); err != nil {
			return nil, err
		}
	}
	for _, d := range q.Deltas {
		v, err := b.combine(in, q.Op, d)
		if err != nil {
			return nil, err
		}
		r.Values = append(r.Values, fop.Xattr{Name: d.Name, Value: v})
	}
	return r, nil
}

// whyNotLoaded is the error that made load give up.
func (b *brick) whyNotLoaded(in *inode) error {
	var st unix.Statx_t
	if err := b.stat(in, &st); err != nil {
		return err
	}
	return syscall.EIO
}

func checkDelta(op fop.XattropOp, d fop.Xattr) error {
	unit := map[fop.XattropOp]int{fop.XattropAdd32: 4, fop.XattropAdd64: 8, fop.XattropSet: 1}[op]
	if unit == 0 || len(d.Value)%unit != 0 || len(d.Value) > 64<<10 {
		return syscall.EINVAL
	}
	return maySet(d.Name, true)
}

// combine changes one counter and returns its new value. in.mu is held.
func (b *brick) combine(in *inode, op fop.XattropOp, d fop.Xattr) ([]byte, error) {
	old, there, err := b.counter(in, d.Name)
	if err != nil {
		return nil, err
	}
	sum := combined(op, old, d.Value)
	if there && bytes.Equal(sum, old) || !there && op != fop.XattropSet && zero(d.Value) {
		return sum, nil
	}
	if err := b.setx(in, d.Name, sum, 0); err != nil {
		return nil, err
	}
	in.noteSet(d.Name, sum)
	return sum, nil
}

// counter returns the stored value of name.
func (b *brick) counter(in *inode, name string) (v []byte, there bool, err error) {
	if in.loaded && cachedName(name) {
		v, there = fop.XattrOf(in.xs, name)
		if !there || v != nil {
			return v, there, nil
		}
	}
	v, err = b.getx(in, name, nil)
	if err == syscall.ENODATA {
		return nil, false, nil
	}
	return v, err == nil, err
}

// combined is the pure part of an xattrop; old is nil if there is none.
func combined(op fop.XattropOp, old, delta []byte) []byte {
	switch {
	case op == fop.XattropSet:
		return append([]byte{}, delta...)
	case op == fop.XattropAdd32:
		return fop.Sum32(old, delta)
	case old != nil && len(old) != len(delta):
		return append([]byte{}, old...)
	}
	sum := make([]byte, len(delta))
	copy(sum, old)
	for i := 0; i+8 <= len(delta); i += 8 {
		binary.BigEndian.PutUint64(sum[i:], binary.BigEndian.Uint64(sum[i:])+binary.BigEndian.Uint64(delta[i:]))
	}
	return sum
}

// smallBatch is how many inodes it is cheaper to sync one by one than with all that is
// dirty on the filesystem.
const smallBatch = 2

// Release implements xlator.Cluster, without the unlocking. With Sync, the inodes of the
// items and what was changed in them is on the disk before a mark is undone.
func (b *brick) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	if b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if q.Sync {
		if err := b.syncItems(q.Items); err != nil {
			return nil, err
		}
	}
	r := &fop.ReleaseReply{Errnos: make([]uint32, len(q.Items))}
	for i := range q.Items {
		it := &q.Items[i]
		if len(it.Undo) == 0 {
			continue
		}
		_, err := b.Xattrop(ctx, &fop.XattropReq{Req: q.Req, GFID: it.GFID, Op: fop.XattropAdd32, Deltas: it.Undo})
		r.Errnos[i] = uint32(fop.Errno(err))
	}
	return r, nil
}

// syncItems makes the items' inodes durable. Without items: everything.
func (b *brick) syncItems(items []fop.ReleaseItem) error {
	if n := len(items); n > 0 && n <= smallBatch && !hasEntry(items) {
		for i := range items {
			if err := b.syncFile(items[i].GFID); err != nil && !fop.IsGone(err) {
				return err
			}
		}
		return nil
	}
	b.dirty.all()
	// The root's descriptor was open all the time, so that no error of a write-back since
	// then is missed.
	_, _, e := unix.Syscall(unix.SYS_SYNCFS, uintptr(b.root.fd), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

func hasEntry(items []fop.ReleaseItem) bool {
	for i := range items {
		if items[i].Entry {
			return true
		}
	}
	return false
}

// syncFile makes one inode durable.
func (b *brick) syncFile(g fop.GFID) error {
	in, err := b.get(g)
	if err != nil {
		return err
	}
	defer b.put(in)
	b.writeMdata(in)
	if in.fd >= 0 {
		return unix.Fsync(in.fd)
	}
	if in.typ != fop.TypeReg {
		return unix.Fsync(b.root.fd)
	}
	return b.atHandle(in, func(rel string) error {
		fd, err := unix.Openat(b.dot, rel, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOATIME, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fdatasync(fd)
	})
}
