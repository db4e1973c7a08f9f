package xlatortest

import (
	"bytes"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

const (
	xattrCreate  = 1
	xattrReplace = 2
)

var xattrTests = []test{
	{"xattrs", nil, (*fs).testXattrs},
	{"xattr flags", nil, (*fs).testXattrFlags},
	{"xattr values of all sizes", nil, (*fs).testXattrSizes},
	{"no-xattrs flag", nil, (*fs).testNoXattrs},
	{"internal xattrs are hidden", nil, (*fs).testHiddenXattrs},
	{"internal xattrs from above", []Feature{InternalXattr}, (*fs).testInternalXattrs},
	{"gfid string", []Feature{InternalXattr}, (*fs).testGFIDString},
	{"posix acl is inherited", []Feature{ACL}, (*fs).testACL},
	{"xattrop", []Feature{Xattrop}, (*fs).testXattrop},
	{"xattrop add64 and set", []Feature{Xattrop}, (*fs).testXattropOther},
}

func (s *fs) setx(g fop.GFID, name, value string, flags uint32) error {
	_, err := s.x.Setxattr(s.ctx(), &fop.SetxattrReq{Req: s.req(), GFID: g, Xattrs: []fop.Xattr{{Name: name, Value: []byte(value)}}, Flags: flags})
	return err
}

func (s *fs) getx(g fop.GFID, name string) (string, error) {
	r, err := s.x.Getxattr(s.ctx(), &fop.GetxattrReq{Req: s.req(), GFID: g, Name: name})
	if err != nil {
		return "", err
	}
	v, _ := fop.XattrOf(r.Xattrs, name)
	return string(v), nil
}

func (s *fs) removex(g fop.GFID, names ...string) error {
	_, err := s.x.Removexattr(s.ctx(), &fop.RemovexattrReq{Req: s.req(), GFID: g, Names: names})
	return err
}

func (s *fs) testXattrs() {
	for _, g := range []fop.GFID{s.file(root, "f", ""), s.mkdir(root, "d"), root} {
		_, err := s.getx(g, "user.a")
		s.fails(err, syscall.ENODATA, "Getxattr of what is not there")
		s.ok(s.setx(g, "user.a", "1", 0), "Setxattr")
		s.ok(s.setx(g, "user.b", "", 0), "Setxattr of an empty value")
		s.ok(s.setx(g, "trusted.foo", "x\x00y", 0), "Setxattr of trusted.foo")
		if v, err := s.getx(g, "user.a"); err != nil || v != "1" {
			s.Errorf("Getxattr = %q, %v", v, err)
		}
		if v, err := s.getx(g, "trusted.foo"); err != nil || v != "x\x00y" {
			s.Errorf("Getxattr = %q, %v", v, err)
		}
		r, err := s.x.Getxattr(s.ctx(), &fop.GetxattrReq{Req: s.req(), GFID: g})
		s.ok(err, "Getxattr of all")
		if len(r.Xattrs) != 3 {
			s.Errorf("Getxattr of all: %q", r.Xattrs)
		}
		l, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: g, Want: []string{"user.a", "user.c"}})
		s.ok(err, "Lookup")
		if v, _ := fop.XattrOf(l.Xattrs, "user.a"); len(l.Xattrs) != 1 || string(v) != "1" {
			s.Errorf("Lookup's xattrs %q", l.Xattrs)
		}
		s.ok(s.removex(g, "user.a"), "Removexattr")
		s.fails(s.removex(g, "user.a"), syscall.ENODATA, "Removexattr twice")
		_, err = s.getx(g, "user.a")
		s.fails(err, syscall.ENODATA, "Getxattr of what was removed")
	}
	_, err := s.getx(fop.NewGFID(), "user.a")
	s.fails(err, syscall.ESTALE, "Getxattr of nothing")
	s.fails(s.setx(fop.NewGFID(), "user.a", "", 0), syscall.ESTALE, "Setxattr of nothing")
}

func (s *fs) testXattrFlags() {
	g := s.file(root, "f", "")
	s.fails(s.setx(g, "user.a", "1", xattrReplace), syscall.ENODATA, "Setxattr(REPLACE) of what is not there")
	s.ok(s.setx(g, "user.a", "1", xattrCreate), "Setxattr(CREATE)")
	s.fails(s.setx(g, "user.a", "2", xattrCreate), syscall.EEXIST, "Setxattr(CREATE) of what is there")
	s.ok(s.setx(g, "user.a", "3", xattrReplace), "Setxattr(REPLACE)")
	if v, _ := s.getx(g, "user.a"); v != "3" {
		s.Errorf("value %q, want 3", v)
	}
	if s.has(MdataTimes) {
		if a := s.stat(g); !a.Mtime.Before(a.Ctime) {
			s.Errorf("Setxattr: mtime %v, ctime %v", a.Mtime, a.Ctime)
		}
	}
}

