package heal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// atOnce is how many windows of a stretch are healed at a time, and piecesAtOnce how many
	// pieces that were missed.
	atOnce       = 4
	piecesAtOnce = 16
	// coarse is the size of the blocks that are compared first, grain that of those in
	// coarse ones that differ.
	coarse = 64 << 10
	grain  = 4 << 10

	seekData  = 3
	seekHole  = 4
	punchHole = 2 | 1 // keep the size
)

// buffers hold a window each.
var buffers = sync.Pool{New: func() any { return new([window]byte) }}

// A part is a piece of a file that some sinks have otherwise.
type part struct {
	off, n int64
	differ set
}

// stretch makes the sinks' content of a range that of the source. Windows are healed side
// by side; a sink that fails is out.
func (t *transfer) stretch(ctx context.Context, l *lock, off, n int64) {
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	if t.where != nil {
		room = make(chan struct{}, piecesAtOnce)
	}
	var failed [changelog.MaxReplicas]atomic.Pointer[error]
	var compared, written atomic.Int64
	to := t.to
	for w := range t.windows(off, n) {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			c := &copier{transfer: t, l: l, to: to, failed: &failed}
			c.window(ctx, w.Off, w.End-w.Off)
			compared.Add(c.compared)
			written.Add(c.written)
		})
	}
	wg.Wait()
	t.j.out.BytesCompared += compared.Load()
	t.j.out.BytesWritten += written.Load()
	for i := range failed {
		if e := failed[i].Load(); e != nil {
			t.lose(i, "copying data", *e)
		}
	}
}

// A copier heals windows of a stretch.
type copier struct {
	*transfer
	l                 *lock
	to                set
	failed            *[changelog.MaxReplicas]atomic.Pointer[error]
	compared, written int64
}

// fail notes that child i cannot go on; nothing more is asked of it.
func (c *copier) fail(i int, err error) {
	c.failed[i].CompareAndSwap(nil, &err)
	if i == c.from {
		c.to = 0
	}
	c.to &^= changelog.Of(i)
}

// window heals one window. What lies beyond the end that a sink had is zeros there, and
// need not be asked for.
func (c *copier) window(ctx context.Context, off, n int64) {
	var fresh set
	for i := range c.to.Each {
		if c.old[i] <= off {
			fresh |= changelog.Of(i)
		}
	}
	c.compared += n
	parts := c.divide(ctx, c.to&^fresh, part{off: off, n: n}, coarse)
	if fresh != 0 {
		parts = []part{{off, n, fresh | union(parts)}}
	}
	for _, p := range parts {
		c.copy(ctx, p)
	}
}

func union(ps []part) (s set) {
	for _, p := range ps {
		s |= p.differ
	}
	return s
}

// divide finds the parts of p that differ on sinks in to, down to the grain: first coarse
// blocks, then the fine ones in those that differ.
func (c *copier) divide(ctx context.Context, to set, p part, block int64) (out []part) {
	if to &= c.to; to == 0 {
		return nil
	}
	zero, coarse := c.blocks(ctx, c.l, to, p, block)
	if zero || block <= grain {
		return coarse
	}
	fine := xlator.Each(len(coarse), func(k int) ([]part, error) {
		one := *c
		return one.divide(ctx, coarse[k].differ, coarse[k], grain), nil
	})
	for _, r := range fine {
		for _, q := range r.Reply {
			out = join(out, q)
		}
	}
	return out
}

// join adds a part to a list, to the last one if it continues that.
func join(ps []part, p part) []part {
	if k := len(ps) - 1; k >= 0 && ps[k].off+ps[k].n == p.off && ps[k].differ == p.differ {
		ps[k].n += p.n
		return ps
	}
	return append(ps, p)
}

// blocks compares a part by the checksums of its blocks, and returns those that differ.
// zero: the source has zeros in all of it.
func (t *transfer) blocks(ctx context.Context, l *lock, to set, p part, block int64) (zero bool, out []part) {
	got := on(to|changelog.Of(t.from), func(i int) (*fop.RchecksumReply, error) {
		return t.files[i].Rchecksum(ctx, &fop.RchecksumReq{Req: l.req(i), Off: p.off, Len: p.n, Block: block})
	})
	src := got[t.from]
	for off := int64(0); off < p.n; off += block {
		q := part{off: p.off + off, n: min(block, p.n-off)}
		at := int(off / block * sha256.Size)
		for i := range to.Each {
			// Where reading fails, copying will say why.
			if src.Err != nil || got[i].Err != nil || got[i].Reply.N != src.Reply.N || !sameSum(src.Reply.Blocks, got[i].Reply.Blocks, at) {
				q.differ |= changelog.Of(i)
			}
		}
		if q.differ != 0 {
			out = join(out, q)
		}
	}
	return src.Err == nil && src.Reply.Zero, out
}

