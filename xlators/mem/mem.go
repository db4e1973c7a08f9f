// Package mem is a whole brick in memory: tree, attributes, xattrs, open-but-unlinked
// files. Tests and the simulation run on it; it answers as xlators/posix does, minus
// what only a disk has (handles, O_DIRECT, a full filesystem).
//
// Lock order: brick.mu only, held for the whole of each fop.
package mem

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

type brick struct {
	mu     sync.Mutex
	inodes map[fop.GFID]*inode // guarded by mu, with all inodes
}

type inode struct {
	iatt   fop.Iatt
	data   content
	target string
	names  map[string]*dirent // directories
	nextID uint64             // directories: dirent offsets
	parent *inode             // directories
	xattrs map[string][]byte
	opens  int
}

type dirent struct {
	name string
	id   uint64
	in   *inode
}

// New makes an empty brick; it takes no options and no subvolumes.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	b := &brick{inodes: map[fop.GFID]*inode{}}
	now := fop.TimeOf(time.Now())
	b.inodes[fop.RootGFID] = &inode{
		iatt:  fop.Iatt{GFID: fop.RootGFID, Type: fop.TypeDir, Mode: 0o755, Nlink: 2, Blksize: 4096, Size: 4096, Blocks: 8, Atime: now, Mtime: now, Ctime: now},
		names: map[string]*dirent{}, xattrs: map[string][]byte{},
	}
	return b, nil
}

func (b *brick) Watch(f func(xlator.Event)) { f(xlator.Event{Kind: xlator.ChildUp}) }
func (b *brick) Close() error               { return nil }

func now(q *fop.Req) fop.Time {
	if q.Caller != nil && !q.Caller.Time.IsZero() {
		return q.Caller.Time
	}
	return fop.TimeOf(time.Now())
}

// touch moves times forward, never backward.
func (in *inode) touch(q *fop.Req, m bool) {
	t := now(q)
	in.iatt.Ctime = in.iatt.Ctime.Later(t)
	if m {
		in.iatt.Mtime = in.iatt.Mtime.Later(t)
	}
}

// stat returns the attributes as a reply holds them.
func (in *inode) stat() fop.Iatt {
	a := in.iatt
	a.Flags |= fop.IattNoXattrs
	for n := range in.xattrs {
		if !internalXattr(n) {
			a.Flags &^= fop.IattNoXattrs
		}
	}
	if a.Type == fop.TypeReg {
		a.Size = uint64(in.data.size)
		a.Blocks = uint64(len(in.data.chunks)) * chunkSize / 512
	}
	return a
}

func internalXattr(name string) bool {
	return strings.HasPrefix(name, "trusted.afr.") || strings.HasPrefix(name, "trusted.glusterfs.") || strings.HasPrefix(name, "trusted.ec.") ||
		name == "trusted.gfid" || strings.HasPrefix(name, "trusted.gfid2path.") || strings.HasPrefix(name, "trusted.pgfid.")
}

func (b *brick) inode(g fop.GFID) (*inode, error) {
	if in := b.inodes[g]; in != nil {
		return in, nil
	}
	return nil, syscall.ESTALE
}

func (b *brick) dir(g fop.GFID) (*inode, error) {
	in, err := b.inode(g)
	if err == nil && in.iatt.Type != fop.TypeDir {
		return nil, syscall.ENOTDIR
	}
	return in, err
}

func checkName(name string) error {
	switch {
	case len(name) > 255:
		return syscall.ENAMETOOLONG
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return syscall.EINVAL
	}
	return nil
}

func (b *brick) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &fop.LookupReply{}
	var in *inode
	var err error
	if q.Name == "" {
		if in, err = b.inode(q.GFID); err != nil {
			return nil, err
		}
	} else {
		dir, e, err := b.entry(q.Parent, q.Name)
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, syscall.ENOENT
		}
		in, r.Parent = e.in, dir.stat()
	}
	r.Iatt = in.stat()
	for _, w := range q.Want {
		if v, ok := in.xattrs[w]; ok {
			r.Xattrs = append(r.Xattrs, fop.Xattr{Name: w, Value: slices.Clone(v)})
		}
	}
	if q.Content > 0 && r.Iatt.Type == fop.TypeReg && r.Iatt.Size <= uint64(q.Content) {
		r.HasContent, r.Content = true, make([]byte, r.Iatt.Size)
		in.data.readAt(r.Content, 0)
	}
	return r, nil
}

