package posix

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A newNode is a non-directory to be made.
type newNode struct {
	p      *inode // the parent, pinned
	name   string
	gfid   fop.GFID
	typ    fop.FileType
	caller *fop.Caller
	mode   uint32
	umask  uint32
	rdev   uint64
	target string
	open   int // open(2) flags of a regular file
	xattrs []fop.Xattr
	mark   []fop.Xattr
	copy   *fop.Copy
	// reuse: an inode with this GFID that is there already gets the name.
	reuse bool

	pre   fop.Iatt // the parent before
	owner owner
	acl   []byte // access ACL
	md    mdata
	made  fop.Iatt // the new inode
	fd    int      // of a regular file, else -1
}

// owner is whom and how a new object belongs to.
type owner struct {
	mode, uid, gid uint32
	inherits       []byte // the default ACL that a new directory gets
}

// Create implements xlator.Entries.
func (b *brick) Create(_ context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	n := &newNode{name: q.Name, gfid: q.GFID, typ: fop.TypeReg, caller: q.Caller, mode: q.Mode, umask: q.Umask,
		open: int(q.Flags), xattrs: q.Xattrs, mark: q.Mark}
	in, r, err := b.makeNode(q.Parent, n)
	if err != nil {
		return nil, err
	}
	return &xlator.CreateReply{EntryReply: *r, File: b.newFile(in, n.fd, n.open)}, nil
}

// Mknod implements xlator.Entries.
func (b *brick) Mknod(_ context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	switch q.Type {
	case fop.TypeReg, fop.TypeFifo, fop.TypeSock, fop.TypeChr, fop.TypeBlk:
	default:
		return nil, syscall.EINVAL
	}
	return b.makeClosed(q.Parent, &newNode{name: q.Name, gfid: q.GFID, typ: q.Type, caller: q.Caller, mode: q.Mode,
		umask: q.Umask, rdev: q.Rdev, open: unix.O_RDWR, xattrs: q.Xattrs, mark: q.Mark, copy: q.Copy, reuse: q.Copy == nil})
}

// Symlink implements xlator.Entries.
func (b *brick) Symlink(_ context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	switch {
	case q.Target == "":
		return nil, syscall.ENOENT
	case len(q.Target) > 4095:
		return nil, syscall.ENAMETOOLONG
	}
	return b.makeClosed(q.Parent, &newNode{name: q.Name, gfid: q.GFID, typ: fop.TypeLink, caller: q.Caller, mode: 0777,
		target: q.Target, xattrs: q.Xattrs, mark: q.Mark, reuse: true})
}

func (b *brick) makeClosed(parent fop.GFID, n *newNode) (*fop.EntryReply, error) {
	in, r, err := b.makeNode(parent, n)
	if err != nil {
		return nil, err
	}
	if n.fd >= 0 {
		unix.Close(n.fd)
		b.closed(in)
	}
	b.put(in)
	return r, nil
}

// makeNode makes n in parent. The new inode is pinned; that of a regular file counts as
// open through n.fd.
func (b *brick) makeNode(parent fop.GFID, n *newNode) (*inode, *fop.EntryReply, error) {
	n.fd = -1
	if n.gfid.IsZero() || n.gfid == fop.RootGFID {
		return nil, nil, syscall.EINVAL
	}
	// A pointer of DHT is made so that the file can be where there is room.
	if n.mode&07777 != syscall.S_ISVTX {
		if err := b.room(n.caller); err != nil {
			return nil, nil, err
		}
	}
	p, err := b.getDir(parent)
	if err != nil {
		return nil, nil, err
	}
	defer b.put(p)
	if err := checkEntry(parent, n.name, n.caller); err != nil {
		return nil, nil, err
	}
	n.p = p
	if n.pre, err = b.before(p); err != nil {
		return nil, nil, err
	}
	if n.copy != nil && n.caller != nil {
		n.owner = owner{mode: n.mode & 07777, uid: n.caller.UID, gid: n.caller.GID}
	} else if n.owner, n.acl, err = b.inherit(p, &n.pre, n.caller, n.mode, n.umask, n.typ); err != nil {
		return nil, nil, err
	}
	in, err := b.makeAtHandle(n)
	if err == errExists {
		return b.reuseNode(n)
	}
	if err != nil {
		return nil, nil, staleDir(p, err)
	}
	r := &fop.EntryReply{Iatt: n.made, PreDir: n.pre}
	r.PostDir = b.after(p, timeC|timeM, n.md.ctime)
	return in, r, nil
}

