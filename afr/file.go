package afr

import (
	"context"
	"math"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A file is open on every brick that was there; on others it is opened when needed.
type file struct {
	r     *replicate
	in    *inode // with a reference
	flags uint32

	mu     sync.Mutex
	files  [changelog.MaxReplicas]xlator.File // guarded by mu once the file is handed out
	closed bool                               // guarded by mu
}

// Open opens on all live bricks, so that each keeps the data while a program has it
// open, and learns from all who may be read.
func (r *replicate) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	return r.open(ctx, q, false)
}

// open is Open; again: nobody can be removing the file any more (waitOut).
func (r *replicate) open(ctx context.Context, q *fop.OpenReq, again bool) (*xlator.OpenReply, error) {
	st := r.state.Load()
	if !r.usable(st.up) {
		return nil, errDown
	}
	if q.Flags&syscall.O_TRUNC != 0 {
		if _, err := r.Truncate(ctx, &fop.TruncateReq{Req: q.Req, GFID: q.GFID}); err != nil {
			return nil, err
		}
	}
	first := r.prefer(q.GFID, st.up)
	idx := r.indexes(st.up)
	at := r.glance(st)
	if q.Flags&syscall.O_ACCMODE == syscall.O_RDONLY && r.cleanOf(q.GFID, st) {
		// One copy is as good as all. The others are opened if this one is lost.
		qq := *q
		qq.Flags &^= syscall.O_TRUNC
		if reply, err := r.openLight(ctx, &qq, first, st); err == nil || !elsewhere(err) {
			return reply, err
		}
	}
	got := xlator.Each(len(idx), func(k int) (*xlator.OpenReply, error) {
		qq := *q
		qq.Flags &^= syscall.O_TRUNC
		qq.Want = append(append([]string(nil), q.Want...), r.glanceWant...)
		if idx[k] != first {
			qq.Content = 0
		}
		return r.children[idx[k]].Open(ctx, &qq)
	})
	l := &looked{matrix: r.matrix()}
	var gone set
	errs := make([]error, len(r.children))
	f := &file{r: r, flags: q.Flags &^ syscall.O_TRUNC}
	for k, i := range idx {
		if errs[i] = got[k].Err; errs[i] == nil {
			a := &got[k].Reply.OpenAnswer
			f.files[i] = got[k].Reply.File
			l.replies[i] = &fop.LookupReply{Iatt: a.Iatt, Xattrs: a.Xattrs}
			l.present |= changelog.Of(i)
			l.iatt = &l.replies[i].Iatt
			r.row(&l.matrix, i, a.Xattrs)
		} else if fop.IsGone(errs[i]) {
			gone |= changelog.Of(i)
		}
	}
	if !r.quorum.Met(l.present) {
		f.closeAll()
		if !again && l.present != 0 && gone != 0 {
			r.waitOut(ctx, &q.Req, q.GFID, l.present)
			return r.open(ctx, q, true)
		}
		return nil, r.verdict(r.all(), errs)
	}
	if r.removed(ctx, q.GFID, &l.matrix, gone) {
		f.closeAll()
		return nil, syscall.ESTALE
	}
	return r.opened(q, f, l, at, got, idx, first)
}

// opened finishes an Open whose quorum is met.
func (r *replicate) opened(q *fop.OpenReq, f *file, l *looked, at glance, got []xlator.Result[*xlator.OpenReply], idx []int, first int) (*xlator.OpenReply, error) {
	reply, err := l.reply(r, &fop.LookupReq{Want: q.Want})
	if err != nil {
		f.closeAll()
		return nil, err
	}
	f.in = r.inodes.get(q.GFID)
	f.in.open(at.sum)
	r.remember(f.in, &l.matrix, at)
	out := &xlator.OpenReply{File: f}
	out.Iatt, out.Xattrs = reply.Iatt, reply.Xattrs
	if l.matrix.Readable(changelog.Data).Has(first) {
		for k, i := range idx {
			if i == first && got[k].Err == nil {
				out.Content = got[k].Reply.Content
			}
		}
	}
	return out, nil
}

func (f *file) closeAll() {
	for i := range f.files {
		if f.files[i] != nil {
			f.files[i].Close()
			f.files[i] = nil
		}
	}
}

// on returns the file on child i, opening it if it was not there before.
func (f *file) on(ctx context.Context, i int) (xlator.File, error) {
	f.mu.Lock()
	c := f.files[i]
	f.mu.Unlock()
	if c != nil {
		return c, nil
	}
	rep, err := f.r.children[i].Open(ctx, &fop.OpenReq{Req: fop.Req{Caller: internalCaller}, GFID: f.in.gfid, Flags: f.flags})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed { // a removal wanted to keep it (keepOpen)
		rep.File.Close()
		return nil, syscall.EBADF
	}
	if f.files[i] != nil {
		rep.File.Close()
	} else {
		f.files[i] = rep.File
	}
	return f.files[i], nil
}

func (f *file) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	return readFile(ctx, f, func(c xlator.File) (*fop.ReadvReply, error) { return c.Readv(ctx, q) })
}

func readFile[R any](ctx context.Context, f *file, do func(xlator.File) (R, error)) (R, error) {
	return readFrom(ctx, f.r, f.in.gfid, changelog.Data, func(i int) (R, error) { return onChild(ctx, f, i, do) })
}