func (s *fs) testXattrSizes() {
	g := s.file(root, "f", "")
	for _, n := range []int{1, 64, 255, 256, 257, 3000} {
		v := string(bytes.Repeat([]byte{'v'}, n))
		s.ok(s.setx(g, "user.a", v, 0), "Setxattr(%d bytes)", n)
		if got, err := s.getx(g, "user.a"); err != nil || got != v {
			s.Errorf("Getxattr of %d bytes: %d, %v", n, len(got), err)
		}
	}
}

func (s *fs) testNoXattrs() {
	g := s.file(root, "f", "")
	s.ok(s.setx(g, "user.a", "1", 0), "Setxattr")
	if a := s.lookup(root, "f"); a.Flags&fop.IattNoXattrs != 0 {
		s.Error("IattNoXattrs although there is one")
	}
	s.ok(s.removex(g, "user.a"), "Removexattr")
	s.ok(s.setx(g, "security.x", "1", 0), "Setxattr")
	if a := s.lookup(root, "f"); a.Flags&fop.IattNoXattrs != 0 {
		s.Error("IattNoXattrs although there is security.x")
	}
}

func (s *fs) testHiddenXattrs() {
	g := s.file(root, "f", "")
	for name, want := range map[string]syscall.Errno{
		"trusted.gfid": syscall.EPERM, "trusted.glusterfs.volume-id": syscall.EPERM,
		"trusted.gfid2path.1517de5c13a1c906": syscall.EOPNOTSUPP, "trusted.glusterfs.dht": syscall.EPERM,
		"trusted.glusterfs.mdata": syscall.EPERM, "trusted.afr.dirty": syscall.EPERM,
	} {
		s.fails(s.setx(g, name, "0123456789abcdef", 0), want, "Setxattr of "+name)
		s.fails(s.removex(g, name), want, "Removexattr of "+name)
		if _, err := s.getx(g, name); err == nil {
			s.Errorf("Getxattr of %s succeeds", name)
		}
	}
	r, err := s.x.Getxattr(s.ctx(), &fop.GetxattrReq{Req: s.req(), GFID: g})
	s.ok(err, "Getxattr of all")
	if len(r.Xattrs) != 0 {
		s.Errorf("a new file shows the xattrs %q", r.Xattrs)
	}
}

func (s *fs) testInternalXattrs() {
	g := s.mkdir(root, "d")
	const name, value = "trusted.glusterfs.dht", "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"
	_, err := s.x.Setxattr(s.ctx(), &fop.SetxattrReq{Req: s.req(), GFID: g, Xattrs: []fop.Xattr{{Name: name, Value: []byte(value)}}, Internal: true})
	s.ok(err, "Setxattr")
	l, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), Parent: root, Name: "d", Want: []string{name}})
	s.ok(err, "Lookup")
	if v, _ := fop.XattrOf(l.Xattrs, name); string(v) != value {
		s.Errorf("Lookup's %s = %x", name, v)
	}
	r, err := s.x.Getxattr(s.ctx(), &fop.GetxattrReq{Req: s.req(), GFID: g, Name: name, Internal: true})
	s.ok(err, "Getxattr")
	if v, _ := fop.XattrOf(r.Xattrs, name); string(v) != value {
		s.Errorf("Getxattr of %s = %x", name, v)
	}
	_, err = s.x.Removexattr(s.ctx(), &fop.RemovexattrReq{Req: s.req(), GFID: g, Names: []string{name}, Internal: true})
	s.ok(err, "Removexattr")
	l, err = s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: g, Want: []string{name}})
	s.ok(err, "Lookup")
	if len(l.Xattrs) != 0 {
		s.Errorf("after Removexattr there is %q", l.Xattrs)
	}
}

func (s *fs) testGFIDString() {
	g := s.file(root, "f", "")
	if v, err := s.getx(g, "glusterfs.gfid.string"); err != nil || v != g.String() {
		s.Errorf("glusterfs.gfid.string = %q, %v", v, err)
	}
}

func (s *fs) testACL() {
	d := s.mkdir(root, "d")
	// user::rwx, user:1000:rwx, group::r-x, mask::rwx, other::---
	acl := "\x02\x00\x00\x00" +
		"\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xe8\x03\x00\x00" + "\x04\x00\x05\x00\xff\xff\xff\xff" +
		"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	s.ok(s.setx(d, "system.posix_acl_default", acl, 0), "Setxattr of the default ACL")
	q := s.createReq(d, "f")
	q.Mode, q.Umask = 0666, 077
	r, err := s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	if r.Iatt.Mode != 0660 || r.Iatt.Flags&fop.IattNoXattrs != 0 {
		s.Errorf("file's mode %o flags %d, want 660 (the umask does not count) 0", r.Iatt.Mode, r.Iatt.Flags)
	}
	if _, err := s.getx(q.GFID, "system.posix_acl_access"); err != nil {
		s.Errorf("the file has no ACL: %v", err)
	}
	sub := s.mkdir(d, "sub")
	if v, err := s.getx(sub, "system.posix_acl_default"); err != nil || v != acl {
		s.Errorf("the directory's default ACL is %x, %v", v, err)
	}
	s.ok(s.removex(d, "system.posix_acl_default"), "Removexattr")
	q = s.createReq(d, "g")
	q.Mode, q.Umask = 0666, 077
	r, err = s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	if r.Iatt.Mode != 0600 {
		s.Errorf("mode %o, want 600", r.Iatt.Mode)
	}
}

