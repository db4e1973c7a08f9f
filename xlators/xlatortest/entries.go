package xlatortest

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

var entryTests = []test{
	{"lookup root", nil, (*fs).testRoot},
	{"lookup errors", nil, (*fs).testLookupErrors},
	{"create", nil, (*fs).testCreate},
	{"create exists", nil, (*fs).testCreateExists},
	{"create as a user with umask", nil, (*fs).testCreateOwner},
	{"create with xattrs and mark", []Feature{InternalXattr}, (*fs).testCreateMark},
	{"sgid directory", nil, (*fs).testSgid},
	{"mkdir", nil, (*fs).testMkdir},
	{"mknod", []Feature{SpecialFiles}, (*fs).testMknod},
	{"symlink", nil, (*fs).testSymlink},
	{"link", nil, (*fs).testLink},
	{"unlink", nil, (*fs).testUnlink},
	{"unlink while open", nil, (*fs).testUnlinkOpen},
	{"rmdir", nil, (*fs).testRmdir},
	{"names of 255 and 256 bytes", nil, (*fs).testLongNames},
	{"names that are none", nil, (*fs).testBadNames},
	{"rename", nil, (*fs).testRename},
	{"rename replaces", nil, (*fs).testRenameReplaces},
	{"rename errors", nil, (*fs).testRenameErrors},
	{"rename noreplace", nil, (*fs).testRenameNoReplace},
	{"rename exchange", []Feature{Exchange}, (*fs).testRenameExchange},
	{"rename hard links of one inode", nil, (*fs).testRenameSame},
	{"rename directory keeps what is in it", nil, (*fs).testRenameDir},
	{"parents' attributes", []Feature{ParentIatts}, (*fs).testParents},
	{"1000 nested directories", nil, (*fs).testDeep},
	{"hidden names", []Feature{HiddenNames}, (*fs).testHidden},
}

func (s *fs) testRoot() {
	r, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: root})
	s.ok(err, "Lookup of the root")
	if r.Iatt.GFID != root || r.Iatt.Type != fop.TypeDir {
		s.Errorf("root is %+v", r.Iatt)
	}
	if n := s.names(root, 4096); len(n) != 0 {
		s.Errorf("a fresh root lists %q", n)
	}
}

func (s *fs) testLookupErrors() {
	f := s.file(root, "f", "")
	s.fails(s.lookupErr(root, "none"), syscall.ENOENT, "Lookup of a missing name")
	s.fails(s.lookupErr(fop.NewGFID(), "x"), syscall.ESTALE, "Lookup in a missing directory")
	s.fails(s.lookupErr(f, "x"), syscall.ENOTDIR, "Lookup in a file")
	_, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: fop.NewGFID()})
	s.fails(err, syscall.ESTALE, "Lookup of a missing GFID")
	s.fails(s.statErr(fop.NewGFID()), syscall.ESTALE, "Stat of a missing GFID")
}

func (s *fs) testCreate() {
	q := s.createReq(root, "f")
	q.Mode = 0640
	r, err := s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	a := r.Iatt
	if a.GFID != q.GFID || a.Type != fop.TypeReg || a.Mode != 0640 || a.Nlink != 1 || a.Size != 0 {
		s.Errorf("Create: %+v", a)
	}
	if s.has(MdataTimes) && (a.Ctime != s.now() || a.Mtime != s.now() || a.Atime != s.now()) {
		s.Errorf("Create: times %v %v %v, want %v", a.Atime, a.Mtime, a.Ctime, s.now())
	}
	s.write(r.File, 0, "hello")
	if got := s.read(r.File, 1, 10); got != "ello" {
		s.Errorf("read %q", got)
	}
	if l := s.lookup(root, "f"); l.GFID != q.GFID || l.Size != 5 || l.Nlink != 1 {
		s.Errorf("Lookup: %+v", l)
	}
}

