// Package missed remembers, in the memory of a brick's process, which bytes of large files
// other bricks have missed, so that healing needs to compare no others.
//
// A client that blames a brick for missing changes of data, under its lock, tells when it gives
// the lock up how many counters it has added and where it has changed data under that lock
// (fop.ReleaseItem.Covers, Missed). The marks prove that this is all: what is known of a file is whole
// if as many counters are covered as are pending against a brick. Counters that
// somebody else added - GlusterFS, a healer, a client that died before it could tell, a
// process of this brick that has ended - are never covered, and all of the file is to be
// compared then.
//
// Invariant: covered is at most the number of those counters still pending that came with spans; the spans
// have all that came with these.
//
// Intercepts: Release, Xattrop, Setxattr and Removexattr for counters that are covered or taken back;
// Mknod and Create, since a file that is made again begins with other counters; Getxattr of
// fop.MissedXattr.
//
// Volfile: none; the brick process puts it over its graph.
package missed

import (
	"context"
	"encoding/binary"
	"iter"
	"slices"
	"sync"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// Large is the size of a file from which on it is worth it: smaller ones are compared at once.
	Large = 1 << 20
	// mostFiles and mostSpans are how much is remembered, about 30 MiB; for more, something is
	// forgotten.
	mostFiles = 1 << 16
	mostSpans = 1 << 20
)

// Missed is the translator. Its methods are safe for concurrent use.
type Missed struct {
	xlator.Pass
	least int64

	mu    sync.Mutex
	files map[fop.GFID]*fop.Missed // guarded by mu, with what is in them
	spans int                      // guarded by mu; of all files
}

// Over makes the translator over child, for files of at least least bytes: Large usually, and 0
// over an arbiter, which does not know how large files are.
func Over(child xlator.Xlator, least int64) *Missed {
	return &Missed{Pass: xlator.Pass{Child: child}, least: least, files: map[fop.GFID]*fop.Missed{}}
}

// Release takes what it says of missed bytes before the marks that would contradict it go.
func (x *Missed) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	for i := range q.Items {
		it := &q.Items[i]
		x.back(it.GFID, it.Undo)
		if len(it.Covers) == 0 {
			x.wider(it)
			continue
		}
		look := &fop.LookupReq{Req: q.Req, GFID: it.GFID}
		for _, c := range it.Covers {
			look.Want = append(look.Want, c.Name)
		}
		if r, err := x.Child.Lookup(ctx, look); err == nil && int64(r.Iatt.Size) >= x.least {
			x.add(it, r.Xattrs)
		} else {
			x.lose(it.GFID)
		}
	}
	return x.Child.Release(ctx, q)
}

// wider adds the spans of an item that covers nothing to what is known, if anything is.
func (x *Missed) wider(it *fop.ReleaseItem) {
	if len(it.Missed) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.files[it.GFID]; r != nil {
		x.widen(r, it.Missed)
	}
}

// widen adds spans to a record; mu is held.
func (x *Missed) widen(r *fop.Missed, spans []fop.Span) {
	x.spans -= len(r.Spans.All())
	for _, s := range spans {
		r.Spans.Add(s)
	}
	x.spans += len(r.Spans.All())
}

// add notes what an item says. pending are the counters as they are now: if more than these would be
// covered, somebody gave them other values after they were added, and those which are there now stand
// for something else.
func (x *Missed) add(it *fop.ReleaseItem, pending []fop.Xattr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.files[it.GFID]
	if r == nil {
		r = &fop.Missed{Covered: map[string]uint32{}}
		x.files[it.GFID] = r
	}
	for _, c := range it.Covers {
		if n := data(c.Value); n > 0 {
			r.Covered[c.Name] += uint32(n)
		}
	}
	x.widen(r, it.Missed)
	for _, c := range it.Covers {
		if now, _ := fop.XattrOf(pending, c.Name); len(now) < 4 || r.Covered[c.Name] > binary.BigEndian.Uint32(now) {
			x.forget(it.GFID)
			return
		}
	}
	for g := range x.files {
		if len(x.files) <= mostFiles && x.spans <= mostSpans {
			break
		}
		x.forget(g)
	}
}

// lose forgets a file.
func (x *Missed) lose(g fop.GFID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(g)
}

// Mknod implements xlator.Entries.
func (x *Missed) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	x.lose(q.GFID)
	return x.Child.Mknod(ctx, q)
}

// Create implements xlator.Entries.
func (x *Missed) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	x.lose(q.GFID)
	return x.Child.Create(ctx, q)
}

// forget forgets a file; mu is held.
func (x *Missed) forget(g fop.GFID) {
	if r := x.files[g]; r != nil {
		x.spans -= len(r.Spans.All())
		delete(x.files, g)
	}
}

// Xattrop implements xlator.Cluster.
func (x *Missed) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	if q.Op == fop.XattropAdd32 {
		x.back(q.GFID, q.Deltas)
	} else {
		x.replaced(q.GFID, names(q.Deltas))
	}
	return x.Child.Xattrop(ctx, q)
}

// back notes that counters are about to be taken back. A healer takes back what it saw, which
// may be more than is covered; what came since stays covered.
func (x *Missed) back(g fop.GFID, deltas []fop.Xattr) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.files[g]
	if r == nil {
		return
	}
	for _, d := range deltas {
		n, was := data(d.Value), r.Covered[d.Name]
		switch {
		case n >= 0 || was == 0:
		case -n >= int64(was):
			delete(r.Covered, d.Name)
		default:
			r.Covered[d.Name] = was - uint32(-n)
		}
	}
	if len(r.Covered) == 0 {
		x.forget(g)
	}
}

// data is what a delta adds to the counter of data, its first 4 bytes; from 2^31 on it takes
// away (fop.Sum32).
func data(delta []byte) int64 {
	if len(delta) < 4 {
		return 0
	}
	return int64(int32(binary.BigEndian.Uint32(delta)))
}

// Setxattr implements xlator.Inodes.
func (x *Missed) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	x.replaced(q.GFID, names(q.Xattrs))
	return x.Child.Setxattr(ctx, q)
}

// Removexattr implements xlator.Inodes.
func (x *Missed) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	x.replaced(q.GFID, slices.Values(q.Names))
	return x.Child.Removexattr(ctx, q)
}

func names(xs []fop.Xattr) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range xs {
			if !yield(xs[i].Name) {
				return
			}
		}
	}
}

// replaced forgets a file of which a counter is given another value.
func (x *Missed) replaced(g fop.GFID, keys iter.Seq[string]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.files[g]
	if r == nil {
		return
	}
	for key := range keys {
		if _, ok := r.Covered[key]; ok {
			x.forget(g)
			return
		}
	}
}

// Getxattr answers fop.MissedXattr.
func (x *Missed) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name != fop.MissedXattr || !q.Internal {
		return x.Child.Getxattr(ctx, q)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.files[q.GFID]
	if r == nil {
		return nil, syscall.ENODATA
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: r.Bytes()}}}, nil
}
