package fuse

import (
	"math"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

const (
	// contentWanted is up to which size a file comes along when it is opened for reading.
	contentWanted = 64 << 10
	// copyAtOnce bounds one CopyFileRange, so that its caller can be interrupted.
	copyAtOnce = 64 << 20
)

// fileHandle is an open file. It is not changed once the kernel knows it.
type fileHandle struct {
	node  *node
	file  xlator.File
	flags uint32 // open(2)'s

	// content is the whole file as Open answered with it, nil if it did not. It counts
	// while node.changes is still changes, and until contentUntil.
	content      []byte
	changes      uint64
	contentUntil time.Time
}

// openFlags are those that matter to the brick. O_DIRECT does not: it is about this
// machine's cache, and would force the brick's alignment on programs. With a writeback
// cache the kernel appends by itself, and reads the pages that a write touches in part.
func (b *Bridge) openFlags(flags uint32) uint32 {
	flags &= syscall.O_ACCMODE | syscall.O_APPEND | syscall.O_SYNC | syscall.O_DSYNC
	if b.writeback {
		flags &^= syscall.O_APPEND
		if flags&syscall.O_ACCMODE == syscall.O_WRONLY {
			flags = flags&^syscall.O_ACCMODE | syscall.O_RDWR
		}
	}
	return flags
}

// Open opens a file. The kernel truncates by itself.
func (b *Bridge) Open(_ <-chan struct{}, in *gofuse.OpenIn, out *gofuse.OpenOut) gofuse.Status {
	n, st := b.node(&in.InHeader)
	if !st.Ok() {
		return st
	}
	h := &fileHandle{node: n, flags: in.Flags, changes: n.changes.Load()}
	q := &fop.OpenReq{Req: b.req(&in.InHeader), GFID: n.gfid, Flags: b.openFlags(in.Flags)}
	if in.Flags&(syscall.O_ACCMODE|syscall.O_DIRECT) == syscall.O_RDONLY && n.version().size <= contentWanted && !b.opts.DirectIO {
		q.Content = contentWanted
	}
	r, err := b.top.Open(background, q)
	if err != nil {
		return status(err)
	}
	h.file = r.File
	if r.Content != nil && r.Iatt.Known() && uint64(len(r.Content)) == r.Iatt.Size {
		h.content, h.contentUntil = r.Content, time.Now().Add(b.opts.AttrTimeout)
	}
	b.opened(h, &r.Iatt, out)
	return gofuse.OK
}

// opened gives the kernel a handle for an open file. iatt, when not nil, is what the
// file was when it was opened.
func (b *Bridge) opened(h *fileHandle, iatt *fop.Iatt, out *gofuse.OpenOut) {
	out.Fh = b.files.add(h)
	switch {
	case b.opts.DirectIO:
		out.OpenFlags |= gofuse.FOPEN_DIRECT_IO | gofuse.FOPEN_PARALLEL_DIRECT_WRITES
	case h.flags&syscall.O_APPEND != 0 && h.flags&syscall.O_ACCMODE == syscall.O_WRONLY && !b.writeback:
		// Through the cache the kernel would cut a write at each page, and others' records
		// could come between the parts.
		out.OpenFlags |= gofuse.FOPEN_DIRECT_IO
	case b.opts.KeepCache, iatt != nil && iatt.Known() && versionOf(iatt) == h.node.version():
		out.OpenFlags |= gofuse.FOPEN_KEEP_CACHE
	}
}

// Read reads. What the file was opened with serves the first reads.
func (b *Bridge) Read(_ <-chan struct{}, in *gofuse.ReadIn, buf []byte) (gofuse.ReadResult, gofuse.Status) {
	h := b.files.get(in.Fh)
	if h == nil {
		return nil, gofuse.EBADF
	}
	if h.content != nil && h.changes == h.node.changes.Load() && time.Now().Before(h.contentUntil) {
		from := min(in.Offset, uint64(len(h.content)))
		return gofuse.ReadResultData(h.content[from:min(uint64(len(h.content)), from+uint64(len(buf)))]), gofuse.OK
	}
	r, err := h.file.Readv(background, &fop.ReadvReq{Req: b.req(&in.InHeader), Off: int64(in.Offset), Buf: buf})
	if err != nil {
		return nil, status(err)
	}
	return gofuse.ReadResultData(buf[:r.N]), gofuse.OK
}

// Write writes one buffer.
func (b *Bridge) Write(_ <-chan struct{}, in *gofuse.WriteIn, data []byte) (uint32, gofuse.Status) {
	h := b.files.get(in.Fh)
	if h == nil {
		return 0, gofuse.EBADF
	}
	c := b.begin(h.node)
	q := &fop.WritevReq{Req: b.req(&in.InHeader), Off: int64(in.Offset), Data: data}
	if in.WriteFlags&gofuse.WRITE_CACHE != 0 {
		q.Flags |= fop.WriteInPlace
	}
	r, err := h.file.Writev(background, q)
	if err != nil {
		b.end(h.node, c, nil)
		return 0, status(err)
	}
	if in.WriteFlags&gofuse.WRITE_KILL_SUIDGID != 0 && r.Post.Known() {
		if err := b.killPrivileges(h.node, &r.Post); err != nil {
			b.log.Warn("set-user-id bit left after a write", "gfid", h.node.gfid.String(), "reason", err)
		}
	}
	b.end(h.node, c, &r.Post)
	if h.flags&syscall.O_APPEND != 0 && q.Flags&fop.WriteInPlace == 0 && r.Post.Known() && r.Post.Size != in.Offset+uint64(r.N) {
		// Others append too: the data is not where the kernel cached it.
		b.news.invalid(h.node.gfid)
	}
	return uint32(r.N), gofuse.OK
}

// Writev writes what arrived in several buffers; ENOSYS makes go-fuse join them.
func (b *Bridge) Writev(c <-chan struct{}, in *gofuse.WriteIn, data [][]byte) (uint32, gofuse.Status) {
	if len(data) != 1 {
		return 0, gofuse.ENOSYS
	}
	return b.Write(c, in, data[0])
}

// Flush is close(2). It goes down only if locks may have to be dropped.
func (b *Bridge) Flush(_ <-chan struct{}, in *gofuse.FlushIn) gofuse.Status {
	h := b.files.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	if !h.node.locked.Load() {
		return gofuse.OK
	}
	_, err := h.file.Flush(background, &fop.FlushReq{Req: b.req(&in.InHeader), Owner: fop.LkOwner(in.LockOwner)})
	return status(err)
}

// releaseFlockUnlock says in ReleaseIn.ReleaseFlags that a flock lock goes too.
const releaseFlockUnlock = 1 << 1

// Release is the last close of an open file.
func (b *Bridge) Release(_ <-chan struct{}, in *gofuse.ReleaseIn) {
	h, ok := b.files.remove(in.Fh)
	if !ok {
		return
	}
	if in.ReleaseFlags&releaseFlockUnlock != 0 {
		h.file.Lk(background, &fop.LkReq{Req: b.req(&in.InHeader), Cmd: fop.LkSet, Type: fop.LkUnlock,
			Owner: fop.LkOwner(in.LockOwner), End: math.MaxInt64, Flock: true})
	}
	h.file.Close()
}

// Fsync makes a file durable.
func (b *Bridge) Fsync(_ <-chan struct{}, in *gofuse.FsyncIn) gofuse.Status {
	h := b.files.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	_, err := h.file.Fsync(background, &fop.FsyncReq{Req: b.req(&in.InHeader), Datasync: in.FsyncFlags&1 != 0})
	return status(err)
}

// Fallocate allocates, punches holes and zeroes.
func (b *Bridge) Fallocate(_ <-chan struct{}, in *gofuse.FallocateIn) gofuse.Status {
	h := b.files.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	defer b.end(h.node, b.begin(h.node), nil)
	_, err := h.file.Fallocate(background, &fop.FallocateReq{Req: b.req(&in.InHeader), Mode: in.Mode, Off: int64(in.Offset), Len: int64(in.Length)})
	return status(err)
}

// Lseek finds data and holes; the kernel does the other seeks.
func (b *Bridge) Lseek(_ <-chan struct{}, in *gofuse.LseekIn, out *gofuse.LseekOut) gofuse.Status {
	h := b.files.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	r, err := h.file.Seek(background, &fop.SeekReq{Req: b.req(&in.InHeader), Off: int64(in.Offset), Whence: int(in.Whence)})
	if err != nil {
		return status(err)
	}
	out.Offset = uint64(r.Off)
	return gofuse.OK
}

// CopyFileRange copies on the bricks. After EXDEV the kernel copies through the cache.
func (b *Bridge) CopyFileRange(_ <-chan struct{}, in *gofuse.CopyFileRangeIn) (uint32, gofuse.Status) {
	src, dst := b.files.get(in.FhIn), b.files.get(in.FhOut)
	if src == nil || dst == nil {
		return 0, gofuse.EBADF
	}
	defer b.end(dst.node, b.begin(dst.node), nil)
	r, err := src.file.CopyFileRange(background, &fop.CopyRangeReq{Req: b.req(&in.InHeader), Off: int64(in.OffIn), DstOff: int64(in.OffOut),
		Len: int64(min(in.Len, copyAtOnce))}, dst.file)
	if err != nil {
		return 0, status(err)
	}
	return uint32(r.N), gofuse.OK
}