func (s *fs) testCreateExists() {
	s.file(root, "f", "keep")
	s.mkdir(root, "d")
	for _, name := range []string{"f", "d"} {
		_, err := s.x.Create(s.ctx(), s.createReq(root, name))
		s.fails(err, syscall.EEXIST, "Create of "+name)
		_, err = s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: root, Name: name, GFID: fop.NewGFID(), Mode: 0755})
		s.fails(err, syscall.EEXIST, "Mkdir of "+name)
		_, err = s.x.Symlink(s.ctx(), &fop.SymlinkReq{Req: s.req(), Parent: root, Name: name, GFID: fop.NewGFID(), Target: "t"})
		s.fails(err, syscall.EEXIST, "Symlink of "+name)
	}
	q := s.createReq(root, "f")
	_, err := s.x.Create(s.ctx(), q)
	s.fails(err, syscall.EEXIST, "Create")
	s.fails(s.statErr(q.GFID), syscall.ESTALE, "Stat of what was not created")
	if got := s.content(s.lookup(root, "f").GFID); got != "keep" {
		s.Errorf("content %q", got)
	}
	_, err = s.x.Create(s.ctx(), s.createReq(fop.NewGFID(), "x"))
	s.fails(err, syscall.ESTALE, "Create in a missing directory")
}

func (s *fs) testCreateOwner() {
	q := s.createReq(root, "f")
	q.Req, q.Mode, q.Umask = s.as(1000, 1001), 06777, 022
	r, err := s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	for _, a := range []fop.Iatt{r.Iatt, s.stat(q.GFID)} {
		if a.UID != 1000 || a.GID != 1001 || a.Mode != 06755 {
			s.Errorf("owner %d:%d mode %o, want 1000:1001 6755", a.UID, a.GID, a.Mode)
		}
	}
	g := fop.NewGFID()
	d, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.as(5, 6), Parent: root, Name: "d", GFID: g, Mode: 0777, Umask: 077})
	s.ok(err, "Mkdir")
	if a := d.Iatt; a.UID != 5 || a.GID != 6 || a.Mode != 0700 {
		s.Errorf("directory's owner %d:%d mode %o, want 5:6 700", a.UID, a.GID, a.Mode)
	}
	l, err := s.x.Symlink(s.ctx(), &fop.SymlinkReq{Req: s.as(7, 8), Parent: root, Name: "l", GFID: fop.NewGFID(), Target: "t"})
	s.ok(err, "Symlink")
	if a := l.Iatt; a.UID != 7 || a.GID != 8 {
		s.Errorf("symlink's owner %d:%d, want 7:8", a.UID, a.GID)
	}
}

func (s *fs) testCreateMark() {
	mark := fop.Xattr{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2}}
	q := s.createReq(root, "f")
	q.Xattrs = []fop.Xattr{{Name: "user.a", Value: []byte("b")}}
	q.Mark = []fop.Xattr{mark}
	r, err := s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	l, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), Parent: root, Name: "f", Want: []string{mark.Name, "user.a", "trusted.afr.none"}})
	s.ok(err, "Lookup")
	if v, _ := fop.XattrOf(l.Xattrs, mark.Name); string(v) != string(mark.Value) || len(l.Xattrs) != 2 {
		s.Errorf("wanted xattrs are %q", l.Xattrs)
	}
	if l.Iatt.Flags&fop.IattNoXattrs != 0 {
		s.Errorf("IattNoXattrs although there is user.a")
	}
}

func (s *fs) testSgid() {
	_, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.as(1, 50), Parent: root, Name: "d", GFID: fop.NewGFID(), Mode: 02775})
	s.ok(err, "Mkdir")
	d := s.lookup(root, "d")
	if d.Mode != 02775 {
		s.Errorf("mode %o, want 2775", d.Mode)
	}
	q := s.createReq(d.GFID, "f")
	q.Req = s.as(1, 60)
	r, err := s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	if r.Iatt.GID != 50 || r.Iatt.UID != 1 {
		s.Errorf("file's owner %d:%d, want 1:50", r.Iatt.UID, r.Iatt.GID)
	}
	sub, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.as(1, 60), Parent: d.GFID, Name: "s", GFID: fop.NewGFID(), Mode: 0755})
	s.ok(err, "Mkdir")
	if sub.Iatt.GID != 50 || sub.Iatt.Mode != 02755 {
		s.Errorf("directory's group %d mode %o, want 50 2755", sub.Iatt.GID, sub.Iatt.Mode)
	}
}

