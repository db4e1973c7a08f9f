package posix

import (
	"context"
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

// Names that are computed, never stored.
const (
	virtualGFID = "glusterfs.gfid.string"
	virtualPath = "glusterfs.gfidtopath"
)

// Getxattr implements xlator.Inodes.
func (b *brick) Getxattr(_ context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	switch {
	case q.Name == "":
		return b.allXattrs(in, q.Internal)
	case q.Name == virtualGFID:
		return one(q.Name, []byte(in.gfid.String())), nil
	case q.Name == virtualPath:
		paths, err := b.paths(in)
		if err != nil {
			return nil, err
		}
		return one(q.Name, []byte(strings.Join(paths, ":"))), nil
	case q.Name == fop.LinksXattr && q.Internal:
		ls, err := b.links(in)
		if err != nil {
			return nil, err
		}
		return one(q.Name, fop.EncodeLinks(ls)), nil
	case q.Name == fop.HealthXattr && q.Internal:
		if err := b.probe(); err != nil {
			return nil, syscall.EIO
		}
		return one(q.Name, nil), nil
	case strings.HasPrefix(q.Name, "glusterfs."):
		return nil, syscall.ENODATA
	case !q.Internal && internalName(q.Name):
		return nil, getErr(q.Name)
	case len(q.Name) > 255:
		return nil, syscall.ERANGE
	}
	if clientName(q.Name) && b.isBare(in) {
		return nil, syscall.ENODATA
	}
	b.flushIf(in, q.Name)
	v, err := b.getx(in, q.Name, nil)
	if err != nil {
		return nil, err
	}
	return one(q.Name, v), nil
}

func one(name string, v []byte) *fop.GetxattrReply {
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: name, Value: v}}}
}

// flushIf writes the times if somebody asks for them raw.
func (b *brick) flushIf(in *inode, name string) {
	if name == xattrMdata {
		b.writeMdata(in)
	}
}

// allXattrs returns all xattrs with their values; internal ones too if internal.
func (b *brick) allXattrs(in *inode, internal bool) (*fop.GetxattrReply, error) {
	if internal {
		b.writeMdata(in)
	} else if b.isBare(in) {
		return &fop.GetxattrReply{}, nil
	}
	names, err := b.listx(in)
	if err != nil {
		return nil, err
	}
	r := &fop.GetxattrReply{}
	for _, n := range names {
		if !internal && internalName(n) {
			continue
		}
		v, err := b.getx(in, n, nil)
		if err == syscall.ENODATA {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		r.Xattrs = append(r.Xattrs, fop.Xattr{Name: n, Value: v})
	}
	return r, nil
}

func (b *brick) isBare(in *inode) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	b.load(in)
	return in.loaded && in.bare
}

// Setxattr implements xlator.Inodes. Nobody may change a GFID.
func (b *brick) Setxattr(_ context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	for _, x := range q.Xattrs {
		if err := maySet(x.Name, q.Internal); err != nil {
			return nil, err
		}
	}
	return b.changeXattrs(q.GFID, q.Caller, func(in *inode) error {
		for _, x := range q.Xattrs {
			if err := b.setx(in, x.Name, x.Value, int(q.Flags)); err != nil {
				return err
			}
			if x.Name == xattrMdata {
				if m, ok := decodeMdata(x.Value); ok {
					in.md, in.hasMd, in.dirty = m, true, false
				}
				continue
			}
			if strings.HasPrefix(x.Name, "system.") {
				in.loaded = false // the kernel may store an ACL as a mode, or not at all
			}
			if in.loaded {
				in.noteSet(x.Name, x.Value)
			}
		}
		return nil
	})
}

// maySet reports why a client, or (internal) a translator, may not set name.
func maySet(name string, internal bool) error {
	switch {
	case name == "" || strings.IndexByte(name, 0) >= 0:
		return syscall.EINVAL
	case len(name) > 255:
		return syscall.ERANGE
	case name == xattrGFID:
		return syscall.EPERM
	case !internal && internalName(name):
		return setErr(name)
	}
	return nil
}

// Removexattr implements xlator.Inodes.
func (b *brick) Removexattr(_ context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	for _, n := range q.Names {
		if err := maySet(n, q.Internal); err != nil {
			return nil, err
		}
	}
	return b.changeXattrs(q.GFID, q.Caller, func(in *inode) error {
		in.loaded = in.loaded && len(q.Names) == 0 // whether it is bare now must be read anew
		for _, n := range q.Names {
			if err := b.removex(in, n); err != nil {
				return err
			}
			if n == xattrMdata {
				in.hasMd, in.dirty = false, false
			}
		}
		return nil
	})
}

// changeXattrs calls f, with in.mu held, to change xattrs of g.
func (b *brick) changeXattrs(g fop.GFID, c *fop.Caller, f func(in *inode) error) (*fop.InodeReply, error) {
	in, err := b.get(g)
	if err != nil {
		return nil, err
	}
	defer b.put(in)
	pre, err := b.before(in)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	b.load(in)
	if in.dirty && in.hasMd { // f may make the table read the disk's times again
		in.dirty = false
		_ = b.setx(in, xattrMdata, in.md.encode(), 0)
	}
	err = f(in)
	in.mu.Unlock()
	if err != nil {
		in.changed()
		return nil, err
	}
	return &fop.InodeReply{Pre: pre, Post: b.after(in, timeC, now(c))}, nil
}