// inherit computes whom a new object in p belongs to. pre is p's attributes.
func (b *brick) inherit(p *inode, pre *fop.Iatt, c *fop.Caller, mode, umask uint32, typ fop.FileType) (o owner, acl []byte, err error) {
	o = owner{mode: mode & 07777}
	if c != nil {
		o.uid, o.gid = c.UID, c.GID
	}
	if pre.Mode&unix.S_ISGID != 0 {
		foreign := c != nil && c.UID != 0 && c.GID != pre.GID && !slices.Contains(c.Groups, pre.GID)
		o.gid = pre.GID
		if typ == fop.TypeDir {
			o.mode |= unix.S_ISGID
		} else if foreign && o.mode&(unix.S_ISGID|0010) == unix.S_ISGID|0010 {
			o.mode &^= unix.S_ISGID // as the kernel: nobody gains a group that is not his
		}
	}
	if typ == fop.TypeLink {
		return o, nil, nil
	}
	p.mu.Lock()
	b.load(p)
	def := p.defACL
	p.mu.Unlock()
	if def == nil {
		o.mode = b.modesFor(typ).of(o.mode, umask)
		return o, nil, nil
	}
	o.mode = b.modesFor(typ).of(o.mode, 0)
	o.inherits = def
	o.mode, acl, err = inheritACL(def, o.mode)
	return o, acl, err
}

// errExists: the handle of the GFID exists already.
const errExists = brickErr("handle exists")

// makeAtHandle makes the object at its handle, then links it to its name. The GFID's
// stripe is held: until the end nobody else may know the handle.
func (b *brick) makeAtHandle(n *newNode) (in *inode, err error) {
	unlock := b.gfids.lock(b.gfids.of(n.gfid))
	defer unlock()
	var rb [relLen]byte
	rel := string(appendRel(rb[:0], n.gfid))
	if err := b.makeObject(n, rel); err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		_ = unix.Unlinkat(b.dot, rel, 0)
		if n.fd >= 0 {
			unix.Close(n.fd)
		}
		if in != nil {
			in.gone.Store(true)
			b.table.drop(in)
			b.put(in)
		}
	}()
	tmp := &inode{gfid: n.gfid, typ: n.typ, fd: n.fd, path: b.dotPath + "/" + rel, relAt: len(b.dotPath) + 1}
	if err := b.dress(tmp, n); err != nil {
		return nil, err
	}
	var st unix.Statx_t
	if err := b.stat(tmp, &st); err != nil {
		return nil, err
	}
	in = tmp
	in.id, in.fd = identOf(&st), -1
	if n.fd >= 0 {
		in.opens.Store(1)
	}
	b.table.add(in)
	st.Nlink = 2
	n.made = b.iatt(in, &st)
	in.setLast(n.made, 0)
	return in, unix.Linkat(b.dot, rel, n.p.fd, n.name, 0)
}

// makeObject makes the bare object at rel beneath .glusterfs. errExists: there is one.
func (b *brick) makeObject(n *newNode, rel string) error {
	n.md = mdataAt(now(n.caller))
	mknod := func() (err error) {
		switch n.typ {
		case fop.TypeReg:
			n.fd, err = openNew(b.dot, rel, n.open, n.owner.mode)
		case fop.TypeLink:
			err = unix.Symlinkat(n.target, b.dot, rel)
		default:
			err = unix.Mknodat(b.dot, rel, n.typ.ModeBits()|n.owner.mode, int(n.rdev))
		}
		return err
	}
	err := b.inHandleDir(n.gfid, mknod)
	if err != syscall.EEXIST {
		return err
	}
	var st unix.Statx_t
	if err := statAt(b.dot, rel, &st); err != nil {
		return err
	}
	if st.Nlink > 1 || b.isDirHandle(n.gfid) {
		return errExists
	}
	if err := unix.Unlinkat(b.dot, rel, 0); err != nil { // a creation that was cut short
		return err
	}
	return mknod()
}

// isDirHandle reports whether the handle of g is that of a directory that exists, as far
// as can be told without resolving another GFID.
func (b *brick) isDirHandle(g fop.GFID) bool {
	if _, err := b.readHandle(g); err != nil {
		return false
	}
	var rb [relLen]byte
	has, err := b.gfidAt(b.dot, string(appendRel(rb[:0], g))+"/.")
	return errors.Is(err, syscall.ELOOP) || err == nil && has == g
}

func mdataAt(t fop.Time) mdata { return mdata{t, t, t} }

// openNew makes and opens a regular file.
func openNew(at int, rel string, flags int, mode uint32) (int, error) {
	flags = flags&fileFlags | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, rel, flags, mode)
	if err == syscall.EINVAL && flags&unix.O_DIRECT != 0 { // not every filesystem has it
		fd, err = unix.Openat(at, rel, flags&^unix.O_DIRECT, mode)
	}
	return fd, err
}