func (s *fs) testMkdir() {
	g := fop.NewGFID()
	before := s.stat(root).Nlink
	r, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: root, Name: "d", GFID: g, Mode: 0751})
	s.ok(err, "Mkdir")
	if a := r.Iatt; a.GFID != g || a.Type != fop.TypeDir || a.Mode != 0751 || a.Nlink != 2 {
		s.Errorf("Mkdir: %+v", a)
	}
	if n := s.stat(root).Nlink; n != before+1 {
		s.Errorf("the parent's link count went from %d to %d", before, n)
	}
	f := s.file(g, "f", "x")
	if a := s.lookup(g, "f"); a.GFID != f {
		s.Errorf("Lookup in the new directory: %+v", a)
	}
	_, err = s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: f, Name: "d", GFID: fop.NewGFID()})
	s.fails(err, syscall.ENOTDIR, "Mkdir in a file")
}

func (s *fs) testMknod() {
	for i, typ := range []fop.FileType{fop.TypeReg, fop.TypeFifo, fop.TypeSock, fop.TypeChr, fop.TypeBlk} {
		q := &fop.MknodReq{Req: s.as(3, 4), Parent: root, Name: fmt.Sprint("n", i), GFID: fop.NewGFID(), Type: typ, Mode: 0666, Umask: 022}
		if typ == fop.TypeChr || typ == fop.TypeBlk {
			q.Rdev = 0x0107
		}
		r, err := s.x.Mknod(s.ctx(), q)
		s.ok(err, "Mknod(%v)", typ)
		for _, a := range []fop.Iatt{r.Iatt, s.lookup(root, q.Name)} {
			if a.Type != typ || a.Mode != 0644 || a.UID != 3 || a.GID != 4 || a.Rdev != q.Rdev || a.Nlink != 1 || a.GFID != q.GFID {
				s.Errorf("Mknod(%v): %+v", typ, a)
			}
		}
		_, err = s.x.Mknod(s.ctx(), &fop.MknodReq{Req: s.req(), Parent: root, Name: q.Name, GFID: fop.NewGFID(), Type: typ})
		s.fails(err, syscall.EEXIST, "Mknod of an existing name")
	}
	g := s.file(root, "f", "data")
	r, err := s.x.Mknod(s.ctx(), &fop.MknodReq{Req: s.req(), Parent: root, Name: "again", GFID: g, Type: fop.TypeReg, Mode: 0600})
	s.ok(err, "Mknod with the GFID of an inode that exists")
	if r.Iatt.Nlink != 2 || s.content(s.lookup(root, "again").GFID) != "data" {
		s.Errorf("Mknod with an existing GFID: %+v", r.Iatt)
	}
}

func (s *fs) testSymlink() {
	for _, target := range []string{"t", "/etc/passwd", "../../..", strings.Repeat("x", 4000)} {
		g := fop.NewGFID()
		name := fmt.Sprint("l", len(target))
		r, err := s.x.Symlink(s.ctx(), &fop.SymlinkReq{Req: s.req(), Parent: root, Name: name, GFID: g, Target: target})
		if len(target) > 1000 && fop.Errno(err) == syscall.ENAMETOOLONG {
			continue // XFS stores 1023 bytes
		}
		s.ok(err, "Symlink(%d bytes)", len(target))
		if a := r.Iatt; a.Type != fop.TypeLink || a.Size != uint64(len(target)) || a.Nlink != 1 {
			s.Errorf("Symlink: %+v", a)
		}
		l, err := s.x.Readlink(s.ctx(), &fop.ReadlinkReq{Req: s.req(), GFID: g})
		s.ok(err, "Readlink")
		if l.Target != target {
			s.Errorf("Readlink = %q, want %q", l.Target, target)
		}
	}
	_, err := s.x.Readlink(s.ctx(), &fop.ReadlinkReq{Req: s.req(), GFID: s.file(root, "f", "")})
	s.fails(err, syscall.EINVAL, "Readlink of a file")
	s.fails(s.lookupErr(s.lookup(root, "l11").GFID, "x"), syscall.ENOTDIR, "Lookup in a symlink")
}

