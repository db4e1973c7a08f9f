package xlatortest

import (
	"encoding/binary"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

var raceTests = []test{
	{"concurrent creates of one name", nil, (*fs).testRaceCreate},
	{"concurrent xattrops", []Feature{Xattrop}, (*fs).testRaceXattrop},
	{"concurrent appends", nil, (*fs).testRaceAppend},
	{"concurrent renames of one name", nil, (*fs).testRaceRename},
	{"concurrent creates, lookups and unlinks", nil, (*fs).testRaceChurn},
}

// each calls f(0) ... f(n-1) at once and waits for all.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// fixed is a request that goroutines may share.
func (s *fs) fixed() fop.Req {
	return fop.Req{Caller: &fop.Caller{PID: 1, Client: 1, Time: fop.TimeOf(s.clock.Add(time.Hour))}}
}

func (s *fs) testRaceCreate() {
	const n = 16
	q := s.fixed()
	var errs [n]error
	var gfids [n]fop.GFID
	each(n, func(i int) {
		gfids[i] = fop.NewGFID()
		r, err := s.x.Create(s.ctx(), &fop.CreateReq{Req: q, Parent: root, Name: "f", GFID: gfids[i], Mode: 0644, Flags: syscall.O_RDWR})
		if errs[i] = err; err == nil {
			errs[i] = r.File.Close()
		}
	})
	won := -1
	for i, err := range errs {
		if err == nil && won >= 0 {
			s.Error("two creates of one name succeeded")
		}
		if err == nil {
			won = i
		} else {
			s.fails(err, syscall.EEXIST, "a losing Create")
		}
	}
	if won < 0 || s.lookup(root, "f").GFID != gfids[won] {
		s.Errorf("winner %d, but the name is %v", won, s.lookup(root, "f").GFID)
	}
}

func (s *fs) testRaceXattrop() {
	g := s.file(root, "f", "")
	const n, times = 8, 50
	q := s.fixed()
	each(n, func(int) {
		for range times {
			_, err := s.x.Xattrop(s.ctx(), &fop.XattropReq{Req: q, GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 1}}}})
			if err != nil {
				s.Errorf("Xattrop: %v", err)
			}
		}
	})
	v := s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: "trusted.afr.dirty", Value: make([]byte, 4)})
	if got := binary.BigEndian.Uint32(v[0].Value); got != n*times {
		s.Errorf("sum %d, want %d", got, n*times)
	}
}

func (s *fs) testRaceAppend() {
	g := s.file(root, "f", "")
	const n, times = 4, 50
	q := s.fixed()
	each(n, func(i int) {
		r, err := s.x.Open(s.ctx(), &fop.OpenReq{Req: q, GFID: g, Flags: syscall.O_WRONLY | syscall.O_APPEND})
		if err != nil {
			s.Errorf("Open: %v", err)
			return
		}
		defer r.File.Close()
		for range times {
			if _, err := r.File.Writev(s.ctx(), &fop.WritevReq{Req: q, Data: []byte(fmt.Sprintf("%d%d%d%d", i, i, i, i))}); err != nil {
				s.Errorf("Writev: %v", err)
			}
		}
	})
	got := s.content(g)
	var count [n]int
	for i := 0; i+4 <= len(got); i += 4 {
		if got[i] != got[i+1] || got[i] != got[i+2] || got[i] != got[i+3] || got[i]-'0' >= n {
			s.Fatalf("appends are mixed: %q", got[i:i+4])
		}
		count[got[i]-'0']++
	}
	if count != [n]int{times, times, times, times} {
		s.Errorf("appends per writer %v, want %d each", count, times)
	}
}

func (s *fs) testRaceRename() {
	const n = 8
	g := s.file(root, "f", "data")
	q := s.fixed()
	var errs [n]error
	each(n, func(i int) {
		_, errs[i] = s.x.Rename(s.ctx(), &fop.RenameReq{Req: q, OldParent: root, OldName: "f", NewParent: root, NewName: fmt.Sprint("g", i)})
	})
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			if s.lookup(root, fmt.Sprint("g", i)).GFID != g {
				s.Error("the new name is something else")
			}
		} else {
			s.fails(err, syscall.ENOENT, "a losing Rename")
		}
	}
	if won != 1 || s.stat(g).Nlink != 1 || s.content(g) != "data" {
		s.Errorf("%d renames succeeded, link count %d", won, s.stat(g).Nlink)
	}
}

func (s *fs) testRaceChurn() {
	const n, times, names = 8, 60, 4
	d := s.mkdir(root, "d")
	q := s.fixed()
	each(n, func(i int) {
		for k := range times {
			name := fmt.Sprint("f", (i+k)%names)
			switch k % 4 {
			case 0:
				r, err := s.x.Create(s.ctx(), &fop.CreateReq{Req: q, Parent: d, Name: name, GFID: fop.NewGFID(), Mode: 0644, Flags: syscall.O_RDWR})
				if err == nil {
					_ = r.File.Close()
				} else if fop.Errno(err) != syscall.EEXIST {
					s.Errorf("Create: %v", err)
				}
			case 1:
				if _, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: q, Parent: d, Name: name}); err != nil && !fop.IsGone(err) {
					s.Errorf("Lookup: %v", err)
				}
			case 2:
				_, err := s.x.Rename(s.ctx(), &fop.RenameReq{Req: q, OldParent: d, OldName: name, NewParent: d, NewName: fmt.Sprint("f", k%names)})
				if err != nil && !fop.IsGone(err) {
					s.Errorf("Rename: %v", err)
				}
			case 3:
				if _, err := s.x.Unlink(s.ctx(), &fop.UnlinkReq{Req: q, Parent: d, Name: name}); err != nil && !fop.IsGone(err) {
					s.Errorf("Unlink: %v", err)
				}
			}
		}
	})
	for _, name := range s.names(d, 4096) {
		if a := s.lookup(d, name); a.Nlink != 1 || s.content(a.GFID) != "" {
			s.Errorf("%q is left with %+v", name, a)
		}
		_, err := s.unlink(d, name)
		s.ok(err, "Unlink")
	}
	_, err := s.rmdir(root, "d")
	s.ok(err, "Rmdir of what was emptied")
}
