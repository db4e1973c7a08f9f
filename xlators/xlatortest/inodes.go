package xlatortest

import (
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

var inodeTests = []test{
	{"setattr", nil, (*fs).testSetattr},
	{"setattr times", []Feature{MdataTimes}, (*fs).testSetTimes},
	{"truncate", nil, (*fs).testTruncate},
	{"statfs", nil, (*fs).testStatfs},
	{"forget", nil, (*fs).testForget},
}

func (s *fs) testSetattr() {
	g := s.file(root, "f", "data")
	r, err := s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: g, Valid: fop.SetMode, Mode: 0400})
	s.ok(err, "Setattr(mode)")
	if r.Pre.Mode != 0644 || r.Post.Mode != 0400 {
		s.Errorf("mode went from %o to %o", r.Pre.Mode, r.Post.Mode)
	}
	if s.has(MdataTimes) && r.Post.Ctime != s.now() {
		s.Errorf("ctime %v, want %v", r.Post.Ctime, s.now())
	}
	r, err = s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: g, Valid: fop.SetUID | fop.SetGID | fop.SetMode, UID: 12, GID: 13, Mode: 04755})
	s.ok(err, "Setattr(owner and mode)")
	if a := s.stat(g); a.UID != 12 || a.GID != 13 || a.Mode != 04755 || a != r.Post {
		s.Errorf("owner %d:%d mode %o", a.UID, a.GID, a.Mode)
	}
	_, err = s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: g, Valid: fop.SetGID, GID: 14})
	s.ok(err, "Setattr(group)")
	if a := s.stat(g); a.UID != 12 || a.GID != 14 {
		s.Errorf("owner %d:%d, want 12:14", a.UID, a.GID)
	}
	d := s.mkdir(root, "d")
	_, err = s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: d, Valid: fop.SetMode | fop.SetUID, Mode: 01777, UID: 3})
	s.ok(err, "Setattr of a directory")
	if a := s.lookup(root, "d"); a.Mode != 01777 || a.UID != 3 {
		s.Errorf("directory's mode %o owner %d", a.Mode, a.UID)
	}
	_, err = s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: fop.NewGFID(), Valid: fop.SetMode})
	s.fails(err, syscall.ESTALE, "Setattr of nothing")
}

func (s *fs) testSetTimes() {
	g := s.file(root, "f", "data")
	at, mt := fop.Time{Sec: 1000, Nsec: 1}, fop.Time{Sec: 2000, Nsec: 999_999_999}
	r, err := s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: g, Valid: fop.SetAtime | fop.SetMtime, Atime: at, Mtime: mt})
	s.ok(err, "Setattr(times)")
	for _, a := range []fop.Iatt{r.Post, s.stat(g), s.lookup(root, "f")} {
		if a.Atime != at || a.Mtime != mt || !a.Ctime.Before(s.now()) && a.Ctime != r.Post.Ctime {
			s.Errorf("times %v %v %v, want %v %v", a.Atime, a.Mtime, a.Ctime, at, mt)
		}
	}
	_, err = s.x.Setattr(s.ctx(), &fop.SetattrReq{Req: s.req(), GFID: g, Valid: fop.SetMtime, Mtime: fop.Time{Sec: 7}})
	s.ok(err, "Setattr(mtime)")
	if a := s.stat(g); a.Atime != at || a.Mtime != (fop.Time{Sec: 7}) {
		s.Errorf("times %v %v", a.Atime, a.Mtime)
	}
	s.write(s.open(g, syscall.O_WRONLY), 0, "x")
	if a := s.stat(g); a.Mtime != s.now() && !a.Mtime.Before(s.now()) {
		s.Errorf("mtime %v after a write at %v", a.Mtime, s.now())
	}
}

func (s *fs) testTruncate() {
	g := s.file(root, "f", "0123456789")
	for _, size := range []uint64{4, 8, 0, 1 << 33} {
		r, err := s.x.Truncate(s.ctx(), &fop.TruncateReq{Req: s.req(), GFID: g, Size: size})
		s.ok(err, "Truncate(%d)", size)
		if r.Post.Size != size || s.stat(g).Size != size {
			s.Errorf("Truncate(%d): size %d", size, r.Post.Size)
		}
		if s.has(MdataTimes) && r.Post.Mtime.Before(r.Pre.Mtime) {
			s.Errorf("mtime went from %v to %v", r.Pre.Mtime, r.Post.Mtime)
		}
		if size == 8 {
			if got := s.content(g); got != "0123\x00\x00\x00\x00" {
				s.Errorf("content %q", got)
			}
		}
	}
	_, err := s.x.Truncate(s.ctx(), &fop.TruncateReq{Req: s.req(), GFID: s.mkdir(root, "d")})
	s.fails(err, syscall.EISDIR, "Truncate of a directory")
	_, err = s.x.Truncate(s.ctx(), &fop.TruncateReq{Req: s.req(), GFID: fop.NewGFID()})
	s.fails(err, syscall.ESTALE, "Truncate of nothing")
}

func (s *fs) testStatfs() {
	r, err := s.x.Statfs(s.ctx(), &fop.StatfsReq{Req: s.req(), GFID: root})
	s.ok(err, "Statfs")
	if r.Bsize == 0 || r.Frsize == 0 || r.Blocks == 0 || r.Bfree > r.Blocks || r.Namemax != 255 {
		s.Errorf("Statfs: %+v", r)
	}
}

func (s *fs) testForget() {
	g := s.file(root, "f", "data")
	d := s.mkdir(root, "d")
	_, err := s.x.Forget(s.ctx(), &fop.ForgetReq{Req: s.req(), GFIDs: []fop.GFID{g, d, fop.NewGFID()}})
	s.ok(err, "Forget")
	if got := s.content(g); got != "data" {
		s.Errorf("content %q after Forget", got)
	}
	s.file(d, "x", "")
}