// sameSum compares one checksum of two lists; one that is missing in both is of nothing.
func sameSum(a, b []byte, at int) bool {
	end := at + sha256.Size
	if len(a) < end || len(b) < end {
		return len(a) < end && len(b) < end
	}
	return bytes.Equal(a[at:end], b[at:end])
}

// differing compares a range by checksum, and returns whose content is not the source's.
// zero: the source has zeros there.
func (t *transfer) differing(ctx context.Context, l *lock, to set, off, n int64) (zero bool, differ set) {
	who := to | changelog.Of(t.from)
	got := on(who, func(i int) (*fop.RchecksumReply, error) {
		return t.files[i].Rchecksum(ctx, &fop.RchecksumReq{Req: l.req(i), Off: off, Len: n})
	})
	src := got[t.from]
	if src.Err != nil {
		return false, to // reading will say why
	}
	for i := range to.Each {
		if got[i].Err != nil || got[i].Reply.N != src.Reply.N || got[i].Reply.SHA256 != src.Reply.SHA256 {
			differ |= changelog.Of(i)
		}
	}
	return src.Reply.Zero, differ
}

// copy brings a part to the sinks that lack it: data as data, holes as holes. A part in
// which no block is zero has no holes.
func (c *copier) copy(ctx context.Context, p part) {
	if c.write(ctx, p.differ, p.off, p.n, true) {
		return
	}
	for off, end := p.off, p.off+p.n; off < end && c.to&p.differ != 0; {
		data, hole := c.extent(ctx, off, end)
		if data > off {
			c.punch(ctx, p.differ, off, data-off)
		}
		if hole > data {
			c.write(ctx, p.differ, data, hole-data, false)
		}
		off = hole
	}
}

// extent returns where, from off on, the source's first data begins and where it ends,
// both at most end. A file that cannot tell is all data.
func (c *copier) extent(ctx context.Context, off, end int64) (data, hole int64) {
	f := c.files[c.from]
	r, err := f.Seek(ctx, &fop.SeekReq{Req: c.l.req(c.from), Off: off, Whence: seekData})
	switch {
	case fop.Errno(err) == syscall.ENXIO:
		return end, end
	case err != nil:
		return off, end
	case r.Off >= end:
		return end, end
	}
	data = max(r.Off, off)
	if r, err = f.Seek(ctx, &fop.SeekReq{Req: c.l.req(c.from), Off: data, Whence: seekHole}); err != nil || r.Off <= data {
		return data, end
	}
	return data, min(r.Off, end)
}

// punch makes a range a hole where a sink had something.
func (c *copier) punch(ctx context.Context, to set, off, n int64) {
	for i := range (to & c.to).Each {
		if c.old[i] <= off {
			continue
		}
		q := &fop.FallocateReq{Req: c.l.req(i), Mode: punchHole, Off: off, Len: n}
		if _, err := c.files[i].Fallocate(ctx, q); fop.Errno(err) == syscall.EOPNOTSUPP {
			c.zero(ctx, i, off, n)
		} else if err != nil {
			c.fail(i, err)
		}
	}
}

// zero writes zeros where there can be no holes.
func (c *copier) zero(ctx context.Context, i int, off, n int64) {
	buf := make([]byte, min(n, window))
	for end := off + n; off < end; off += int64(len(buf)) {
		q := &fop.WritevReq{Req: c.l.req(i), Off: off, Data: buf[:min(int64(len(buf)), end-off)]}
		if r, err := c.files[i].Writev(ctx, q); err != nil || r.N != len(q.Data) {
			c.fail(i, short(err))
			return
		}
	}
}

// write copies a range of at most a window. dense: only if no block of it is zero, else
// nothing is done. false: nothing was done.
func (c *copier) write(ctx context.Context, to set, off, n int64, dense bool) bool {
	buf := buffers.Get().(*[window]byte)
	defer buffers.Put(buf)
	r, err := c.files[c.from].Readv(ctx, &fop.ReadvReq{Req: c.l.req(c.from), Off: off, Buf: buf[:n]})
	if err != nil {
		c.fail(c.from, err)
		return true
	}
	data := buf[:r.N]
	switch {
	case len(data) == 0:
		return true // the file became shorter, and the sinks will
	case dense && sparse(data):
		return false
	}
	to &= c.to
	got := on(to, func(i int) (*fop.WritevReply, error) {
		return c.files[i].Writev(ctx, &fop.WritevReq{Req: c.l.req(i), Off: off, Data: data})
	})
	for i := range to.Each {
		if got[i].Err != nil || got[i].Reply.N != len(data) {
			c.fail(i, short(got[i].Err))
			continue
		}
		c.written += int64(len(data))
	}
	return true
}

// sparse reports whether some block is all zeros.
func sparse(data []byte) bool {
	var zeros [grain]byte
	for b := range slices.Chunk(data, grain) {
		if bytes.Equal(b, zeros[:len(b)]) {
			return true
		}
	}
	return false
}

// short is the error of a write that was cut short without one.
func short(err error) error {
	if err == nil {
		return syscall.ENOSPC
	}
	return err
}