// entry finds the directory and, if it is there, the name in it.
func (b *brick) entry(parent fop.GFID, name string) (*inode, *dirent, error) {
	if err := checkName(name); err != nil {
		return nil, nil, err
	}
	dir, err := b.dir(parent)
	if err != nil {
		return nil, nil, err
	}
	return dir, dir.names[name], nil
}

// make adds an inode under a name.
func (b *brick) make(q *fop.Req, parent fop.GFID, name string, a fop.Iatt, umask uint32, xattrs, mark []fop.Xattr) (*inode, *fop.EntryReply, error) {
	dir, e, err := b.entry(parent, name)
	if err != nil {
		return nil, nil, err
	}
	if e != nil {
		return nil, nil, syscall.EEXIST
	}
	if a.GFID.IsZero() {
		return nil, nil, syscall.EINVAL
	}
	r := &fop.EntryReply{PreDir: dir.stat()}
	in := b.inodes[a.GFID]
	if in != nil {
		if a.Type == fop.TypeDir || in.iatt.Type == fop.TypeDir {
			return nil, nil, syscall.EEXIST
		}
		in.iatt.Nlink++
	} else {
		in = b.newInode(q, dir, a, umask)
		for _, x := range xattrs {
			in.xattrs[x.Name] = slices.Clone(x.Value)
		}
		for _, x := range mark {
			in.xattrs[x.Name] = fop.Sum32(nil, x.Value)
		}
	}
	dir.add(name, in)
	dir.touch(q, true)
	r.Iatt, r.PostDir = in.stat(), dir.stat()
	return in, r, nil
}

func (b *brick) newInode(q *fop.Req, dir *inode, a fop.Iatt, umask uint32) *inode {
	t := now(q)
	a.Mode = a.Mode & 07777 &^ umask
	a.Nlink, a.Blksize, a.Atime, a.Mtime, a.Ctime = 1, 4096, t, t, t
	if q.Caller != nil {
		a.UID, a.GID = q.Caller.UID, q.Caller.GID
	}
	if dir.iatt.Mode&syscall.S_ISGID != 0 {
		a.GID = dir.iatt.GID
		if a.Type == fop.TypeDir {
			a.Mode |= syscall.S_ISGID
		}
	}
	in := &inode{iatt: a, xattrs: map[string][]byte{}}
	if a.Type == fop.TypeDir {
		in.iatt.Nlink, in.names, in.parent = 2, map[string]*dirent{}, dir
		in.iatt.Size, in.iatt.Blocks = 4096, 8
	}
	b.inodes[a.GFID] = in
	return in
}

func (in *inode) add(name string, child *inode) {
	in.nextID++
	in.names[name] = &dirent{name: name, id: in.nextID, in: child}
	if child.iatt.Type == fop.TypeDir {
		in.iatt.Nlink++
		child.parent = in
	}
}

// remove takes a name away; the inode goes with its last name and last open file.
func (b *brick) remove(dir *inode, e *dirent) {
	delete(dir.names, e.name)
	if e.in.iatt.Type == fop.TypeDir {
		dir.iatt.Nlink--
		e.in.iatt.Nlink = 0
		delete(b.inodes, e.in.iatt.GFID)
		return
	}
	e.in.iatt.Nlink--
	b.reap(e.in)
}

func (b *brick) reap(in *inode) {
	if in.iatt.Nlink == 0 && in.opens == 0 {
		delete(b.inodes, in.iatt.GFID)
	}
}

