package mem

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func (b *brick) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(q.GFID)
	if err != nil {
		return nil, err
	}
	return &fop.StatReply{Iatt: in.stat()}, nil
}

// change runs f on an inode between its pre- and post-attributes.
func (b *brick) change(g fop.GFID, f func(*inode) error) (*fop.InodeReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(g)
	if err != nil {
		return nil, err
	}
	r := &fop.InodeReply{Pre: in.stat()}
	if err := f(in); err != nil {
		return nil, err
	}
	r.Post = in.stat()
	return r, nil
}

func (b *brick) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return b.change(q.GFID, func(in *inode) error {
		a := &in.iatt
		if q.Valid&fop.SetMode != 0 {
			a.Mode = q.Mode & 07777
		}
		if q.Valid&fop.SetUID != 0 {
			a.UID = q.UID
		}
		if q.Valid&fop.SetGID != 0 {
			a.GID = q.GID
		}
		if q.Valid&fop.SetAtime != 0 {
			a.Atime = q.Atime
		}
		if q.Valid&fop.SetMtime != 0 {
			a.Mtime = q.Mtime
		}
		in.touch(&q.Req, false)
		if q.Valid&fop.SetCtime != 0 {
			a.Ctime = q.Ctime
		}
		return nil
	})
}

func (b *brick) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return b.change(q.GFID, func(in *inode) error {
		if in.iatt.Type == fop.TypeDir {
			return syscall.EISDIR
		}
		if in.iatt.Type != fop.TypeReg || q.Size > math.MaxInt64 {
			return syscall.EINVAL
		}
		in.data.resize(int64(q.Size))
		in.touch(&q.Req, true)
		return nil
	})
}

func (b *brick) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(q.GFID)
	if err != nil {
		return nil, err
	}
	if in.iatt.Type != fop.TypeLink {
		return nil, syscall.EINVAL
	}
	return &fop.ReadlinkReply{Target: in.target, Iatt: in.stat()}, nil
}

func (b *brick) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	return &fop.StatfsReply{Bsize: 4096, Frsize: 4096, Blocks: 1 << 20, Bfree: 1 << 19, Bavail: 1 << 19, Files: 1 << 20, Ffree: 1 << 19, Favail: 1 << 19, Namemax: 255}, nil
}

func (b *brick) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(q.GFID)
	if err != nil {
		return nil, err
	}
	r := &fop.GetxattrReply{}
	if q.Name == "glusterfs.gfid.string" {
		r.Xattrs = []fop.Xattr{{Name: q.Name, Value: []byte(q.GFID.String())}}
		return r, nil
	}
	if q.Name == fop.LinksXattr && q.Internal {
		r.Xattrs = []fop.Xattr{{Name: q.Name, Value: fop.EncodeLinks(b.links(in))}}
		return r, nil
	}
	for n, v := range in.xattrs {
		if (q.Name == "" || q.Name == n) && (q.Internal || !internalXattr(n)) {
			r.Xattrs = append(r.Xattrs, fop.Xattr{Name: n, Value: slices.Clone(v)})
		}
	}
	if q.Name != "" && len(r.Xattrs) == 0 {
		return nil, syscall.ENODATA
	}
	sort.Slice(r.Xattrs, func(i, j int) bool { return r.Xattrs[i].Name < r.Xattrs[j].Name })
	return r, nil
}

// links finds all names of in.
func (b *brick) links(in *inode) (ls []fop.Link) {
	for g, d := range b.inodes {
		for n, e := range d.names {
			if e.in == in {
				ls = append(ls, fop.Link{Parent: g, Name: n})
			}
		}
	}
	slices.SortFunc(ls, func(a, b fop.Link) int {
		return strings.Compare(a.Name+string(a.Parent[:]), b.Name+string(b.Parent[:]))
	})
	return ls
}

// refusal is what a user gets who sets an internal xattr.
func refusal(name string) error {
	if strings.HasPrefix(name, "trusted.gfid2path.") {
		return syscall.EOPNOTSUPP
	}
	return syscall.EPERM
}

