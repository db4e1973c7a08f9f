// Package xlatortest is the conformance suite of the waist: what every xlator.Xlator
// must do, whatever it is made of. It knows nothing but the interface and a fresh root.
package xlatortest

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A Feature is something that an implementation may lack for a good reason.
type Feature string

const (
	DirectIO      Feature = "O_DIRECT"
	SpecialFiles  Feature = "devices, fifos and sockets"
	Seek          Feature = "SEEK_DATA and SEEK_HOLE"
	Fallocate     Feature = "fallocate"
	CopyRange     Feature = "copy_file_range"
	Exchange      Feature = "RENAME_EXCHANGE"
	Xattrop       Feature = "xattrop from above" // layers that keep the counters to themselves
	InternalXattr Feature = "internal xattrs from above"
	ACL           Feature = "POSIX ACLs"
	HiddenNames   Feature = "a brick's hidden names"
	ParentIatts   Feature = "the parent's attributes in replies"
	MdataTimes    Feature = "times from Caller.Time"
	LongListing   Feature = "listings of thousands of entries in reasonable time"
)

// A test is one subtest; it is skipped if one of its features is missing.
type test struct {
	name  string
	needs []Feature
	f     func(*fs)
}

// Run runs the suite, all but locks. open is called once per subtest and returns an
// Xlator with an empty root; it arranges for its end by t.Cleanup. Subtests that need one
// of the features in without are skipped.
func Run(t *testing.T, open func(t *testing.T) xlator.Xlator, without ...Feature) {
	for _, table := range [][]test{entryTests, inodeTests, fileTests, dirTests, xattrTests, raceTests} {
		run(t, table, open, without)
	}
}

// RunLocks runs the suite of Inodelk, Entrylk, Lk and Release.
func RunLocks(t *testing.T, open func(t *testing.T) xlator.Xlator, without ...Feature) {
	run(t, lockTests, open, without)
}

func run(t *testing.T, table []test, open func(t *testing.T) xlator.Xlator, without []Feature) {
	for _, tc := range table {
		t.Run(tc.name, func(t *testing.T) {
			for _, need := range tc.needs {
				for _, w := range without {
					if need == w {
						t.Skipf("needs %s", w)
					}
				}
			}
			fs := &fs{T: t, x: open(t), without: without, clock: time.Unix(1_800_000_000, 0)}
			tc.f(fs)
		})
	}
}

// fs is a subtest's view of the Xlator: fops that must succeed, and short requests.
type fs struct {
	*testing.T
	x       xlator.Xlator
	without []Feature
	clock   time.Time
}

func (s *fs) has(f Feature) bool {
	for _, w := range s.without {
		if w == f {
			return false
		}
	}
	return true
}

func (s *fs) ctx() context.Context { return s.Context() }

// as is a request of uid and gid; each lies a second after the one before.
func (s *fs) as(uid, gid uint32, groups ...uint32) fop.Req {
	s.clock = s.clock.Add(time.Second)
	return fop.Req{Caller: &fop.Caller{UID: uid, GID: gid, Groups: groups, PID: 1, Time: fop.TimeOf(s.clock), Client: 1}}
}

// req is a request of root.
func (s *fs) req() fop.Req { return s.as(0, 0) }

// now is the time that the last request carried.
func (s *fs) now() fop.Time { return fop.TimeOf(s.clock) }

// ok fails the test if err is not nil.
func (s *fs) ok(err error, what string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf(what+": %v", append(args, err)...)
	}
}

// gone fails the test unless inode g, which has no name any more, does not exist. File.Close
// does not wait for the brick, so an inode that was open just now may be there for a moment.
func (s *fs) gone(g fop.GFID, what string) {
	s.Helper()
	for range 10_000 {
		if fop.Errno(s.statErr(g)) == syscall.ESTALE {
			return
		}
		runtime.Gosched()
	}
	s.fails(s.statErr(g), syscall.ESTALE, what)
}

// fails fails the test unless err stands for want.
func (s *fs) fails(err error, want syscall.Errno, what string) {
	s.Helper()
	if fop.Errno(err) != want || err == nil {
		s.Errorf("%s: error %v, want %v", what, err, want)
	}
}

var root = fop.RootGFID

// mkdir makes a directory.
func (s *fs) mkdir(parent fop.GFID, name string) fop.GFID {
	s.Helper()
	g := fop.NewGFID()
	r, err := s.x.Mkdir(s.ctx(), &fop.MkdirReq{Req: s.req(), Parent: parent, Name: name, GFID: g, Mode: 0755})
	s.ok(err, "Mkdir(%q)", name)
	return r.Iatt.GFID
}

// create makes a file and leaves it open.
func (s *fs) create(parent fop.GFID, name string) (fop.GFID, xlator.File) {
	s.Helper()
	r, err := s.x.Create(s.ctx(), s.createReq(parent, name))
	s.ok(err, "Create(%q)", name)
	s.closeAtEnd(r.File)
	return r.Iatt.GFID, r.File
}

