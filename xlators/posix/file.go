package posix

import (
	"context"
	"crypto/sha256"
	"hash"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.File = (*file)(nil)

// fileFlags are the open(2) flags that reach the kernel. O_APPEND is done by each write.
const fileFlags = unix.O_ACCMODE | unix.O_DIRECT | unix.O_SYNC | unix.O_DSYNC | unix.O_TRUNC | unix.O_NOATIME

// A file is one open regular file.
type file struct {
	b      *brick
	in     *inode // pinned, and counted in opens, until Close
	fd     int
	direct bool // fd has O_DIRECT
	append bool // opened with O_APPEND

	mu    sync.Mutex
	plain int // a descriptor without O_DIRECT, for I/O that is not aligned; -1: none yet; guarded by mu
}

// newFile takes over the pin of in and fd.
func (b *brick) newFile(in *inode, fd, flags int) *file {
	return &file{b: b, in: in, fd: fd, direct: flags&unix.O_DIRECT != 0, append: flags&unix.O_APPEND != 0, plain: -1}
}

// Open implements xlator.Inodes. EISDIR: a directory; ELOOP: a symlink; ENXIO: another
// kind that only the client can open.
func (b *brick) Open(_ context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	in, err := b.get(q.GFID)
	if err != nil {
		return nil, err
	}
	f, err := b.openFile(in, int(q.Flags))
	if err != nil {
		b.put(in)
		return nil, err
	}
	r, err := f.opened(q)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return r, nil
}

// openFile opens the pinned inode in and takes over the pin.
func (b *brick) openFile(in *inode, flags int) (*file, error) {
	switch in.typ {
	case fop.TypeReg:
	case fop.TypeDir:
		return nil, syscall.EISDIR
	case fop.TypeLink:
		return nil, syscall.ELOOP
	default:
		return nil, syscall.ENXIO
	}
	at := flags & unix.O_APPEND
	flags = flags&fileFlags | unix.O_NOFOLLOW | unix.O_CLOEXEC
	// Under the stripe, so that an unlink of the last name either sees this open or is
	// seen by it.
	unlock := b.gfids.lock(b.gfids.of(in.gfid))
	defer unlock()
	fd, err := unix.Openat(b.dot, in.rel(), flags, 0)
	if err == syscall.EINVAL && flags&unix.O_DIRECT != 0 {
		flags &^= unix.O_DIRECT
		fd, err = unix.Openat(b.dot, in.rel(), flags, 0)
	}
	if err == syscall.ENOENT {
		return nil, syscall.ESTALE
	}
	if err != nil {
		return nil, err
	}
	in.opens.Add(1)
	return b.newFile(in, fd, flags|at), nil
}

// opened makes the answer to a successful open.
func (f *file) opened(q *fop.OpenReq) (*xlator.OpenReply, error) {
	var a fop.Iatt
	var err error
	if q.Flags&unix.O_TRUNC != 0 {
		a, err = f.after(timeC|timeM, now(q.Caller))
	} else {
		a, err = f.attrs()
	}
	if err != nil {
		return nil, err
	}
	r := &xlator.OpenReply{File: f}
	r.Iatt = a
	if r.Xattrs, err = f.b.want(f.in, q.Want); err != nil {
		return nil, err
	}
	if n := min(uint64(q.Content), a.Size); q.Content > 0 && q.Flags&unix.O_ACCMODE != unix.O_WRONLY {
		r.Content = make([]byte, n)
		k, err := f.pread(r.Content, 0)
		if err != nil {
			return nil, err
		}
		r.Content = r.Content[:k]
	}
	return r, nil
}

// attrs is brick.attrs through the descriptor, which works whatever became of the name.
func (f *file) attrs() (fop.Iatt, error) {
	gen := f.in.gen.Load()
	var st unix.Statx_t
	if err := statFd(f.fd, &st); err != nil {
		return fop.Iatt{}, err
	}
	a := f.b.iatt(f.in, &st)
	f.in.setLast(a, gen)
	return a, nil
}

func (f *file) before() (fop.Iatt, error) {
	f.in.mu.Lock()
	a := f.in.last
	f.in.mu.Unlock()
	if a.Known() {
		return a, nil
	}
	return f.attrs()
}

func (f *file) after(which times, t fop.Time) (fop.Iatt, error) {
	f.b.touch(f.in, which, t)
	f.in.changed()
	return f.attrs()
}

// Readv implements xlator.File.
func (f *file) Readv(_ context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if q.Off < 0 {
		return nil, syscall.EINVAL
	}
	n, err := f.pread(q.Buf, q.Off)
	if err != nil {
		return nil, err
	}
	a, err := f.before()
	if err != nil {
		return nil, err
	}
	return &fop.ReadvReply{N: n, Iatt: a}, nil
}

// pread reads until buf is full or the file ends.
func (f *file) pread(buf []byte, off int64) (n int, err error) {
	for n < len(buf) {
		k, err := f.preadSome(buf[n:], off+int64(n))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if k == 0 {
			break
		}
		n += k
	}
	return n, nil
}

// Writev implements xlator.File.
func (f *file) Writev(_ context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if q.Off < 0 {
		return nil, syscall.EINVAL
	}
	pre, err := f.before()
	if err != nil {
		return nil, err
	}
	if q.Off+int64(len(q.Data)) > int64(pre.Size) || f.append || q.Flags&syscall.O_APPEND != 0 {
		if err := f.b.room(q.Caller); err != nil {
			return nil, err
		}
	}
	n, err := f.pwrite(q.Data, q.Off, int(q.Flags))
	if err != nil && n == 0 {
		f.in.changed()
		return nil, err
	}
	post, err := f.after(timeC|timeM, now(q.Caller))
	if err != nil {
		return nil, err
	}
	return &fop.WritevReply{N: n, Pre: pre, Post: post}, nil
}

// pwrite writes all of data, unless an error, which it then returns, stops it.
func (f *file) pwrite(data []byte, off int64, flags int) (n int, err error) {
	for {
		k, err := f.pwriteSome(data[n:], off+int64(n), flags)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if n += k; n >= len(data) || k == 0 {
			return n, nil
		}
	}
}

// Fsync implements xlator.File.
func (f *file) Fsync(_ context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	f.b.writeMdata(f.in)
	sync := unix.Fsync
	if q.Datasync {
		sync = unix.Fdatasync
	}
	if err := sync(f.fd); err != nil {
		return nil, err
	}
	a, err := f.attrs()
	if err != nil {
		return nil, err
	}
	return &fop.InodeReply{Pre: a, Post: a}, nil
}

// Flush implements xlator.File; the locks that it drops are kept above.
func (f *file) Flush(context.Context, *fop.FlushReq) (*fop.Empty, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	return &fop.Empty{}, nil
}

// Lk is features/locks's business: EOPNOTSUPP.
func (f *file) Lk(context.Context, *fop.LkReq) (*fop.LkReply, error) {
	return nil, syscall.EOPNOTSUPP
}

// Fallocate implements xlator.File.
func (f *file) Fallocate(_ context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	const keep, punch, zeros = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE
	switch q.Mode {
	case 0, keep, keep | punch, zeros, zeros | keep:
	default:
		return nil, syscall.EOPNOTSUPP
	}
	if q.Mode&punch == 0 {
		if err := f.b.room(q.Caller); err != nil {
			return nil, err
		}
	}
	pre, err := f.before()
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = unix.Fallocate(f.fd, q.Mode, q.Off, q.Len)
	}
	if err != nil {
		f.in.changed()
		return nil, err
	}
	post, err := f.after(timeC|timeM, now(q.Caller))
	if err != nil {
		return nil, err
	}
	return &fop.InodeReply{Pre: pre, Post: post}, nil
}

