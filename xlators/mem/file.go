package mem

import (
	"context"
	"crypto/sha256"
	"slices"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

type file struct {
	b     *brick
	in    *inode
	flags uint32
}

// openFile counts one more open of in; brick.mu is held.
func (b *brick) openFile(in *inode, flags uint32) *file {
	in.opens++
	return &file{b, in, flags}
}

func (f *file) writable() bool { return f.flags&syscall.O_ACCMODE != syscall.O_RDONLY }

func (f *file) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	r := &fop.ReadvReply{Iatt: f.in.stat()}
	if f.flags&syscall.O_ACCMODE == syscall.O_WRONLY {
		return nil, syscall.EBADF
	}
	if q.Off < 0 {
		return nil, syscall.EINVAL
	}
	r.N = f.in.data.readAt(q.Buf, q.Off)
	return r, nil
}

func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	if !f.writable() {
		return nil, syscall.EBADF
	}
	r, err := f.b.change(f.in.iatt.GFID, func(in *inode) error {
		off := q.Off
		if f.flags&syscall.O_APPEND != 0 && q.Flags&fop.WriteInPlace == 0 {
			off = in.data.size
		}
		if off < 0 {
			return syscall.EINVAL
		}
		in.data.writeAt(q.Data, off)
		in.touch(&q.Req, true)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &fop.WritevReply{N: len(q.Data), Pre: r.Pre, Post: r.Post}, nil
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return f.b.change(f.in.iatt.GFID, func(*inode) error { return nil })
}

func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	return nil, syscall.EOPNOTSUPP
}

const (
	keepSize  = 1
	punchHole = 2
	zeroRange = 16
)

func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	if !f.writable() {
		return nil, syscall.EBADF
	}
	if q.Off < 0 || q.Len <= 0 {
		return nil, syscall.EINVAL
	}
	return f.b.change(f.in.iatt.GFID, func(in *inode) error {
		switch q.Mode {
		case 0, zeroRange, keepSize, punchHole | keepSize, zeroRange | keepSize:
		default:
			return syscall.EOPNOTSUPP
		}
		end := q.Off + q.Len
		if q.Mode&keepSize == 0 && end > in.data.size {
			in.data.resize(end)
		}
		if q.Mode&(punchHole|zeroRange) != 0 {
			in.data.zero(q.Off, end)
		}
		in.touch(&q.Req, true)
		return nil
	})
}

func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if q.Whence != 3 && q.Whence != 4 {
		return nil, syscall.EINVAL
	}
	if q.Off < 0 || q.Off >= f.in.data.size {
		return nil, syscall.ENXIO
	}
	off, ok := f.in.data.seek(q.Off, q.Whence == 3)
	if !ok {
		return nil, syscall.ENXIO
	}
	return &fop.SeekReply{Off: off}, nil
}

func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok {
		return nil, syscall.EXDEV
	}
	buf := make([]byte, q.Len)
	rd, err := f.Readv(ctx, &fop.ReadvReq{Req: q.Req, Off: q.Off, Buf: buf})
	if err != nil {
		return nil, err
	}
	w, err := d.Writev(ctx, &fop.WritevReq{Req: q.Req, Off: q.DstOff, Data: buf[:rd.N]})
	if err != nil {
		return nil, err
	}
	return &fop.CopyRangeReply{N: int64(w.N), Pre: w.Pre, Post: w.Post}, nil
}

func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if q.Block < 0 || q.Block > 0 && q.Len/q.Block > fop.MaxChecksums {
		return nil, syscall.EINVAL
	}
	part := make([]byte, q.Len)
	part = part[:f.in.data.readAt(part, q.Off)]
	r := &fop.RchecksumReply{N: int64(len(part)), Zero: true, SHA256: sha256.Sum256(part)}
	for _, c := range part {
		r.Zero = r.Zero && c == 0
	}
	if q.Block > 0 {
		for b := range slices.Chunk(part, int(q.Block)) {
			sum := sha256.Sum256(b)
			r.Blocks = append(r.Blocks, sum[:]...)
		}
		r.SHA256 = sha256.Sum256(r.Blocks)
	}
	return r, nil
}

func (f *file) Close() error {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.in.opens--
	f.b.reap(f.in)
	return nil
}