func (b *brick) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !q.GFID.IsZero() && b.inodes[q.GFID] != nil {
		return nil, syscall.EEXIST
	}
	in, r, err := b.make(&q.Req, q.Parent, q.Name, fop.Iatt{GFID: q.GFID, Type: fop.TypeReg, Mode: q.Mode}, q.Umask, q.Xattrs, q.Mark)
	if err != nil {
		return nil, err
	}
	return &xlator.CreateReply{EntryReply: *r, File: b.openFile(in, q.Flags)}, nil
}

func (b *brick) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, r, err := b.make(&q.Req, q.Parent, q.Name, fop.Iatt{GFID: q.GFID, Type: fop.TypeDir, Mode: q.Mode}, q.Umask, q.Xattrs, q.Mark)
	return r, err
}

func (b *brick) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch q.Type {
	case fop.TypeReg, fop.TypeFifo, fop.TypeSock, fop.TypeChr, fop.TypeBlk:
	default:
		return nil, syscall.EINVAL
	}
	if q.Copy != nil && b.inodes[q.GFID] != nil {
		return nil, syscall.EEXIST
	}
	in, r, err := b.make(&q.Req, q.Parent, q.Name, fop.Iatt{GFID: q.GFID, Type: q.Type, Mode: q.Mode, Rdev: q.Rdev}, q.Umask, q.Xattrs, q.Mark)
	if err == nil && q.Copy != nil {
		in.data.writeAt(q.Copy.Content, 0)
		a := &in.iatt
		a.Mode, a.UID, a.GID = q.Mode&07777, q.Caller.UID, q.Caller.GID
		a.Atime, a.Mtime, a.Ctime = q.Copy.Atime, q.Copy.Mtime, q.Copy.Ctime
		r.Iatt = in.stat()
	}
	return r, err
}

func (b *brick) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, r, err := b.make(&q.Req, q.Parent, q.Name, fop.Iatt{GFID: q.GFID, Type: fop.TypeLink, Mode: 0o777, Size: uint64(len(q.Target))}, 0, q.Xattrs, q.Mark)
	if err == nil {
		in.target = q.Target
	}
	return r, err
}

func (b *brick) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.inode(q.GFID)
	if err != nil {
		return nil, err
	}
	if in.iatt.Type == fop.TypeDir {
		return nil, syscall.EPERM
	}
	dir, e, err := b.entry(q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	if e != nil {
		return nil, syscall.EEXIST
	}
	r := &fop.EntryReply{PreDir: dir.stat()}
	in.iatt.Nlink++
	in.touch(&q.Req, false)
	dir.add(q.Name, in)
	dir.touch(&q.Req, true)
	r.Iatt, r.PostDir = in.stat(), dir.stat()
	return r, nil
}

func (b *brick) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dir, e, err := b.entry(q.Parent, q.Name)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, syscall.ENOENT
	case e.in.iatt.Type == fop.TypeDir:
		return nil, syscall.EISDIR
	case !q.GFID.IsZero() && q.GFID != e.in.iatt.GFID:
		return nil, syscall.ESTALE
	case q.NotLast && e.in.iatt.Nlink < 2:
		return nil, syscall.EBUSY
	}
	if _, linkto := e.in.xattrs["trusted.glusterfs.dht.linkto"]; q.OnlyLinkto && (!linkto || e.in.iatt.Mode != syscall.S_ISVTX || e.in.opens > 0) {
		return nil, syscall.EBUSY
	}
	r := &fop.RemoveReply{PreDir: dir.stat()}
	b.remove(dir, e)
	e.in.touch(&q.Req, false)
	dir.touch(&q.Req, true)
	r.Iatt, r.PostDir = e.in.stat(), dir.stat()
	return r, nil
}

func (b *brick) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dir, e, err := b.entry(q.Parent, q.Name)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, syscall.ENOENT
	case e.in.iatt.Type != fop.TypeDir:
		return nil, syscall.ENOTDIR
	case !q.GFID.IsZero() && q.GFID != e.in.iatt.GFID:
		return nil, syscall.ESTALE
	case len(e.in.names) > 0:
		return nil, syscall.ENOTEMPTY
	}
	r := &fop.RemoveReply{PreDir: dir.stat()}
	b.remove(dir, e)
	dir.touch(&q.Req, true)
	r.Iatt, r.PostDir = e.in.stat(), dir.stat()
	return r, nil
}

