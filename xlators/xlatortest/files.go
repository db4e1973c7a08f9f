package xlatortest

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

var fileTests = []test{
	{"read and write", nil, (*fs).testReadWrite},
	{"open", nil, (*fs).testOpen},
	{"open truncates", nil, (*fs).testOpenTrunc},
	{"append", nil, (*fs).testAppend},
	{"write's attributes", nil, (*fs).testWriteIatts},
	{"direct I/O", []Feature{DirectIO}, (*fs).testDirect},
	{"synchronous writes", nil, (*fs).testSync},
	{"fallocate", []Feature{Fallocate}, (*fs).testFallocate},
	{"seek", []Feature{Seek}, (*fs).testSeek},
	{"copy range", []Feature{CopyRange}, (*fs).testCopy},
	{"rchecksum", nil, (*fs).testRchecksum},
	{"fsync and flush", nil, (*fs).testFsync},
}

func (s *fs) testReadWrite() {
	_, f := s.create(root, "f")
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	s.write(f, 0, big)
	s.write(f, 5<<20, "end")
	if got := s.read(f, 0, 1<<20); got != big {
		s.Error("1 MiB is not read as written")
	}
	if got := s.read(f, 5<<20-2, 100); got != "\x00\x00end" {
		s.Errorf("read %q at the end", got)
	}
	if got := s.read(f, 5<<20+3, 10); got != "" {
		s.Errorf("read %q beyond the end", got)
	}
	s.write(f, 10, "XYZ")
	if got := s.read(f, 8, 8); got != "89XYZdef" {
		s.Errorf("read %q after an overwrite", got)
	}
}

func (s *fs) testOpen() {
	g := s.file(root, "f", "0123456789")
	r, err := s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: g, Flags: syscall.O_RDONLY, Content: 4})
	s.ok(err, "Open")
	s.closeAtEnd(r.File)
	if r.Content != nil && string(r.Content) != "0123" {
		s.Errorf("content %q", r.Content)
	}
	if r.Iatt.GFID != g || r.Iatt.Size != 10 {
		s.Errorf("Open: %+v", r.Iatt)
	}
	r, err = s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: g, Flags: syscall.O_RDONLY, Content: 100})
	s.ok(err, "Open")
	s.closeAtEnd(r.File)
	if r.Content != nil && string(r.Content) != "0123456789" {
		s.Errorf("content %q", r.Content)
	}
	_, err = s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: s.mkdir(root, "d")})
	s.fails(err, syscall.EISDIR, "Open of a directory")
	_, err = s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: fop.NewGFID()})
	s.fails(err, syscall.ESTALE, "Open of nothing")
	_, err = s.x.Opendir(s.ctx(), &fop.OpendirReq{Req: s.req(), GFID: g})
	s.fails(err, syscall.ENOTDIR, "Opendir of a file")
}

func (s *fs) testOpenTrunc() {
	g := s.file(root, "f", "0123456789")
	r, err := s.x.Open(s.ctx(), &fop.OpenReq{Req: s.req(), GFID: g, Flags: syscall.O_RDWR | syscall.O_TRUNC})
	s.ok(err, "Open")
	s.closeAtEnd(r.File)
	if r.Iatt.Size != 0 || s.stat(g).Size != 0 {
		s.Errorf("size %d after O_TRUNC", r.Iatt.Size)
	}
}

func (s *fs) testAppend() {
	g := s.file(root, "f", "start")
	a, b := s.open(g, syscall.O_WRONLY|syscall.O_APPEND), s.open(g, syscall.O_WRONLY|syscall.O_APPEND)
	s.write(a, 0, "-a")
	s.write(b, 0, "-b")
	s.write(a, 1, "-c")
	if got := s.content(g); got != "start-a-b-c" {
		s.Errorf("content %q", got)
	}
	_, err := a.Writev(s.ctx(), &fop.WritevReq{Req: s.req(), Off: 1, Data: []byte("T"), Flags: fop.WriteInPlace})
	s.ok(err, "Writev in place")
	if got := s.content(g); got != "sTart-a-b-c" {
		s.Errorf("content %q after a write in place", got)
	}
}

