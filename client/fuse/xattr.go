package fuse

import (
	"bytes"
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

const aclPrefix = "system.posix_acl_"

// virtual reports whether an xattr is computed rather than stored, so that knowing an
// inode to have none says nothing about it.
func virtual(name string) bool {
	return strings.HasPrefix(name, "glusterfs.") || strings.HasPrefix(name, "trusted.glusterfs.") || strings.HasPrefix(name, "replica.")
}

// GetXAttr reads an xattr.
func (b *Bridge) GetXAttr(_ <-chan struct{}, h *gofuse.InHeader, name string, dest []byte) (uint32, gofuse.Status) {
	n, st := b.node(h)
	if !st.Ok() {
		return 0, st
	}
	switch {
	case strings.HasPrefix(name, aclPrefix) && !b.opts.ACL:
		return 0, gofuse.Status(syscall.EOPNOTSUPP)
	case name == "glusterfs.gfid.string":
		return put(dest, []byte(n.gfid.String()))
	case name == "glusterfs.gfid":
		return put(dest, n.gfid[:])
	case n.hasNoXattrs() && !virtual(name):
		return 0, gofuse.ENODATA
	}
	r, err := b.top.Getxattr(background, &fop.GetxattrReq{Req: b.req(h), GFID: n.gfid, Name: name})
	if err != nil {
		return 0, status(err)
	}
	value, ok := fop.XattrOf(r.Xattrs, name)
	if !ok {
		return 0, gofuse.ENODATA
	}
	return put(dest, value)
}

// put copies a value for the kernel. dest is empty when only the size is asked for.
func put(dest, value []byte) (uint32, gofuse.Status) {
	if len(dest) < len(value) {
		return uint32(len(value)), gofuse.ERANGE // go-fuse makes OK of it if dest is empty
	}
	return uint32(copy(dest, value)), gofuse.OK
}

// ListXAttr lists the names of xattrs.
func (b *Bridge) ListXAttr(_ <-chan struct{}, h *gofuse.InHeader, dest []byte) (uint32, gofuse.Status) {
	n, st := b.node(h)
	if !st.Ok() {
		return 0, st
	}
	if n.hasNoXattrs() {
		return 0, gofuse.OK
	}
	r, err := b.top.Getxattr(background, &fop.GetxattrReq{Req: b.req(h), GFID: n.gfid})
	if err != nil {
		return 0, status(err)
	}
	var names []byte
	for i := range r.Xattrs {
		names = append(append(names, r.Xattrs[i].Name...), 0)
	}
	return put(dest, names)
}

// SetXAttr sets an xattr.
func (b *Bridge) SetXAttr(_ <-chan struct{}, in *gofuse.SetXAttrIn, name string, data []byte) gofuse.Status {
	n, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	if strings.HasPrefix(name, aclPrefix) && !b.opts.ACL {
		return gofuse.Status(syscall.EOPNOTSUPP)
	}
	defer b.end(n, b.begin(n), nil)
	n.noXattrs.Store(0)
	_, err := b.top.Setxattr(background, &fop.SetxattrReq{Req: b.req(&in.InHeader), GFID: n.gfid, Flags: in.Flags,
		Xattrs: []fop.Xattr{{Name: name, Value: bytes.Clone(data)}}})
	n.noXattrs.Store(0) // an answer from before may have been learnt meanwhile
	return status(err)
}

// RemoveXAttr removes an xattr.
func (b *Bridge) RemoveXAttr(_ <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	n, st := b.node(h)
	if !st.Ok() {
		return st
	}
	if strings.HasPrefix(name, aclPrefix) && !b.opts.ACL {
		return gofuse.Status(syscall.EOPNOTSUPP)
	}
	defer b.end(n, b.begin(n), nil)
	_, err := b.top.Removexattr(background, &fop.RemovexattrReq{Req: b.req(h), GFID: n.gfid, Names: []string{name}})
	return status(err)
}
