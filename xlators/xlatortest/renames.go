package xlatortest

import (
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

func (s *fs) testRename() {
	g := s.file(root, "a", "data")
	d := s.mkdir(root, "d")
	r, err := s.rename(root, "a", root, "b", 0)
	s.ok(err, "Rename")
	if r.Iatt.GFID != g || r.Iatt.Nlink != 1 || r.Replaced.Known() {
		s.Errorf("Rename: %+v, replaced %+v", r.Iatt, r.Replaced)
	}
	if s.has(MdataTimes) && r.Iatt.Ctime != s.now() {
		s.Errorf("Rename: ctime %v, want %v", r.Iatt.Ctime, s.now())
	}
	s.fails(s.lookupErr(root, "a"), syscall.ENOENT, "Lookup of the old name")
	_, err = s.rename(root, "b", d, "c", 0)
	s.ok(err, "Rename to another directory")
	if a := s.lookup(d, "c"); a.GFID != g || a.Nlink != 1 || s.content(g) != "data" {
		s.Errorf("after Rename: %+v", a)
	}
	f := s.open(g, syscall.O_RDONLY)
	_, err = s.rename(d, "c", root, "e", 0)
	s.ok(err, "Rename of an open file")
	if got := s.read(f, 0, 9); got != "data" {
		s.Errorf("read %q after Rename", got)
	}
}

func (s *fs) testRenameReplaces() {
	a, b := s.file(root, "a", "A"), s.file(root, "b", "B")
	r, err := s.rename(root, "a", root, "b", 0)
	s.ok(err, "Rename over a file")
	if r.Replaced.GFID != b || r.Replaced.Nlink != 0 || r.Iatt.GFID != a {
		s.Errorf("Rename: %+v replaced %+v", r.Iatt, r.Replaced)
	}
	s.gone(b, "Stat of the replaced file")
	if got := s.content(s.lookup(root, "b").GFID); got != "A" {
		s.Errorf("content %q", got)
	}

	c, f := s.create(root, "c")
	s.write(f, 0, "C")
	_, err = s.rename(root, "b", root, "c", 0)
	s.ok(err, "Rename over an open file")
	if got := s.read(f, 0, 9); got != "C" || s.stat(c).Nlink != 0 {
		s.Errorf("the replaced, open file: %q, %+v", got, s.stat(c))
	}

	l := s.file(root, "l", "L")
	_, err = s.link(l, root, "l2")
	s.ok(err, "Link")
	r, err = s.rename(root, "c", root, "l2", 0)
	s.ok(err, "Rename over one of two names")
	if r.Replaced.GFID != l || r.Replaced.Nlink != 1 || s.stat(l).Nlink != 1 || s.content(l) != "L" {
		s.Errorf("Rename over one of two names: replaced %+v", r.Replaced)
	}

	d1, d2 := s.mkdir(root, "d1"), s.mkdir(root, "d2")
	r, err = s.rename(root, "d1", root, "d2", 0)
	s.ok(err, "Rename over an empty directory")
	if r.Replaced.GFID != d2 || r.Replaced.Nlink != 0 || s.lookup(root, "d2").GFID != d1 {
		s.Errorf("Rename over a directory: %+v", r)
	}
	s.fails(s.statErr(d2), syscall.ESTALE, "Stat of the replaced directory")
}

func (s *fs) testRenameErrors() {
	s.file(root, "f", "")
	d := s.mkdir(root, "d")
	full := s.mkdir(root, "full")
	s.file(full, "x", "")
	sub := s.mkdir(d, "sub")
	for _, c := range []struct {
		what, from string
		to         fop.GFID
		name       string
		want       syscall.Errno
	}{
		{"nothing", "none", root, "x", syscall.ENOENT},
		{"file over directory", "f", root, "d", syscall.EISDIR},
		{"directory over file", "d", root, "f", syscall.ENOTDIR},
		{"directory over full directory", "d", root, "full", syscall.ENOTEMPTY},
		{"directory into itself", "d", d, "x", syscall.EINVAL},
		{"directory into what is in it", "d", sub, "x", syscall.EINVAL},
		{"to a missing directory", "f", fop.NewGFID(), "x", syscall.ESTALE},
	} {
		_, err := s.rename(root, c.from, c.to, c.name, 0)
		s.fails(err, c.want, "Rename of "+c.what)
	}
	if n := len(s.names(root, 4096)); n != 3 {
		s.Errorf("%d names after failed Renames, want 3", n)
	}
	s.lookup(root, "f")
	s.lookup(full, "x")
}

func (s *fs) testRenameNoReplace() {
	a, b := s.file(root, "a", ""), s.file(root, "b", "")
	_, err := s.rename(root, "a", root, "b", fop.RenameNoReplace)
	s.fails(err, syscall.EEXIST, "Rename onto a name")
	if s.lookup(root, "a").GFID != a || s.lookup(root, "b").GFID != b {
		s.Error("a failed Rename changed something")
	}
	_, err = s.rename(root, "a", root, "c", fop.RenameNoReplace)
	s.ok(err, "Rename")
	if s.lookup(root, "c").GFID != a {
		s.Error("Rename did not rename")
	}
}

func (s *fs) testRenameExchange() {
	a := s.file(root, "a", "A")
	d := s.mkdir(root, "d")
	e := s.mkdir(d, "e")
	s.file(e, "x", "X")
	_, err := s.rename(root, "a", d, "e", fop.RenameExchange)
	s.ok(err, "Rename")
	if s.lookup(root, "a").GFID != e || s.lookup(d, "e").GFID != a {
		s.Error("names are not exchanged")
	}
	if got := s.content(s.lookup(e, "x").GFID); got != "X" {
		s.Errorf("content %q", got)
	}
	_, err = s.rename(root, "a", root, "none", fop.RenameExchange)
	s.fails(err, syscall.ENOENT, "Rename with nothing")
}

func (s *fs) testRenameSame() {
	g := s.file(root, "a", "A")
	_, err := s.link(g, root, "b")
	s.ok(err, "Link")
	_, err = s.rename(root, "a", root, "b", 0)
	s.ok(err, "Rename")
	if s.lookup(root, "a").GFID != g || s.lookup(root, "b").GFID != g || s.stat(g).Nlink != 2 {
		s.Error("Rename between names of one inode must do nothing")
	}
}

func (s *fs) testRenameDir() {
	a, b := s.mkdir(root, "a"), s.mkdir(root, "b")
	sub := s.mkdir(a, "sub")
	f := s.file(sub, "f", "data")
	before := s.stat(root).Nlink
	_, err := s.rename(root, "a", b, "moved", 0)
	s.ok(err, "Rename")
	if s.lookup(b, "moved").GFID != a || s.lookup(a, "sub").GFID != sub || s.lookup(sub, "f").GFID != f {
		s.Error("what is in a renamed directory is not found")
	}
	s.file(sub, "g", "new")
	if got := s.names(sub, 4096); len(got) != 2 {
		s.Errorf("names %q", got)
	}
	if s.stat(b).Nlink != 3 || s.stat(root).Nlink != before-1 {
		s.Errorf("link counts: new parent %d, old parent %d then %d", s.stat(b).Nlink, before, s.stat(root).Nlink)
	}
}
