package mem

import (
	"context"
	"crypto/sha256"
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
	if q.Off < int64(len(f.in.data)) {
		r.N = copy(q.Buf, f.in.data[q.Off:])
	}
	return r, nil
}

func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	if !f.writable() {
		return nil, syscall.EBADF
	}
	r, err := f.b.change(f.in.iatt.GFID, func(in *inode) error {
		off := q.Off
		if f.flags&syscall.O_APPEND != 0 {
			off = int64(len(in.data))
		}
		if off < 0 {
			return syscall.EINVAL
		}
		if end := uint64(off) + uint64(len(q.Data)); end > uint64(len(in.data)) && len(q.Data) > 0 {
			in.resize(end)
		}
		copy(in.data[min(off, int64(len(in.data))):], q.Data)
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
		size := uint64(len(in.data))
		switch q.Mode {
		case 0, zeroRange, keepSize, punchHole | keepSize, zeroRange | keepSize:
		default:
			return syscall.EOPNOTSUPP
		}
		if end := uint64(q.Off + q.Len); q.Mode&keepSize == 0 && end > size {
			in.resize(end)
		}
		if q.Mode&(punchHole|zeroRange) != 0 && uint64(q.Off) < uint64(len(in.data)) {
			clear(in.data[q.Off:min(q.Off+q.Len, int64(len(in.data)))])
		}
		in.touch(&q.Req, true)
		return nil
	})
}

// Seek treats every byte as data: a file in memory has no holes.
func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	size := int64(len(f.in.data))
	if q.Off < 0 || q.Off >= size {
		return nil, syscall.ENXIO
	}
	switch q.Whence {
	case 3:
		return &fop.SeekReply{Off: q.Off}, nil
	case 4:
		return &fop.SeekReply{Off: size}, nil
	}
	return nil, syscall.EINVAL
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
	var part []byte
	if q.Off < int64(len(f.in.data)) {
		part = f.in.data[q.Off:min(q.Off+q.Len, int64(len(f.in.data)))]
	}
	r := &fop.RchecksumReply{N: int64(len(part)), Zero: true, SHA256: sha256.Sum256(part)}
	for _, c := range part {
		r.Zero = r.Zero && c == 0
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