func (s *fs) testWriteIatts() {
	g, f := s.create(root, "f")
	r := s.write(f, 0, "hello")
	if r.Pre.Size != 0 || r.Post.Size != 5 || r.Post.GFID != g {
		s.Errorf("Writev: before %+v, after %+v", r.Pre, r.Post)
	}
	if s.has(MdataTimes) && (r.Post.Mtime != s.now() || r.Post.Ctime != s.now()) {
		s.Errorf("Writev: mtime %v, ctime %v, want %v", r.Post.Mtime, r.Post.Ctime, s.now())
	}
	r = s.write(f, 1, "x")
	if r.Pre.Size != 5 || r.Post.Size != 5 {
		s.Errorf("Writev: size %d then %d", r.Pre.Size, r.Post.Size)
	}
	buf := make([]byte, 5)
	d, err := f.Readv(s.ctx(), &fop.ReadvReq{Req: s.req(), Buf: buf})
	s.ok(err, "Readv")
	if d.N != 5 || d.Iatt.GFID != g || d.Iatt.Size != 5 {
		s.Errorf("Readv: %+v", d)
	}
}

func (s *fs) testDirect() {
	g := s.file(root, "f", "")
	f := s.open(g, syscall.O_RDWR|syscall.O_DIRECT)
	page := strings.Repeat("p", 4096)
	s.write(f, 0, page+page)
	s.write(f, 8192, "tail")
	s.write(f, 1, "x")
	buf := make([]byte, 4097)
	for _, c := range []struct{ off, n int }{{0, 4096}, {1, 4095}, {4096, 4096}, {8190, 100}} {
		r, err := f.Readv(s.ctx(), &fop.ReadvReq{Req: s.req(), Off: int64(c.off), Buf: buf[1 : 1+min(c.n, 4096)]})
		s.ok(err, "Readv(%d, %d)", c.off, c.n)
		if want := (page[:1] + "x" + page[2:] + page + "tail")[c.off:min(c.off+c.n, 8196)]; string(buf[1:1+r.N]) != want {
			s.Errorf("Readv(%d, %d) is wrong (%d bytes)", c.off, c.n, r.N)
		}
	}
}

func (s *fs) testSync() {
	g := s.file(root, "f", "")
	f := s.open(g, syscall.O_RDWR|syscall.O_SYNC)
	s.write(f, 0, "a")
	h := s.open(g, syscall.O_RDWR)
	for _, flags := range []uint32{syscall.O_SYNC, syscall.O_DSYNC} {
		_, err := h.Writev(s.ctx(), &fop.WritevReq{Req: s.req(), Off: 1, Data: []byte("b"), Flags: flags})
		s.ok(err, "Writev(flags %o)", flags)
	}
	if got := s.content(g); got != "ab" {
		s.Errorf("content %q", got)
	}
}

func (s *fs) testFallocate() {
	const keep, punch, zeros, collapse = 1, 2, 16, 8
	g, f := s.create(root, "f")
	s.write(f, 0, strings.Repeat("x", 16384))
	do := func(mode uint32, off, n int64) *fop.InodeReply {
		r, err := f.Fallocate(s.ctx(), &fop.FallocateReq{Req: s.req(), Mode: mode, Off: off, Len: n})
		s.ok(err, "Fallocate(%d, %d, %d)", mode, off, n)
		return r
	}
	if r := do(0, 0, 32768); r.Pre.Size != 16384 || r.Post.Size != 32768 {
		s.Errorf("Fallocate: size %d then %d", r.Pre.Size, r.Post.Size)
	}
	if r := do(keep, 0, 65536); r.Post.Size != 32768 {
		s.Errorf("Fallocate(keep size): size %d", r.Post.Size)
	}
	do(punch|keep, 4096, 4096)
	do(zeros, 8192, 4096)
	want := strings.Repeat("x", 4096) + strings.Repeat("\x00", 8192) + strings.Repeat("x", 4096)
	if got := s.read(f, 0, 16384); got != want {
		s.Error("punched and zeroed ranges are wrong")
	}
	_, err := f.Fallocate(s.ctx(), &fop.FallocateReq{Req: s.req(), Mode: collapse, Len: 4096})
	s.fails(err, syscall.EOPNOTSUPP, "Fallocate(collapse)")
	if a := s.stat(g); a.Size != 32768 {
		s.Errorf("size %d", a.Size)
	}
}

func (s *fs) testSeek() {
	const data, hole = 3, 4
	_, f := s.create(root, "f")
	s.write(f, 1<<20, "data")
	seek := func(off int64, whence int) (int64, error) {
		r, err := f.Seek(s.ctx(), &fop.SeekReq{Req: s.req(), Off: off, Whence: whence})
		if err != nil {
			return 0, err
		}
		return r.Off, nil
	}
	if off, err := seek(0, hole); err != nil || off != 0 && off != 1<<20+4 {
		s.Errorf("first hole at %d, %v", off, err)
	}
	if off, err := seek(0, data); err != nil || off > 1<<20 {
		s.Errorf("first data at %d, %v", off, err)
	}
	if off, err := seek(1<<20, hole); err != nil || off != 1<<20+4 {
		s.Errorf("hole after the data at %d, %v", off, err)
	}
	_, err := seek(1<<21, data)
	s.fails(err, syscall.ENXIO, "Seek beyond the end")
}

