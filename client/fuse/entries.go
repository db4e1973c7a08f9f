package fuse

import (
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// Lookup resolves a name.
func (b *Bridge) Lookup(_ <-chan struct{}, h *gofuse.InHeader, name string, out *gofuse.EntryOut) gofuse.Status {
	dir, st := b.node(h)
	if !st.Ok() {
		return st
	}
	if b.lookupAhead(dir, name, out) {
		return gofuse.OK
	}
	q := &fop.LookupReq{Req: b.req(h), Parent: dir.gfid, Name: name}
	r, err := b.top.Lookup(background, q)
	if fop.Errno(err) == syscall.ENOENT && b.opts.NegativeTimeout > 0 {
		out.SetEntryTimeout(b.opts.NegativeTimeout) // node id 0: does not exist
		return gofuse.OK
	}
	if err != nil {
		return status(err)
	}
	b.entryOut(&r.Iatt, 0, out)
	if !r.Iatt.IsDir() {
		b.lookAhead(dir, q.Req)
	}
	return gofuse.OK
}

// Mknod makes a file without opening it, a fifo, a socket or a device.
func (b *Bridge) Mknod(_ <-chan struct{}, in *gofuse.MknodIn, name string, out *gofuse.EntryOut) gofuse.Status {
	dir, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	typ := fop.TypeOfMode(in.Mode)
	if typ == fop.TypeUnknown {
		typ = fop.TypeReg
	}
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Mknod(background, &fop.MknodReq{Req: b.req(&in.InHeader), Parent: dir.gfid, Name: name, GFID: b.gfids.Next(),
		Type: typ, Mode: in.Mode & 07777, Umask: in.Umask, Rdev: decodeDev(in.Rdev)})
	return b.made(dir, c, r, err, out)
}

// Mkdir makes a directory.
func (b *Bridge) Mkdir(_ <-chan struct{}, in *gofuse.MkdirIn, name string, out *gofuse.EntryOut) gofuse.Status {
	dir, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Mkdir(background, &fop.MkdirReq{Req: b.req(&in.InHeader), Parent: dir.gfid, Name: name, GFID: b.gfids.Next(),
		Mode: in.Mode & 07777, Umask: in.Umask})
	return b.made(dir, c, r, err, out)
}

// Symlink makes a symbolic link.
func (b *Bridge) Symlink(_ <-chan struct{}, h *gofuse.InHeader, target, name string, out *gofuse.EntryOut) gofuse.Status {
	dir, st := b.node(h)
	if !st.Ok() {
		return st
	}
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Symlink(background, &fop.SymlinkReq{Req: b.req(h), Parent: dir.gfid, Name: name, GFID: b.gfids.Next(), Target: target})
	return b.made(dir, c, r, err, out)
}

// Link gives an inode another name.
func (b *Bridge) Link(_ <-chan struct{}, in *gofuse.LinkIn, name string, out *gofuse.EntryOut) gofuse.Status {
	dir, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	old, st := b.nodes.get(in.Oldnodeid)
	if !st.Ok() {
		return st
	}
	defer b.renamed.files.Add(1)
	old.stale()
	defer old.stale()
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Link(background, &fop.LinkReq{Req: b.req(&in.InHeader), GFID: old.gfid, Parent: dir.gfid, Name: name})
	return b.made(dir, c, r, err, out)
}

// made answers a request that made an entry in dir.
func (b *Bridge) made(dir *node, c change, r *fop.EntryReply, err error, out *gofuse.EntryOut) gofuse.Status {
	if err != nil {
		b.end(dir, c, nil)
		return status(err)
	}
	b.end(dir, c, &r.PostDir)
	b.entryOut(&r.Iatt, 0, out)
	return gofuse.OK
}

// Unlink removes a name.
func (b *Bridge) Unlink(_ <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	dir, st := b.node(h)
	if !st.Ok() {
		return st
	}
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Unlink(background, &fop.UnlinkReq{Req: b.req(h), Parent: dir.gfid, Name: name})
	b.renamed.files.Add(1)
	return b.removed(dir, c, r, err)
}

// Rmdir removes an empty directory.
func (b *Bridge) Rmdir(_ <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	dir, st := b.node(h)
	if !st.Ok() {
		return st
	}
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Rmdir(background, &fop.RmdirReq{Req: b.req(h), Parent: dir.gfid, Name: name})
	b.renamed.dirs.Add(1)
	c.dirs++ // this one: the reply tells what it left of dir
	return b.removed(dir, c, r, err)
}

// removed answers a request that removed an entry from dir.
func (b *Bridge) removed(dir *node, c change, r *fop.RemoveReply, err error) gofuse.Status {
	if err != nil {
		b.end(dir, c, nil)
		return status(err)
	}
	b.end(dir, c, &r.PostDir)
	return gofuse.OK
}

// Rename is renameat2(2).
func (b *Bridge) Rename(_ <-chan struct{}, in *gofuse.RenameIn, oldName, newName string) gofuse.Status {
	from, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	to, st := b.nodes.get(in.Newdir)
	if !st.Ok() {
		return st
	}
	if in.Flags&^(fop.RenameNoReplace|fop.RenameExchange) != 0 {
		return gofuse.EINVAL
	}
	from.ahead.forget(oldName)
	to.ahead.forget(newName)
	defer from.ahead.forget(oldName)
	defer to.ahead.forget(newName)
	fromChange := b.begin(from)
	toChange := fromChange
	if to != from {
		toChange = b.begin(to)
	}
	r, err := b.top.Rename(background, &fop.RenameReq{Req: b.req(&in.InHeader), OldParent: from.gfid, OldName: oldName,
		NewParent: to.gfid, NewName: newName, Flags: in.Flags})
	b.renamed.files.Add(1)
	if err != nil {
		r = &fop.RenameReply{}
	}
	if err != nil || r.Iatt.Type == fop.TypeUnknown || r.Iatt.IsDir() || in.Flags&fop.RenameExchange != 0 {
		b.renamed.dirs.Add(1)
		fromChange.dirs++ // this one: the reply tells what it left of both
		toChange.dirs++
	}
	b.end(from, fromChange, &r.PostOldDir)
	if to != from {
		b.end(to, toChange, &r.PostNewDir)
	}
	return status(err)
}

// Create makes and opens a file. The kernel asks for it when it does not know the name;
// somebody else may have made the file since, which is then opened instead.
func (b *Bridge) Create(_ <-chan struct{}, in *gofuse.CreateIn, name string, out *gofuse.CreateOut) gofuse.Status {
	dir, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	q := &fop.CreateReq{Req: b.req(&in.InHeader), Parent: dir.gfid, Name: name, GFID: b.gfids.Next(),
		Mode: in.Mode & 07777, Umask: in.Umask, Flags: b.openFlags(in.Flags)}
	dir.ahead.forget(name)
	defer dir.ahead.forget(name)
	c := b.begin(dir)
	r, err := b.top.Create(background, q)
	if err != nil {
		b.end(dir, c, nil)
	} else {
		b.end(dir, c, &r.PostDir)
	}
	if fop.Errno(err) == syscall.EEXIST && in.Flags&syscall.O_EXCL == 0 {
		return b.openExisting(q, in.Flags, out)
	}
	if err != nil {
		return status(err)
	}
	n := b.entryOut(&r.Iatt, 0, &out.EntryOut)
	b.opened(&fileHandle{node: n, file: r.File, flags: in.Flags}, nil, &out.OpenOut)
	return gofuse.OK
}

// openExisting is the other half of O_CREAT.
func (b *Bridge) openExisting(q *fop.CreateReq, flags uint32, out *gofuse.CreateOut) gofuse.Status {
	l, err := b.top.Lookup(background, &fop.LookupReq{Req: q.Req, Parent: q.Parent, Name: q.Name})
	if err != nil {
		return status(err)
	}
	if l.Iatt.Type != fop.TypeReg {
		// Not for us to follow: ESTALE makes the kernel look the name up again.
		return gofuse.Status(syscall.ESTALE)
	}
	r, err := b.top.Open(background, &fop.OpenReq{Req: q.Req, GFID: l.Iatt.GFID, Flags: b.openFlags(flags)})
	if err != nil {
		return status(err)
	}
	iatt := l.Iatt
	if flags&syscall.O_TRUNC != 0 {
		// The kernel takes the file for new and does not truncate it itself.
		t, err := b.top.Truncate(background, &fop.TruncateReq{Req: q.Req, GFID: iatt.GFID})
		if err != nil {
			r.File.Close()
			return status(err)
		}
		iatt = t.Post
	}
	n := b.entryOut(&iatt, 0, &out.EntryOut)
	n.stale()
	b.opened(&fileHandle{node: n, file: r.File, flags: flags}, nil, &out.OpenOut)
	return gofuse.OK
}

// Tmpfile is O_TMPFILE, which no fop offers.
func (b *Bridge) Tmpfile(<-chan struct{}, *gofuse.CreateIn, *gofuse.CreateOut) gofuse.Status {
	return gofuse.ENOSYS // the kernel answers EOPNOTSUPP, and does not ask again
}