func (b *brick) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return b.change(q.GFID, func(in *inode) error {
		for _, x := range q.Xattrs {
			_, there := in.xattrs[x.Name]
			switch {
			case internalXattr(x.Name) && !q.Internal:
				return refusal(x.Name)
			case there && q.Flags == 1:
				return syscall.EEXIST
			case !there && q.Flags == 2:
				return syscall.ENODATA
			}
		}
		for _, x := range q.Xattrs {
			in.xattrs[x.Name] = slices.Clone(x.Value)
		}
		in.touch(&q.Req, false)
		return nil
	})
}

func (b *brick) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return b.change(q.GFID, func(in *inode) error {
		for _, n := range q.Names {
			if internalXattr(n) && !q.Internal {
				return refusal(n)
			}
			if _, ok := in.xattrs[n]; !ok {
				return syscall.ENODATA
			}
		}
		for _, n := range q.Names {
			delete(in.xattrs, n)
		}
		in.touch(&q.Req, false)
		return nil
	})
}

func add64(old, delta []byte) ([]byte, error) {
	if len(delta)%8 != 0 || old != nil && len(old) != len(delta) {
		return nil, syscall.EINVAL
	}
	out := make([]byte, len(delta))
	copy(out, old)
	for i := 0; i < len(out); i += 8 {
		binary.BigEndian.PutUint64(out[i:], binary.BigEndian.Uint64(out[i:])+binary.BigEndian.Uint64(delta[i:]))
	}
	return out, nil
}

func (b *brick) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(q.GFID)
	if err != nil {
		return nil, err
	}
	r := &fop.XattropReply{}
	for _, d := range q.Deltas {
		v, err := in.xattrop(q.Op, d)
		if err != nil {
			return nil, err
		}
		r.Values = append(r.Values, fop.Xattr{Name: d.Name, Value: v})
	}
	return r, nil
}

func (in *inode) xattrop(op fop.XattropOp, d fop.Xattr) ([]byte, error) {
	old, there := in.xattrs[d.Name]
	var v []byte
	var err error
	switch op {
	case fop.XattropAdd32:
		v = fop.Sum32(old, d.Value)
	case fop.XattropAdd64:
		v, err = add64(old, d.Value)
	case fop.XattropSet:
		v = append([]byte{}, d.Value...) // not nil, which is none
	default:
		err = syscall.EINVAL
	}
	if err != nil {
		return nil, err
	}
	zero := !slices.ContainsFunc(d.Value, func(c byte) bool { return c != 0 })
	if there || !zero || op == fop.XattropSet {
		in.xattrs[d.Name] = slices.Clone(v)
	}
	return v, nil
}

func (b *brick) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return nil, syscall.EOPNOTSUPP
}

func (b *brick) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return nil, syscall.EOPNOTSUPP
}

func (b *brick) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	r := &fop.ReleaseReply{Errnos: make([]uint32, len(q.Items))}
	for i, it := range q.Items {
		if len(it.Undo) > 0 {
			_, err := b.Xattrop(ctx, &fop.XattropReq{Req: q.Req, GFID: it.GFID, Op: fop.XattropAdd32, Deltas: it.Undo})
			r.Errnos[i] = uint32(fop.Errno(err))
		}
	}
	return r, nil
}

func (b *brick) Forget(ctx context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

func (b *brick) Disconnect(ctx context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

func (b *brick) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(q.GFID)
	if err != nil {
		return nil, err
	}
	switch in.iatt.Type {
	case fop.TypeReg:
	case fop.TypeDir:
		return nil, syscall.EISDIR
	case fop.TypeLink:
		return nil, syscall.ELOOP
	default:
		return nil, syscall.EINVAL
	}
	if q.Flags&syscall.O_TRUNC != 0 {
		in.data.resize(0)
		in.touch(&q.Req, true)
	}
	r := &xlator.OpenReply{File: b.openFile(in, q.Flags)}
	r.Iatt = in.stat()
	for _, w := range q.Want {
		if v, ok := in.xattrs[w]; ok {
			r.Xattrs = append(r.Xattrs, fop.Xattr{Name: w, Value: slices.Clone(v)})
		}
	}
	if q.Content > 0 {
		r.Content = make([]byte, min(in.data.size, int64(q.Content)))
		in.data.readAt(r.Content, 0)
	}
	return r, nil
}