// dress gives the new object in all that must be there before its name is.
func (b *brick) dress(in *inode, n *newNode) error {
	if err := chownNew(in, b.dot, &n.owner); err != nil {
		return err
	}
	if err := b.setNew(in, xattrGFID, n.gfid[:]); err != nil {
		return err
	}
	if n.copy != nil && n.fd >= 0 { // before xattrs: writing takes capabilities away
		if err := fill(n.fd, n.owner.mode, n.copy); err != nil {
			return err
		}
		n.md = mdata{ctime: n.copy.Ctime, mtime: n.copy.Mtime, atime: n.copy.Atime}
	}
	if b.gfid2path {
		k, v := gfid2path(n.p.gfid, n.name)
		if err := b.setNew(in, k, v); err != nil {
			return err
		}
	}
	return b.dressAny(in, n.md, n.acl, n.xattrs, n.mark)
}

// fill gives a new file the mode, content and times that it has elsewhere.
func fill(fd int, mode uint32, c *fop.Copy) error {
	for off := 0; off < len(c.Content); {
		k, err := unix.Pwrite(fd, c.Content[off:], int64(off))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		off += k
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return err
	}
	at, mt := c.Atime, c.Mtime
	return unix.UtimesNanoAt(unix.AT_FDCWD, procPath(fd), []unix.Timespec{{Sec: at.Sec, Nsec: int64(at.Nsec)}, {Sec: mt.Sec, Nsec: int64(mt.Nsec)}}, 0)
}

// dressAny is the part of dress that directories need too. in is known to nobody else
// yet, so that what it sets is all there is.
func (b *brick) dressAny(in *inode, md mdata, acl []byte, xattrs, mark []fop.Xattr) error {
	in.md, in.hasMd, in.bare, in.loaded = md, true, true, true
	if v, ok := fop.XattrOf(xattrs, xattrMdata); ok {
		if m, ok := decodeMdata(v); ok {
			in.md = m
		}
	}
	if err := b.setNew(in, xattrMdata, in.md.encode()); err != nil {
		return err
	}
	if acl != nil {
		if err := b.setNew(in, xattrACLAccess, acl); err != nil {
			return err
		}
	}
	for _, x := range xattrs {
		switch x.Name {
		case xattrMdata, xattrGFID:
			continue
		}
		if err := b.setNew(in, x.Name, x.Value); err != nil {
			return err
		}
	}
	for _, x := range mark {
		if zero(x.Value) {
			continue // absent counts as zeros
		}
		if err := b.setNew(in, x.Name, x.Value); err != nil {
			return err
		}
	}
	return nil
}

// setNew sets an xattr of an inode that is being made, and keeps what is known of it.
func (b *brick) setNew(in *inode, name string, v []byte) error {
	if err := b.setx(in, name, v, 0); err != nil {
		return err
	}
	in.noteSet(name, v)
	return nil
}

// noteSet keeps what is known of in true after name was set. in.mu is held, or in is
// known to nobody else.
func (in *inode) noteSet(name string, v []byte) {
	switch {
	case cachedName(name):
		in.keep(name, v)
	case name == xattrACLDefault:
		in.defACL = append([]byte(nil), v...)
		in.bare = false
	case !internalName(name):
		in.bare = false
	}
}

// chownNew makes o the owner of a new object, which is root's so far.
func chownNew(in *inode, dot int, o *owner) error {
	if o.uid == 0 && o.gid == 0 {
		return nil
	}
	var err error
	if in.fd >= 0 {
		err = unix.Fchown(in.fd, int(o.uid), int(o.gid))
	} else {
		err = unix.Fchownat(dot, in.rel(), int(o.uid), int(o.gid), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil || o.mode&(unix.S_ISUID|unix.S_ISGID) == 0 || in.typ == fop.TypeLink {
		return err
	}
	if in.fd >= 0 { // chown(2) clears these bits
		return unix.Fchmod(in.fd, o.mode)
	}
	return unix.Fchmodat(dot, in.rel(), o.mode, 0)
}

// reuseNode gives the inode that has n's GFID already n's name, or answers EEXIST.
func (b *brick) reuseNode(n *newNode) (*inode, *fop.EntryReply, error) {
	if !n.reuse {
		return nil, nil, syscall.EEXIST
	}
	in, err := b.get(n.gfid)
	if err != nil {
		return nil, nil, err
	}
	if in.typ != n.typ {
		b.put(in)
		return nil, nil, syscall.EEXIST
	}
	r, err := b.link(in, n.p, n.name, n.caller)
	if err != nil {
		b.put(in)
		return nil, nil, err
	}
	return in, r, nil
}

func zero(v []byte) bool {
	for _, c := range v {
		if c != 0 {
			return false
		}
	}
	return true
}