func (b *brick) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	od, oe, err := b.entry(q.OldParent, q.OldName)
	if err != nil {
		return nil, err
	}
	nd, ne, err := b.entry(q.NewParent, q.NewName)
	if err != nil {
		return nil, err
	}
	if err := renameAllowed(q, oe, nd, ne); err != nil {
		return nil, err
	}
	r := &fop.RenameReply{PreOldDir: od.stat(), PreNewDir: nd.stat()}
	switch {
	case ne != nil && ne.in == oe.in: // two names of one inode: nothing happens
	case q.Flags == fop.RenameExchange:
		a, c := oe.in, ne.in
		od.drop(oe)
		nd.drop(ne)
		od.add(q.OldName, c)
		nd.add(q.NewName, a)
		c.touch(&q.Req, false)
	default:
		if ne != nil {
			b.remove(nd, ne)
			ne.in.touch(&q.Req, false)
			r.Replaced = ne.in.stat()
		}
		od.drop(oe)
		nd.add(q.NewName, oe.in)
	}
	oe.in.touch(&q.Req, false)
	od.touch(&q.Req, true)
	nd.touch(&q.Req, true)
	r.Iatt, r.PostOldDir, r.PostNewDir = oe.in.stat(), od.stat(), nd.stat()
	return r, nil
}

// drop takes a name away without touching the inode's own link count.
func (in *inode) drop(e *dirent) {
	delete(in.names, e.name)
	if e.in.iatt.Type == fop.TypeDir {
		in.iatt.Nlink--
	}
}

func renameAllowed(q *fop.RenameReq, oe *dirent, nd *inode, ne *dirent) error {
	if oe == nil {
		return syscall.ENOENT
	}
	isDir := oe.in.iatt.Type == fop.TypeDir
	if isDir {
		for p := nd; p != nil; p = p.parent {
			if p == oe.in {
				return syscall.EINVAL
			}
		}
	}
	switch {
	case q.Flags == fop.RenameExchange && ne == nil:
		return syscall.ENOENT
	case q.Flags == fop.RenameExchange || ne == nil:
		return nil
	case q.Flags == fop.RenameNoReplace:
		return syscall.EEXIST
	case q.Flags != 0:
		return syscall.EINVAL
	case isDir && ne.in.iatt.Type != fop.TypeDir:
		return syscall.ENOTDIR
	case !isDir && ne.in.iatt.Type == fop.TypeDir:
		return syscall.EISDIR
	case isDir && ne.in != oe.in && len(ne.in.names) > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

type dir struct {
	b  *brick
	in *inode
}

func (b *brick) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, err := b.dir(q.GFID)
	if err != nil {
		return nil, err
	}
	return &xlator.OpendirReply{Dir: &dir{b, in}, Iatt: in.stat()}, nil
}

func (d *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	var es []*dirent
	for _, e := range d.in.names {
		if e.id > q.Off {
			es = append(es, e)
		}
	}
	sort.Slice(es, func(i, j int) bool { return es[i].id < es[j].id })
	r := &fop.ReaddirpReply{EOF: true}
	size := 0
	for _, e := range es {
		if size += len(e.name) + 24; q.Plus {
			size += 120
		}
		if size > q.Size && len(r.Entries) > 0 {
			r.EOF = false
			break
		}
		de := fop.Dirent{Name: e.name, Off: e.id, Iatt: fop.Iatt{GFID: e.in.iatt.GFID, Type: e.in.iatt.Type}}
		if q.Plus {
			de.Iatt = e.in.stat()
			for _, w := range q.Want {
				if v, ok := e.in.xattrs[w]; ok {
					de.Xattrs = append(de.Xattrs, fop.Xattr{Name: w, Value: slices.Clone(v)})
				}
			}
		}
		r.Entries = append(r.Entries, de)
	}
	return r, nil
}

func (d *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}
func (d *dir) Close() error { return nil }