func (s *fs) testLink() {
	g := s.file(root, "a", "data")
	d := s.mkdir(root, "d")
	r, err := s.link(g, d, "b")
	s.ok(err, "Link")
	if r.Iatt.GFID != g || r.Iatt.Nlink != 2 {
		s.Errorf("Link: %+v", r.Iatt)
	}
	if s.has(MdataTimes) && r.Iatt.Ctime != s.now() {
		s.Errorf("Link: ctime %v, want %v", r.Iatt.Ctime, s.now())
	}
	for _, a := range []fop.Iatt{s.lookup(root, "a"), s.lookup(d, "b"), s.stat(g)} {
		if a.GFID != g || a.Nlink != 2 || a.Size != 4 {
			s.Errorf("after Link: %+v", a)
		}
	}
	_, err = s.link(g, root, "d")
	s.fails(err, syscall.EEXIST, "Link onto a name")
	_, err = s.link(d, root, "e")
	s.fails(err, syscall.EPERM, "Link of a directory")
	_, err = s.link(fop.NewGFID(), root, "e")
	s.fails(err, syscall.ESTALE, "Link of nothing")
	_, err = s.x.Unlink(s.ctx(), &fop.UnlinkReq{Req: s.req(), Parent: root, Name: "a", NotLast: true})
	s.ok(err, "Unlink of one of two names")
	if a := s.lookup(d, "b"); a.Nlink != 1 {
		s.Errorf("after Unlink of the other name: %+v", a)
	}
	_, err = s.x.Unlink(s.ctx(), &fop.UnlinkReq{Req: s.req(), Parent: d, Name: "b", NotLast: true})
	s.fails(err, syscall.EBUSY, "Unlink, but not of the last name")
	if a := s.lookup(d, "b"); a.Nlink != 1 {
		s.Errorf("after Unlink was refused: %+v", a)
	}
}

func (s *fs) testUnlink() {
	g := s.file(root, "f", "data")
	d := s.mkdir(root, "d")
	_, err := s.x.Unlink(s.ctx(), &fop.UnlinkReq{Req: s.req(), Parent: root, Name: "f", GFID: fop.NewGFID()})
	s.fails(err, syscall.ESTALE, "Unlink of another GFID")
	r, err := s.x.Unlink(s.ctx(), &fop.UnlinkReq{Req: s.req(), Parent: root, Name: "f", GFID: g})
	s.ok(err, "Unlink")
	if r.Iatt.GFID != g || r.Iatt.Nlink != 0 {
		s.Errorf("Unlink: %+v", r.Iatt)
	}
	s.fails(s.lookupErr(root, "f"), syscall.ENOENT, "Lookup after Unlink")
	s.gone(g, "Stat after Unlink")
	_, err = s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: g})
	s.fails(err, syscall.ESTALE, "Open after Unlink")
	_, err = s.unlink(root, "f")
	s.fails(err, syscall.ENOENT, "Unlink twice")
	_, err = s.unlink(root, "d")
	s.fails(err, syscall.EISDIR, "Unlink of a directory")
	_, err = s.unlink(fop.NewGFID(), "x")
	s.fails(err, syscall.ESTALE, "Unlink in a missing directory")
	if n := s.names(root, 4096); len(n) != 1 || s.lookup(root, "d").GFID != d {
		s.Errorf("left: %q", n)
	}
}