func (s *fs) createReq(parent fop.GFID, name string) *fop.CreateReq {
	return &fop.CreateReq{Req: s.req(), Parent: parent, Name: name, GFID: fop.NewGFID(), Mode: 0644, Flags: syscall.O_RDWR}
}

// file makes a file with content and closes it.
func (s *fs) file(parent fop.GFID, name, content string) fop.GFID {
	s.Helper()
	r, err := s.x.Create(s.ctx(), s.createReq(parent, name))
	s.ok(err, "Create(%q)", name)
	if content != "" {
		s.write(r.File, 0, content)
	}
	s.ok(r.File.Close(), "Close(%q)", name)
	return r.Iatt.GFID
}

// open opens a file until the end of the test.
func (s *fs) open(g fop.GFID, flags uint32) xlator.File {
	s.Helper()
	r, err := s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: g, Flags: flags})
	s.ok(err, "Open")
	s.closeAtEnd(r.File)
	return r.File
}

// closeAtEnd closes f before the Xlator goes: test cleanups run last first.
func (s *fs) closeAtEnd(f xlator.File) {
	s.Cleanup(func() { _ = f.Close() })
}

func (s *fs) write(f xlator.File, off int64, data string) *fop.WritevReply {
	s.Helper()
	r, err := f.Writev(s.ctx(), &fop.WritevReq{Req: s.req(), Off: off, Data: []byte(data)})
	s.ok(err, "Writev(%d, %d bytes)", off, len(data))
	if r.N != len(data) {
		s.Fatalf("Writev wrote %d of %d bytes", r.N, len(data))
	}
	return r
}

func (s *fs) read(f xlator.File, off int64, n int) string {
	s.Helper()
	buf := make([]byte, n)
	r, err := f.Readv(s.ctx(), &fop.ReadvReq{Req: s.req(), Off: off, Buf: buf})
	s.ok(err, "Readv(%d, %d)", off, n)
	return string(buf[:r.N])
}

// content reads a whole file by GFID.
func (s *fs) content(g fop.GFID) string {
	s.Helper()
	r, err := s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: g, Flags: syscall.O_RDONLY})
	s.ok(err, "Open")
	defer r.File.Close()
	return s.read(r.File, 0, 1<<20)
}

func (s *fs) stat(g fop.GFID) fop.Iatt {
	s.Helper()
	r, err := s.x.Stat(s.ctx(), &fop.StatReq{Req: s.req(), GFID: g})
	s.ok(err, "Stat")
	return r.Iatt
}

func (s *fs) lookup(parent fop.GFID, name string) fop.Iatt {
	s.Helper()
	r, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), Parent: parent, Name: name})
	s.ok(err, "Lookup(%q)", name)
	return r.Iatt
}

func (s *fs) lookupErr(parent fop.GFID, name string) error {
	_, err := s.x.Lookup(s.ctx(), &fop.LookupReq{Req: s.req(), Parent: parent, Name: name})
	return err
}

func (s *fs) statErr(g fop.GFID) error {
	_, err := s.x.Stat(s.ctx(), &fop.StatReq{Req: s.req(), GFID: g})
	return err
}

func (s *fs) unlink(parent fop.GFID, name string) (*fop.RemoveReply, error) {
	return s.x.Unlink(s.ctx(), &fop.UnlinkReq{Req: s.req(), Parent: parent, Name: name})
}

func (s *fs) rmdir(parent fop.GFID, name string) (*fop.RemoveReply, error) {
	return s.x.Rmdir(s.ctx(), &fop.RmdirReq{Req: s.req(), Parent: parent, Name: name})
}

func (s *fs) rename(p1 fop.GFID, n1 string, p2 fop.GFID, n2 string, flags uint32) (*fop.RenameReply, error) {
	return s.x.Rename(s.ctx(), &fop.RenameReq{Req: s.req(), OldParent: p1, OldName: n1, NewParent: p2, NewName: n2, Flags: flags})
}

func (s *fs) link(g, parent fop.GFID, name string) (*fop.EntryReply, error) {
	return s.x.Link(s.ctx(), &fop.LinkReq{Req: s.req(), GFID: g, Parent: parent, Name: name})
}

// names lists a directory by pages of about size bytes.
func (s *fs) names(g fop.GFID, size int) []string {
	s.Helper()
	var out []string
	for _, e := range s.list(g, size, false) {
		out = append(out, e.Name)
	}
	return out
}

func (s *fs) list(g fop.GFID, size int, plus bool) []fop.Dirent {
	s.Helper()
	r, err := s.x.Opendir(s.ctx(), &fop.OpendirReq{Req: s.req(), GFID: g})
	s.ok(err, "Opendir")
	defer r.Dir.Close()
	var out []fop.Dirent
	var off uint64
	for {
		p, err := r.Dir.Readdirp(s.ctx(), &fop.ReaddirpReq{Req: s.req(), Off: off, Size: size, Plus: plus})
		s.ok(err, "Readdirp")
		out = append(out, p.Entries...)
		if p.EOF {
			return out
		}
		if len(p.Entries) == 0 {
			s.Fatalf("Readdirp at %d: no entries, yet no EOF", off)
		}
		off = p.Entries[len(p.Entries)-1].Off
	}
}
