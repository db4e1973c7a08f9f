package fuse

import (
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// blksize is the preferred size of requests, as GlusterFS reports it.
const blksize = 128 << 10

// attr writes a for the kernel.
func (b *Bridge) attr(a *fop.Iatt, out *gofuse.Attr) {
	out.Ino = b.ino(a.GFID)
	out.Size = a.Size
	out.Blocks = a.Blocks
	out.Atime, out.Atimensec = uint64(a.Atime.Sec), a.Atime.Nsec
	out.Mtime, out.Mtimensec = uint64(a.Mtime.Sec), a.Mtime.Nsec
	out.Ctime, out.Ctimensec = uint64(a.Ctime.Sec), a.Ctime.Nsec
	out.Mode = a.StMode()
	out.Nlink = a.Nlink
	out.Uid, out.Gid = a.UID, a.GID
	out.Rdev = encodeDev(a.Rdev)
	out.Blksize = blksize
}

// ino is the inode number that users see.
func (b *Bridge) ino(g fop.GFID) uint64 {
	if g == b.opts.Root {
		return gofuse.FUSE_ROOT_ID
	}
	if g.IsZero() {
		return gofuse.FUSE_UNKNOWN_INO // programs take 0 for a name that was removed
	}
	n := g.Ino()
	if b.opts.Ino32 {
		n = n>>32 ^ n&0xffffffff
	}
	return n
}

// encodeDev packs a device number as the kernel's new_encode_dev does.
func encodeDev(dev uint64) uint32 {
	major, minor := unix.Major(dev), unix.Minor(dev)
	return minor&0xff | major<<8 | minor&^0xff<<12
}

func decodeDev(dev uint32) uint64 {
	return unix.Mkdev(dev>>8&0xfff, dev&0xff|dev>>12&0xfff00)
}

// attrOut answers about n with a.
func (b *Bridge) attrOut(n *node, a *fop.Iatt, out *gofuse.AttrOut) {
	n.learn(a, 0, b.opts.AttrTimeout)
	b.attr(a, &out.Attr)
	out.SetTimeout(b.opts.AttrTimeout)
}

// entryOut answers with an inode as it was age ago: the kernel now knows it once more.
func (b *Bridge) entryOut(a *fop.Iatt, age time.Duration, out *gofuse.EntryOut) *node {
	n := b.nodes.look(a.GFID)
	n.learn(a, age, b.opts.AttrTimeout)
	out.NodeId = n.id
	out.Generation = 1
	b.attr(a, &out.Attr)
	out.SetEntryTimeout(b.opts.EntryTimeout - age)
	out.SetAttrTimeout(b.opts.AttrTimeout - age)
	return n
}

// GetAttr is stat(2) and fstat(2).
func (b *Bridge) GetAttr(_ <-chan struct{}, in *gofuse.GetAttrIn, out *gofuse.AttrOut) gofuse.Status {
	n, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	if iatt, valid := b.latest(n); valid > 0 {
		b.attrOut(n, &iatt, out)
		out.SetTimeout(valid)
		return gofuse.OK
	}
	r, err := b.top.Stat(background, &fop.StatReq{Req: b.req(&in.InHeader), GFID: n.gfid})
	if err != nil {
		return status(err)
	}
	b.attrOut(n, &r.Iatt, out)
	return gofuse.OK
}

// SetAttr is chmod, chown, utimens and truncate, alone or together.
func (b *Bridge) SetAttr(_ <-chan struct{}, in *gofuse.SetAttrIn, out *gofuse.AttrOut) gofuse.Status {
	n, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	q := &fop.SetattrReq{Req: b.req(&in.InHeader), GFID: n.gfid}
	defer b.end(n, b.begin(n), nil) // the kernel gets the answer itself
	var post fop.Iatt
	if in.Valid&gofuse.FATTR_SIZE != 0 {
		t := &fop.TruncateReq{Req: q.Req, GFID: n.gfid, Size: in.Size}
		if in.Valid&gofuse.FATTR_FH != 0 {
			// The right to write was had when the file was opened.
			t.Caller = &fop.Caller{PID: int32(in.Pid), Time: q.Caller.Time}
		}
		r, err := b.top.Truncate(background, t)
		if err != nil {
			return status(err)
		}
		post = r.Post
	}
	attrsOf(in, q)
	if q.Valid != 0 {
		r, err := b.top.Setattr(background, q)
		if err != nil {
			return status(err)
		}
		post = r.Post
	}
	if !post.Known() {
		r, err := b.top.Stat(background, &fop.StatReq{Req: q.Req, GFID: n.gfid})
		if err != nil {
			return status(err)
		}
		post = r.Iatt
	}
	// The kernel leaves it to us (HANDLE_KILLPRIV_V2) to clear these bits.
	if in.Valid&gofuse.FATTR_KILL_SUIDGID != 0 || in.Valid&(gofuse.FATTR_UID|gofuse.FATTR_GID) != 0 && in.Valid&gofuse.FATTR_MODE == 0 {
		if err := b.killPrivileges(n, &post); err != nil {
			return status(err)
		}
	}
	b.attrOut(n, &post, out)
	return gofuse.OK
}

// attrsOf translates what is to be set, except the size.
func attrsOf(in *gofuse.SetAttrIn, q *fop.SetattrReq) {
	if mode, ok := in.GetMode(); ok {
		q.Valid, q.Mode = q.Valid|fop.SetMode, mode
	}
	if uid, ok := in.GetUID(); ok {
		q.Valid, q.UID = q.Valid|fop.SetUID, uid
	}
	if gid, ok := in.GetGID(); ok {
		q.Valid, q.GID = q.Valid|fop.SetGID, gid
	}
	if in.Valid&gofuse.FATTR_ATIME != 0 {
		q.Valid, q.Atime = q.Valid|fop.SetAtime, fop.Time{Sec: int64(in.Atime), Nsec: in.Atimensec}
		if in.Valid&gofuse.FATTR_ATIME_NOW != 0 {
			q.Atime = q.Caller.Time
		}
	}
	if in.Valid&gofuse.FATTR_MTIME != 0 {
		q.Valid, q.Mtime = q.Valid|fop.SetMtime, fop.Time{Sec: int64(in.Mtime), Nsec: in.Mtimensec}
		if in.Valid&gofuse.FATTR_MTIME_NOW != 0 {
			q.Mtime = q.Caller.Time
		}
	}
}

// killPrivileges clears the set-user-id bit, and the set-group-id bit of a file that
// its group may execute, if a says that they are set. a becomes the new attributes.
func (b *Bridge) killPrivileges(n *node, a *fop.Iatt) error {
	if a.Type != fop.TypeReg {
		return nil
	}
	mode := a.Mode &^ syscall.S_ISUID
	if mode&syscall.S_IXGRP != 0 {
		mode &^= syscall.S_ISGID
	}
	if mode == a.Mode {
		return nil
	}
	q := &fop.SetattrReq{Req: fop.Req{Caller: &fop.Caller{Time: fop.TimeOf(time.Now())}}, GFID: n.gfid, Valid: fop.SetMode, Mode: mode}
	r, err := b.top.Setattr(background, q)
	if err != nil {
		return err
	}
	*a = r.Post
	return nil
}

// Readlink reads a symbolic link.
func (b *Bridge) Readlink(_ <-chan struct{}, h *gofuse.InHeader) ([]byte, gofuse.Status) {
	n, st := b.node(h)
	if !st.Ok() {
		return nil, st
	}
	r, err := b.top.Readlink(background, &fop.ReadlinkReq{Req: b.req(h), GFID: n.gfid})
	if err != nil {
		return nil, status(err)
	}
	return []byte(r.Target), gofuse.OK
}

// StatFs is statfs(2).
func (b *Bridge) StatFs(_ <-chan struct{}, h *gofuse.InHeader, out *gofuse.StatfsOut) gofuse.Status {
	n, st := b.node(h)
	if !st.Ok() {
		return st
	}
	r, err := b.top.Statfs(background, &fop.StatfsReq{Req: b.req(h), GFID: n.gfid})
	if err != nil {
		return status(err)
	}
	out.Blocks, out.Bfree, out.Bavail = r.Blocks, r.Bfree, r.Bavail
	out.Files, out.Ffree = r.Files, r.Ffree
	out.Bsize, out.Frsize = uint32(r.Bsize), uint32(r.Frsize)
	out.NameLen = uint32(r.Namemax)
	return gofuse.OK
}