func (s *fs) testCopy() {
	src := s.open(s.file(root, "src", "0123456789"), syscall.O_RDONLY)
	g, dst := s.create(root, "dst")
	s.write(dst, 0, "abcdefghij")
	r, err := src.CopyFileRange(s.ctx(), &fop.CopyRangeReq{Req: s.req(), Off: 2, DstOff: 8, Len: 4}, dst)
	if fop.Errno(err) == syscall.EXDEV {
		s.Skip("EXDEV is always a right answer")
	}
	s.ok(err, "CopyFileRange")
	if r.N != 4 || r.Pre.Size != 10 || r.Post.Size != 12 {
		s.Errorf("CopyFileRange: %+v", r)
	}
	if got := s.content(g); got != "abcdefgh2345" {
		s.Errorf("content %q", got)
	}
	r, err = src.CopyFileRange(s.ctx(), &fop.CopyRangeReq{Req: s.req(), Off: 8, DstOff: 0, Len: 100}, dst)
	s.ok(err, "CopyFileRange")
	if r.N != 2 || s.content(g) != "89cdefgh2345" {
		s.Errorf("CopyFileRange across the end: %d bytes, content %q", r.N, s.content(g))
	}
}

func (s *fs) testRchecksum() {
	g := s.file(root, "f", "0123456789")
	f := s.open(g, syscall.O_RDWR)
	r, err := f.Rchecksum(s.ctx(), &fop.RchecksumReq{Req: s.req(), Off: 2, Len: 4})
	s.ok(err, "Rchecksum")
	if r.N != 4 || r.Zero || r.SHA256 != sha256.Sum256([]byte("2345")) {
		s.Errorf("Rchecksum: %+v", r)
	}
	s.write(f, 300_000, "x")
	r, err = f.Rchecksum(s.ctx(), &fop.RchecksumReq{Req: s.req(), Off: 10, Len: 299_990})
	s.ok(err, "Rchecksum")
	if r.N != 299_990 || !r.Zero || r.SHA256 != sha256.Sum256(bytes.Repeat([]byte{0}, 299_990)) {
		s.Errorf("Rchecksum of zeros: %+v", r)
	}
	r, err = f.Rchecksum(s.ctx(), &fop.RchecksumReq{Req: s.req(), Off: 300_000, Len: 100})
	s.ok(err, "Rchecksum")
	if r.N != 1 || r.SHA256 != sha256.Sum256([]byte("x")) {
		s.Errorf("Rchecksum at the end: %+v", r)
	}
	r, err = f.Rchecksum(s.ctx(), &fop.RchecksumReq{Req: s.req(), Off: 2, Len: 9, Block: 4})
	s.ok(err, "Rchecksum of blocks")
	var want []byte
	for _, b := range []string{"2345", "6789", "\x00"} {
		sum := sha256.Sum256([]byte(b))
		want = append(want, sum[:]...)
	}
	if r.N != 9 || r.Zero || !bytes.Equal(r.Blocks, want) || r.SHA256 != sha256.Sum256(want) {
		s.Errorf("Rchecksum of blocks: %+v", r)
	}
	_, err = f.Rchecksum(s.ctx(), &fop.RchecksumReq{Req: s.req(), Len: 1 << 40, Block: 1})
	s.fails(err, syscall.EINVAL, "Rchecksum of too many blocks")
}

func (s *fs) testFsync() {
	g, f := s.create(root, "f")
	s.write(f, 0, "data")
	for _, d := range []bool{false, true} {
		_, err := f.Fsync(s.ctx(), &fop.FsyncReq{Req: s.req(), Datasync: d})
		s.ok(err, "Fsync(%v)", d)
	}
	_, err := f.Flush(s.ctx(), &fop.FlushReq{Req: s.req(), Owner: 1})
	s.ok(err, "Flush")
	r, err := s.x.Opendir(s.ctx(), &fop.OpendirReq{Req: s.req(), GFID: root})
	s.ok(err, "Opendir")
	defer r.Dir.Close()
	_, err = r.Dir.Fsync(s.ctx(), &fop.FsyncReq{Req: s.req()})
	s.ok(err, "Fsync of a directory")
	if got := s.content(g); got != "data" {
		s.Errorf("content %q", got)
	}
}