// Seek implements xlator.File.
func (f *file) Seek(_ context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if q.Whence != unix.SEEK_DATA && q.Whence != unix.SEEK_HOLE {
		return nil, syscall.EINVAL
	}
	off, err := unix.Seek(f.fd, q.Off, q.Whence)
	if err != nil {
		return nil, err
	}
	return &fop.SeekReply{Off: off}, nil
}

// CopyFileRange implements xlator.File. EXDEV: dst is not a File of this brick.
func (f *file) CopyFileRange(_ context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	to, ok := dst.(*file)
	if !ok || to.b != f.b {
		return nil, syscall.EXDEV
	}
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if q.Off < 0 || q.DstOff < 0 || q.Len < 0 {
		return nil, syscall.EINVAL
	}
	if err := f.b.room(q.Caller); err != nil {
		return nil, err
	}
	pre, err := to.before()
	if err != nil {
		return nil, err
	}
	src, dstOff, done := q.Off, q.DstOff, int64(0)
	for done < q.Len {
		n, err := unix.CopyFileRange(f.fd, &src, to.fd, &dstOff, int(min(q.Len-done, 1<<30)), 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil && done == 0 {
			return nil, err
		}
		if err != nil || n == 0 {
			break
		}
		done += int64(n)
	}
	post, err := to.after(timeC|timeM, now(q.Caller))
	if err != nil {
		return nil, err
	}
	return &fop.CopyRangeReply{N: done, Pre: pre, Post: post}, nil
}

// Rchecksum implements xlator.File.
func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	if f.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if q.Off < 0 || q.Len < 0 || q.Block < 0 || q.Block > 0 && q.Len/q.Block > fop.MaxChecksums {
		return nil, syscall.EINVAL
	}
	block := q.Block
	if block == 0 {
		block = q.Len
	}
	c := &checksum{f: f, sum: sha256.New(), buf: make([]byte, min(block, 128<<10)), zero: true}
	r := &fop.RchecksumReply{}
	for r.N < q.Len {
		n, err := c.of(ctx, q.Off+r.N, min(block, q.Len-r.N))
		if err != nil {
			return nil, err
		}
		if r.N += n; n > 0 && q.Block > 0 {
			r.Blocks = c.sum.Sum(r.Blocks)
		}
		if n < block {
			break
		}
	}
	if r.Zero = c.zero; q.Block > 0 {
		r.SHA256 = sha256.Sum256(r.Blocks)
	} else {
		c.sum.Sum(r.SHA256[:0])
	}
	return r, nil
}

// A checksum is computed block by block.
type checksum struct {
	f    *file
	sum  hash.Hash // of the last block
	buf  []byte
	zero bool // all blocks so far
}

// of computes the checksum of n bytes from off on, and returns how many there are.
func (c *checksum) of(ctx context.Context, off, n int64) (had int64, err error) {
	c.sum.Reset()
	for had < n {
		if ctx.Err() != nil {
			return had, syscall.EINTR
		}
		k, err := c.f.pread(c.buf[:min(n-had, int64(len(c.buf)))], off+had)
		if err != nil {
			return had, err
		}
		if k == 0 {
			break
		}
		c.sum.Write(c.buf[:k])
		c.zero = c.zero && zero(c.buf[:k])
		had += int64(k)
	}
	return had, nil
}

// Close implements xlator.File.
func (f *file) Close() error {
	err := unix.Close(f.fd)
	f.mu.Lock()
	if f.plain >= 0 {
		unix.Close(f.plain)
		f.plain = -1
	}
	f.mu.Unlock()
	f.b.closed(f.in)
	f.b.put(f.in)
	return err
}