func (s *fs) xattrop(g fop.GFID, op fop.XattropOp, deltas ...fop.Xattr) []fop.Xattr {
	s.Helper()
	r, err := s.x.Xattrop(s.ctx(), &fop.XattropReq{Req: s.req(), GFID: g, Op: op, Deltas: deltas})
	s.ok(err, "Xattrop")
	if len(r.Values) != len(deltas) {
		s.Fatalf("Xattrop: %d values for %d deltas", len(r.Values), len(deltas))
	}
	return r.Values
}

func (s *fs) testXattrop() {
	const key = "trusted.afr.v-client-1"
	for _, g := range []fop.GFID{s.file(root, "f", ""), s.mkdir(root, "d")} {
		zeros := make([]byte, 12)
		v := s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: zeros})
		if !bytes.Equal(v[0].Value, zeros) || v[0].Name != key {
			s.Errorf("a zero delta of a missing xattr: %+v", v)
		}
		l, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: g, Want: []string{key}})
		s.ok(err, "Lookup")
		if len(l.Xattrs) != 0 {
			s.Errorf("a zero delta stored %q", l.Xattrs)
		}
		one := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}
		v = s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: one}, fop.Xattr{Name: "trusted.afr.dirty", Value: zeros})
		if !bytes.Equal(v[0].Value, one) || v[1].Name != "trusted.afr.dirty" {
			s.Errorf("first xattrop: %+v", v)
		}
		v = s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: one})
		if want := []byte{0, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe}; !bytes.Equal(v[0].Value, want) {
			s.Errorf("second xattrop: %x, want %x", v[0].Value, want)
		}
		v = s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}})
		if want := []byte{0, 0, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}; !bytes.Equal(v[0].Value, want) {
			s.Errorf("a mark more than can be counted: %x, want %x", v[0].Value, want)
		}
		s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: []byte{0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0x80, 0, 0, 0}})
		v = s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1}})
		if !bytes.Equal(v[0].Value, zeros) {
			s.Errorf("back to %x, want zeros", v[0].Value)
		}
		l, err = s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: g, Want: []string{key, "trusted.afr.dirty"}})
		s.ok(err, "Lookup")
		if got, ok := fop.XattrOf(l.Xattrs, key); !ok || !bytes.Equal(got, zeros) || len(l.Xattrs) != 1 {
			s.Errorf("zeros that were stored stay: %+v", l.Xattrs)
		}
	}
	g := s.file(root, "broken", "")
	for _, v := range [][]byte{{}, {1, 2, 3}, make([]byte, 13), bytes.Repeat([]byte{7}, 2000)} {
		s.xattrop(g, fop.XattropSet, fop.Xattr{Name: key, Value: v})
		got := s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: key, Value: []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}})
		l, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: g, Want: []string{key}})
		s.ok(err, "Lookup")
		if stored, there := fop.XattrOf(l.Xattrs, key); !there || !bytes.Equal(stored, v) || !bytes.Equal(got[0].Value, v) {
			s.Errorf("what was added to %d bytes that are no counters did not leave them as they were: %d bytes", len(v), len(stored))
		}
	}
	_, err := s.x.Xattrop(s.ctx(), &fop.XattropReq{Req: s.req(), GFID: fop.NewGFID(), Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: key, Value: make([]byte, 12)}}})
	s.fails(err, syscall.ESTALE, "Xattrop of nothing")
}

func (s *fs) testXattropOther() {
	g := s.file(root, "f", "")
	const key = "trusted.ec.version"
	d := []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}
	s.xattrop(g, fop.XattropAdd64, fop.Xattr{Name: key, Value: d})
	v := s.xattrop(g, fop.XattropAdd64, fop.Xattr{Name: key, Value: d})
	if want := []byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 2}; !bytes.Equal(v[0].Value, want) {
		s.Errorf("add64: %x, want %x", v[0].Value, want)
	}
	s.xattrop(g, fop.XattropSet, fop.Xattr{Name: key, Value: []byte("set")})
	l, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), GFID: g, Want: []string{key}})
	s.ok(err, "Lookup")
	if got, _ := fop.XattrOf(l.Xattrs, key); string(got) != "set" {
		s.Errorf("after set: %q", got)
	}
}
