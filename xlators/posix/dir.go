package posix

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.Dir = (*openDirectory)(nil)

const (
	direntBuf = 64 << 10
	// entryCost is what an entry's attributes count for in ReaddirpReq.Size.
	entryCost    = 128
	maxReplySize = 1 << 20
)

// openDirectory is an open directory: a descriptor with a position of its own.
type openDirectory struct {
	b  *brick
	in *inode // pinned until Close
	fd int

	mu   sync.Mutex // guards what follows
	pos  uint64     // Off that rest begins at
	rest []byte     // of buf: what getdents returned and nobody took yet
	buf  []byte
}

// Opendir implements xlator.Inodes.
func (b *brick) Opendir(_ context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	in, err := b.getDir(q.GFID)
	if err != nil {
		return nil, err
	}
	a, err := b.attrs(in)
	if err != nil {
		b.put(in)
		return nil, err
	}
	fd, err := unix.Openat(in.fd, ".", dirFlags, 0)
	if err != nil {
		b.put(in)
		return nil, staleDir(in, err)
	}
	return &xlator.OpendirReply{Dir: &openDirectory{b: b, in: in, fd: fd}, Iatt: a}, nil
}

// Close implements xlator.Dir.
func (d *openDirectory) Close() error {
	err := unix.Close(d.fd)
	d.b.put(d.in)
	return err
}

// Fsync implements xlator.Dir.
func (d *openDirectory) Fsync(_ context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	if d.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	if !q.Datasync {
		d.b.writeMdata(d.in)
	}
	if err := unix.Fsync(d.fd); err != nil {
		return nil, err
	}
	return &fop.Empty{}, nil
}

// Readdirp implements xlator.Dir. An entry's Off is the kernel's d_off.
func (d *openDirectory) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	if d.b.down.Load() {
		return nil, syscall.ENOTCONN
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.seek(q.Off); err != nil {
		return nil, err
	}
	left := min(max(q.Size, 1), maxReplySize)
	r := &fop.ReaddirpReply{}
	for {
		if len(d.rest) == 0 {
			if eof, err := d.fill(); err != nil || eof {
				r.EOF = eof
				return r, err
			}
		}
		if ctx.Err() != nil {
			return nil, syscall.EINTR
		}
		rd := direntReader{d.rest}
		e := rd.next()
		cost := 24 + len(e.name)
		if q.Plus {
			cost += entryCost
		}
		if len(r.Entries) > 0 && left < cost {
			return r, nil
		}
		d.rest, d.pos = rd.buf, e.off
		out, ok, err := d.entry(q, e)
		if err != nil {
			return nil, err
		}
		if ok {
			r.Entries = append(r.Entries, out)
			left -= cost
		}
	}
}

// seek moves to off. Listing on from where the last call ended needs no system call.
func (d *openDirectory) seek(off uint64) error {
	if off != 0 && off == d.pos {
		return nil
	}
	d.rest, d.pos = nil, off
	_, err := unix.Seek(d.fd, int64(off), 0)
	return err
}

// fill reads the next entries.
func (d *openDirectory) fill() (eof bool, err error) {
	if d.buf == nil {
		d.buf = make([]byte, direntBuf)
	}
	n, err := unix.Getdents(d.fd, d.buf)
	if err != nil {
		return false, staleDir(d.in, err)
	}
	d.rest = d.buf[:n]
	if n == 0 {
		d.buf, d.rest = nil, nil
	}
	return n == 0, nil
}

// entry completes e. Not ok: it is not for clients, or is gone.
func (d *openDirectory) entry(q *fop.ReaddirpReq, e dirent) (fop.Dirent, bool, error) {
	if e.name == "." || e.name == ".." || hidden(d.in.gfid, e.name, q.Caller) {
		return fop.Dirent{}, false, nil
	}
	b := d.b
	var st unix.Statx_t
	in, err := b.child(d.in, e.name, &st)
	if err != nil {
		switch {
		case fop.IsGone(err):
			return fop.Dirent{}, false, nil
		case fop.Errno(err) == syscall.EIO: // a lookup by name will tell; but the name is there
			return fop.Dirent{Name: e.name, Off: e.off, Iatt: fop.Iatt{Type: e.typ}}, true, nil
		}
		return fop.Dirent{}, false, err
	}
	defer b.put(in)
	out := fop.Dirent{Name: e.name, Off: e.off, Iatt: fop.Iatt{GFID: in.gfid, Type: in.typ}}
	if q.Plus {
		out.Iatt = b.iatt(in, &st)
	}
	out.Xattrs, err = b.want(in, q.Want)
	return out, true, err
}

// staleDir is the error of a system call in the directory in: ESTALE if it is gone.
func staleDir(in *inode, err error) error {
	if err == syscall.ENOENT && in.gone.Load() {
		return syscall.ESTALE
	}
	return err
}

// dirent is one entry as getdents64(2) returns it.
type dirent struct {
	off  uint64
	name string
	typ  fop.FileType // TypeUnknown on filesystems that do not tell
}

// direntReader takes entries from what getdents64(2) returned: inode (8 bytes), offset
// (8), length of this record (2), type (1), name, NUL; in native byte order.
type direntReader struct{ buf []byte }

func (r *direntReader) more() bool { return len(r.buf) > 0 }

func (r *direntReader) next() dirent {
	size := binary.NativeEndian.Uint16(r.buf[16:])
	name := r.buf[19:size]
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	e := dirent{binary.NativeEndian.Uint64(r.buf[8:]), string(name), fop.TypeOfMode(uint32(r.buf[18]) << 12)}
	r.buf = r.buf[size:]
	return e
}