func (s *fs) testUnlinkOpen() {
	g, f := s.create(root, "f")
	s.write(f, 0, "still here")
	second := s.open(g, syscall.O_RDONLY)
	r, err := s.unlink(root, "f")
	s.ok(err, "Unlink")
	if r.Iatt.Nlink != 0 {
		s.Errorf("link count %d after the last Unlink", r.Iatt.Nlink)
	}
	s.fails(s.lookupErr(root, "f"), syscall.ENOENT, "Lookup")
	s.write(f, 10, "!")
	if got := s.read(second, 0, 100); got != "still here!" {
		s.Errorf("read %q", got)
	}
	if a := s.stat(g); a.Nlink != 0 || a.Size != 11 {
		s.Errorf("Stat of an open, unlinked file: %+v", a)
	}
	_, err = s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: g, Valid: fop.SetMode, Mode: 0600})
	s.ok(err, "Setattr of an open, unlinked file")
	_, err = s.x.Truncate(s.ctx(), &fop.TruncateReq{Req: s.req(), GFID: g, Size: 3})
	s.ok(err, "Truncate of an open, unlinked file")
	if got := s.read(f, 0, 100); got != "sti" {
		s.Errorf("read %q after Truncate", got)
	}
	h := s.file(root, "f", "new") // the name is free
	if got := s.content(h); got != "new" {
		s.Errorf("new file's content %q", got)
	}
}

func (s *fs) testRmdir() {
	d := s.mkdir(root, "d")
	s.file(d, "f", "")
	before := s.stat(root).Nlink
	_, err := s.rmdir(root, "d")
	s.fails(err, syscall.ENOTEMPTY, "Rmdir of a full directory")
	_, err = s.unlink(d, "f")
	s.ok(err, "Unlink")
	_, err = s.x.Rmdir(s.ctx(), &fop.RmdirReq{Req: s.req(), Parent: root, Name: "d", GFID: fop.NewGFID()})
	s.fails(err, syscall.ESTALE, "Rmdir of another GFID")
	r, err := s.rmdir(root, "d")
	s.ok(err, "Rmdir")
	if r.Iatt.GFID != d || r.Iatt.Nlink != 0 {
		s.Errorf("Rmdir: %+v", r.Iatt)
	}
	if n := s.stat(root).Nlink; n != before-1 {
		s.Errorf("the parent's link count went from %d to %d", before, n)
	}
	s.fails(s.statErr(d), syscall.ESTALE, "Stat after Rmdir")
	s.fails(s.lookupErr(d, "x"), syscall.ESTALE, "Lookup in a removed directory")
	_, err = s.x.Create(s.ctx(), s.createReq(d, "x"))
	s.fails(err, syscall.ESTALE, "Create in a removed directory")
	s.file(root, "f", "")
	_, err = s.rmdir(root, "f")
	s.fails(err, syscall.ENOTDIR, "Rmdir of a file")
	_, err = s.rmdir(root, "none")
	s.fails(err, syscall.ENOENT, "Rmdir of nothing")
}

func (s *fs) testLongNames() {
	long := strings.Repeat("é", 127) + "x" // 255 bytes
	g := s.file(root, long, "data")
	if a := s.lookup(root, long); a.GFID != g {
		s.Errorf("Lookup of a name of 255 bytes: %+v", a)
	}
	if n := s.names(root, 4096); len(n) != 1 || n[0] != long {
		s.Errorf("names %q", n)
	}
	too := long + "x"
	s.fails(s.lookupErr(root, too), syscall.ENAMETOOLONG, "Lookup")
	_, err := s.x.Create(s.ctx(), s.createReq(root, too))
	s.fails(err, syscall.ENAMETOOLONG, "Create")
	_, err = s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: root, Name: too, GFID: fop.NewGFID(), Mode: 0755})
	s.fails(err, syscall.ENAMETOOLONG, "Mkdir")
	_, err = s.rename(root, long, root, too, 0)
	s.fails(err, syscall.ENAMETOOLONG, "Rename")
}

func (s *fs) testBadNames() {
	for _, name := range []string{".", "..", "a/b", "a\x00b"} {
		if s.lookupErr(root, name) == nil {
			s.Errorf("Lookup(%q) succeeds", name)
		}
		if _, err := s.x.Create(s.ctx(), s.createReq(root, name)); err == nil {
			s.Errorf("Create(%q) succeeds", name)
		}
	}
	if _, err := s.x.Create(s.ctx(), s.createReq(root, "")); err == nil {
		s.Error("Create without a name succeeds")
	}
}