// onChild does a fop with the file on child i. A file that was lost there in a reconnect
// (EBADFD: the brick did not have it then) is opened once more.
func onChild[R any](ctx context.Context, f *file, i int, do func(xlator.File) (R, error)) (R, error) {
	var zero R
	for again := false; ; again = true {
		c, err := f.on(ctx, i)
		if err != nil {
			return zero, err
		}
		reply, err := do(c)
		if fop.Errno(err) != syscall.EBADFD || again {
			return reply, err
		}
		f.drop(i, c)
	}
}

// drop closes child i's file c, if it still is f's.
func (f *file) drop(i int, c xlator.File) {
	f.mu.Lock()
	mine := f.files[i] == c
	if mine {
		f.files[i] = nil
	}
	f.mu.Unlock()
	if mine {
		c.Close()
	}
}

// changeData runs a change of the file's data on the bricks that store data.
func changeData[R any](ctx context.Context, f *file, q *fop.Req, key opKey, c *change, do func(c xlator.File, i int, req fop.Req) (R, error)) (R, error) {
	c.class, c.dataOnly = changelog.Data, true
	return onInode(ctx, f.r, q, f.in.gfid, key, c, func(i int, req fop.Req) (R, error) {
		return onChild(ctx, f, i, func(child xlator.File) (R, error) { return do(child, i, req) })
	})
}

// Writev goes to all bricks that store data. Where bytes go in an O_APPEND file is
// decided on the bricks, so these writes come one after the other.
func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	key := rangeKey(q.Off, q.Off+int64(len(q.Data))-1)
	ch := &change{bricksPlace: f.flags&syscall.O_APPEND != 0}
	if ch.bricksPlace {
		key = rangeKey(0, math.MaxInt64)
	}
	return changeData(ctx, f, &q.Req, key, ch, func(c xlator.File, i int, req fop.Req) (*fop.WritevReply, error) {
		qq := *q
		qq.Req = req
		r, err := c.Writev(ctx, &qq)
		if err == nil && r.N < len(q.Data) {
			return nil, syscall.ENOSPC // a short write on one copy would make copies differ
		}
		if err == nil && ch.bricksPlace {
			end := int64(r.Post.Size)
			ch.leases[0].reaches(fop.Span{Off: end - int64(r.N), End: end})
		}
		return r, err
	})
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return changeData(ctx, f, &q.Req, noRange, &change{}, func(c xlator.File, i int, req fop.Req) (*fop.InodeReply, error) {
		qq := *q
		qq.Req = req
		return c.Fsync(ctx, &qq)
	})
}

func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	c := &change{span: fop.From(q.Off)}
	c.bricksPlace = q.Mode&(unix.FALLOC_FL_COLLAPSE_RANGE|unix.FALLOC_FL_INSERT_RANGE) != 0
	if !c.bricksPlace {
		c.span.End = q.Off + q.Len
	}
	return changeData(ctx, f, &q.Req, rangeKey(0, math.MaxInt64), c, func(c xlator.File, i int, req fop.Req) (*fop.InodeReply, error) {
		qq := *q
		qq.Req = req
		return c.Fallocate(ctx, &qq)
	})
}

func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return readFile(ctx, f, func(c xlator.File) (*fop.SeekReply, error) { return c.Seek(ctx, q) })
}

func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return readFile(ctx, f, func(c xlator.File) (*fop.RchecksumReply, error) { return c.Rchecksum(ctx, q) })
}

// CopyFileRange lets each brick copy its own bytes, which is right only while every
// copy of the source is good; otherwise the caller copies by reading and writing.
func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok || d.r != f.r {
		return nil, syscall.EXDEV
	}
	good, err := f.r.goodFor(ctx, f.in.gfid, changelog.Data)
	if err != nil {
		return nil, err
	}
	if good&f.r.dataSet() != f.r.dataSet() || d.in == f.in {
		return nil, syscall.EXDEV
	}
	return changeData(ctx, d, &q.Req, rangeKey(q.DstOff, q.DstOff+q.Len-1), &change{}, func(c xlator.File, i int, req fop.Req) (*fop.CopyRangeReply, error) {
		src, err := f.on(ctx, i)
		if err != nil {
			return nil, err
		}
		qq := *q
		qq.Req = req
		return copyAll(ctx, src, &qq, c)
	})
}

// copyAll copies until q.Len bytes are copied or the source ends, so that all bricks
// copy the same.
func copyAll(ctx context.Context, src xlator.File, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	var total *fop.CopyRangeReply
	for {
		r, err := src.CopyFileRange(ctx, q, dst)
		if err != nil {
			return nil, err
		}
		if total == nil {
			total = r
		} else {
			total.N, total.Post = total.N+r.N, r.Post
		}
		q.Off, q.DstOff, q.Len = q.Off+r.N, q.DstOff+r.N, q.Len-r.N
		if r.N == 0 || q.Len <= 0 {
			return total, nil
		}
	}
}

// Close closes on all bricks.
func (f *file) Close() error {
	f.forgetLight()
	f.mu.Lock()
	f.closed = true
	f.closeAll()
	f.mu.Unlock()
	f.r.inodes.put(f.in)
	return nil
}
