package xlatortest

import (
	"fmt"
	"slices"

	"github.com/gofs/gofs/xlators/fop"
)

var dirTests = []test{
	{"readdir", nil, (*fs).testReaddir},
	{"readdir plus", nil, (*fs).testReaddirPlus},
	{"readdir pages", []Feature{LongListing}, (*fs).testPages},
	{"readdir seeks", nil, (*fs).testSeekdir},
	{"readdir while entries go", []Feature{LongListing}, (*fs).testReaddirUnlinks},
}

func (s *fs) testReaddir() {
	d := s.mkdir(root, "d")
	want := map[string]fop.GFID{"sub": s.mkdir(d, "sub"), "f": s.file(d, "f", "x")}
	for _, size := range []int{1, 4096, 1 << 20} {
		got := s.list(d, size, false)
		if len(got) != len(want) {
			s.Fatalf("%d entries, want %d: %+v", len(got), len(want), got)
		}
		for _, e := range got {
			if e.Iatt.GFID != want[e.Name] || e.Iatt.Type == fop.TypeUnknown || e.Off == 0 {
				s.Errorf("entry %+v", e)
			}
		}
	}
	if n := s.names(s.mkdir(root, "empty"), 4096); len(n) != 0 {
		s.Errorf("an empty directory lists %q", n)
	}
}

func (s *fs) testReaddirPlus() {
	d := s.mkdir(root, "d")
	sub, f := s.mkdir(d, "sub"), s.file(d, "f", "12345")
	for _, e := range s.list(d, 1<<20, true) {
		a := s.stat(map[string]fop.GFID{"sub": sub, "f": f}[e.Name])
		a.Flags, e.Iatt.Flags = 0, 0
		if e.Iatt.Known() && e.Iatt.Size+uint64(e.Iatt.Nlink) > 0 && e.Iatt != a {
			s.Errorf("entry %q has attributes\n%+v, want\n%+v", e.Name, e.Iatt, a)
		}
	}
}

func (s *fs) testPages() {
	d := s.mkdir(root, "d")
	var want []string
	for i := range 1000 {
		name := fmt.Sprintf("file-%04d", i)
		s.file(d, name, "")
		want = append(want, name)
	}
	for _, size := range []int{1000, 20_000, 1 << 20} {
		got := s.names(d, size)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			s.Errorf("pages of %d bytes list %d names, want %d, each once", size, len(got), len(want))
		}
	}
}

func (s *fs) testSeekdir() {
	d := s.mkdir(root, "d")
	for i := range 20 {
		s.file(d, fmt.Sprint("f", i), "")
	}
	all := s.list(d, 1<<20, false)
	r, err := s.x.Opendir(s.ctx(), &fop.OpendirReq{Req: s.req(), GFID: d})
	s.ok(err, "Opendir")
	defer r.Dir.Close()
	for _, i := range []int{10, 3, 18, 0} {
		p, err := r.Dir.Readdirp(s.ctx(), &fop.ReaddirpReq{Req: s.req(), Off: all[i].Off, Size: 1})
		s.ok(err, "Readdirp")
		if len(p.Entries) != 1 || p.Entries[0].Name != all[i+1].Name {
			s.Errorf("after entry %d (%q) comes %+v, want %q", i, all[i].Name, p.Entries, all[i+1].Name)
		}
	}
	p, err := r.Dir.Readdirp(s.ctx(), &fop.ReaddirpReq{Req: s.req(), Off: all[19].Off, Size: 4096})
	s.ok(err, "Readdirp")
	if len(p.Entries) != 0 || !p.EOF {
		s.Errorf("after the last entry: %+v", p)
	}
	s.file(d, "new", "")
	p, err = r.Dir.Readdirp(s.ctx(), &fop.ReaddirpReq{Req: s.req(), Size: 1 << 20})
	s.ok(err, "Readdirp")
	if len(p.Entries) != 21 {
		s.Errorf("from the beginning %d entries, want 21", len(p.Entries))
	}
}

func (s *fs) testReaddirUnlinks() {
	d := s.mkdir(root, "d")
	for i := range 600 {
		s.file(d, fmt.Sprintf("f%03d", i), "")
	}
	r, err := s.x.Opendir(s.ctx(), &fop.OpendirReq{Req: s.req(), GFID: d})
	s.ok(err, "Opendir")
	defer r.Dir.Close()
	seen := map[string]int{}
	var off uint64
	for eof := false; !eof; {
		p, err := r.Dir.Readdirp(s.ctx(), &fop.ReaddirpReq{Req: s.req(), Off: off, Size: 500})
		s.ok(err, "Readdirp")
		for i, e := range p.Entries {
			seen[e.Name]++
			off = e.Off
			if i%2 == 0 {
				_, err := s.unlink(d, e.Name)
				s.ok(err, "Unlink(%q)", e.Name)
			}
		}
		eof = p.EOF
	}
	if len(seen) != 600 {
		s.Errorf("saw %d of 600 names", len(seen))
	}
	for n, k := range seen {
		if k != 1 {
			s.Errorf("saw %q %d times", n, k)
		}
	}
}