func (s *fs) testParents() {
	d := s.mkdir(root, "d")
	c, err := s.x.Create(s.ctx(), s.createReq(d, "f"))
	s.ok(err, "Create")
	s.closeAtEnd(c.File)
	s.checkDir("Create", d, c.PreDir, c.PostDir)
	m, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: d, Name: "s", GFID: fop.NewGFID(), Mode: 0755})
	s.ok(err, "Mkdir")
	s.checkDir("Mkdir", d, m.PreDir, m.PostDir)
	if m.PostDir.Nlink != m.PreDir.Nlink+1 {
		s.Errorf("Mkdir: parent's link count %d then %d", m.PreDir.Nlink, m.PostDir.Nlink)
	}
	l, err := s.link(c.Iatt.GFID, d, "l")
	s.ok(err, "Link")
	s.checkDir("Link", d, l.PreDir, l.PostDir)
	u, err := s.unlink(d, "l")
	s.ok(err, "Unlink")
	s.checkDir("Unlink", d, u.PreDir, u.PostDir)
	r, err := s.rmdir(d, "s")
	s.ok(err, "Rmdir")
	s.checkDir("Rmdir", d, r.PreDir, r.PostDir)
	n, err := s.rename(d, "f", root, "g", 0)
	s.ok(err, "Rename")
	s.checkDir("Rename, old parent", d, n.PreOldDir, n.PostOldDir)
	s.checkDir("Rename, new parent", root, n.PreNewDir, n.PostNewDir)
	k, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), Parent: root, Name: "g"})
	s.ok(err, "Lookup")
	if k.Parent.GFID != root || k.Parent.Type != fop.TypeDir {
		s.Errorf("Lookup: parent %+v", k.Parent)
	}
}

// checkDir checks what a fop that just changed directory g told about it.
func (s *fs) checkDir(what string, g fop.GFID, pre, post fop.Iatt) {
	s.Helper()
	if pre.GFID != g || post.GFID != g || pre.Type != fop.TypeDir || post.Type != fop.TypeDir {
		s.Errorf("%s: parent before %+v, after %+v", what, pre, post)
	}
	if s.has(MdataTimes) && (post.Mtime != s.now() || post.Ctime != s.now() || !pre.Mtime.Before(post.Mtime)) {
		s.Errorf("%s: parent's mtime went from %v to %v, ctime to %v; want %v", what, pre.Mtime, post.Mtime, post.Ctime, s.now())
	}
}

func (s *fs) testDeep() {
	const depth = 1000
	g := root
	for i := range depth {
		g = s.mkdir(g, fmt.Sprint("d", i))
	}
	f := s.file(g, "f", "deep")
	at := root
	for i := range depth {
		at = s.lookup(at, fmt.Sprint("d", i)).GFID
	}
	if a := s.lookup(at, "f"); a.GFID != f {
		s.Errorf("Lookup at depth %d: %+v", depth, a)
	}
	if got := s.content(f); got != "deep" {
		s.Errorf("content %q", got)
	}
}

func (s *fs) testHidden() {
	for _, name := range []string{".glusterfs", ".glusterfs-anonymous-inode-3bc3bed0-d02d-4ad2-a877-13068e2904ac"} {
		s.fails(s.lookupErr(root, name), syscall.ENOENT, "Lookup of "+name)
		_, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: root, Name: name, GFID: fop.NewGFID(), Mode: 0755})
		s.fails(err, syscall.EPERM, "Mkdir of "+name)
		_, err = s.x.Create(s.ctx(), s.createReq(root, name))
		s.fails(err, syscall.EPERM, "Create of "+name)
		_, err = s.rmdir(root, name)
		s.fails(err, syscall.EPERM, "Rmdir of "+name)
		s.mkdir(root, "x"+name)
		_, err = s.rename(root, "x"+name, root, name, 0)
		s.fails(err, syscall.EPERM, "Rename to "+name)
		_, err = s.rename(root, name, root, "y", 0)
		s.fails(err, syscall.EPERM, "Rename of "+name)
		d := s.mkdir(root, "sub"+name)
		s.file(d, name, "") // only the root's are special
	}
	for _, n := range s.names(root, 4096) {
		if strings.HasPrefix(n, ".glusterfs") {
			s.Errorf("%q is listed", n)
		}
	}
}
