package sim

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

// A journal notes what changes on a disk, so that a power failure can take away what was
// not durable. As on XFS: changes of names, attributes and xattrs are lost from some
// moment on, in the order in which they were made; what was written to files is lost or
// not, write by write; making one inode durable makes all of its writes durable, and the
// changes of names and attributes up to its last one.
type journal struct {
	xlator.Pass
	stored

	mu  sync.Mutex // held for the whole of each change: what is noted first happened first
	log []noted    // guarded by mu
}

// stored is what is on a disk: inodes, and the names in the index of missed changes.
type stored struct {
	inodes xlator.Xlator
	missed map[fop.GFID]map[string]bool
	open   map[fop.GFID]xlator.File // files are kept open while changes are made again, as they were then
}

func (s stored) close(g fop.GFID) {
	if f := s.open[g]; f != nil {
		f.Close()
		delete(s.open, g)
	}
}

// anew forgets a file that has no name any more and is about to be made once more: nobody
// had it open then.
func (s stored) anew(g fop.GFID) {
	if r, err := s.inodes.Stat(ctx, &fop.StatReq{GFID: g}); err == nil && r.Iatt.Nlink == 0 {
		s.close(g)
	}
}

// A noted change can be made again.
type noted struct {
	again   func(stored)
	inodes  []fop.GFID // that it is about
	data    bool       // a write, as opposed to names and attributes
	durable bool
}

func newJournal() (*journal, error) {
	j := &journal{stored: stored{missed: map[fop.GFID]map[string]bool{}, open: map[fop.GFID]xlator.File{}}}
	var err error
	if j.inodes, err = mem.New(xlator.Env{}, nil, nil); err != nil {
		return nil, err
	}
	j.Pass = xlator.Pass{Child: j.inodes}
	// The root is as old as the world, also when it is made again.
	born := fop.TimeOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	_, err = j.inodes.Setattr(ctx, &fop.SetattrReq{Req: req(), GFID: fop.RootGFID, Valid: fop.SetAtime | fop.SetMtime | fop.SetCtime, Atime: born, Mtime: born, Ctime: born})
	return j, err
}

// afterLoss returns the disk as it is after a power failure. keepAll: only the process ended.
func (j *journal) afterLoss(rng *rand.Rand, keepAll bool) (*journal, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, err := newJournal()
	if err != nil {
		return nil, err
	}
	kept := 0 // so much of the log is durable but for writes
	for i := range j.log {
		if j.log[i].durable && !j.log[i].data {
			kept = i + 1
		}
	}
	switch rng.IntN(3) {
	case 0:
		kept += rng.IntN(len(j.log) - kept + 1)
	case 1:
		kept = len(j.log)
	}
	odds := rng.IntN(3) // of 2, that a write was on its way to the disk
	for i, c := range j.log {
		if keepAll || c.durable || !c.data && i < kept || c.data && rng.IntN(2) < odds {
			c.again(n.stored)
			c.durable = c.durable || !keepAll // what was there after the failure is on the disk
			n.log = append(n.log, c)
		}
	}
	for g := range n.open {
		n.close(g)
	}
	return n, nil
}

// all returns every inode that is on the disk.
func (j *journal) all() (gs []fop.GFID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := map[fop.GFID]bool{}
	for _, c := range j.log {
		for _, g := range c.inodes {
			if _, err := j.inodes.Stat(ctx, &fop.StatReq{GFID: g}); err == nil && !seen[g] {
				seen[g] = true
				gs = append(gs, g)
			}
		}
	}
	return gs
}

// sync makes an inode durable, or everything.
func (j *journal) sync(g fop.GFID, everything bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := len(j.log) - 1
	for ; last >= 0 && !everything && !slices.Contains(j.log[last].inodes, g); last-- {
	}
	for i := range j.log[:last+1] {
		if c := &j.log[i]; !c.data || everything || slices.Contains(c.inodes, g) {
			c.durable = true
		}
	}
}

// again makes a change, and notes how it is made again.
func again[Q, R any](j *journal, do func(xlator.Xlator, context.Context, Q) (R, error), ctx context.Context, q Q, h *fop.Req, about ...fop.GFID) (R, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	dated(h)
	r, err := do(j.inodes, ctx, q)
	if err == nil {
		j.note(noted{again: func(s stored) { do(s.inodes, ctx, q) }, inodes: about})
	}
	return r, err
}

func (j *journal) note(c noted) { j.log = append(j.log, c) }

// dated gives a request the time at which it is made, if it has none.
func dated(h *fop.Req) {
	if c := h.Caller; c != nil && c.Time.IsZero() {
		d := *c
		d.Time = fop.TimeOf(time.Now())
		h.Caller = &d
	}
}

func (j *journal) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	dated(&q.Req)
	r, err := j.inodes.Create(ctx, q)
	if err != nil {
		return nil, err
	}
	j.note(noted{again: func(s stored) {
		s.anew(q.GFID)
		if r, err := s.inodes.Create(ctx, q); err == nil {
			s.open[q.GFID] = r.File
		}
	}, inodes: []fop.GFID{q.Parent, q.GFID}})
	r.File = &journaled{File: r.File, j: j, gfid: q.GFID, flags: q.Flags}
	return r, nil
}

func (j *journal) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	if q.Flags&syscall.O_TRUNC != 0 {
		if _, err := j.Truncate(ctx, &fop.TruncateReq{Req: q.Req, GFID: q.GFID}); err != nil {
			return nil, err
		}
	}
	r, err := j.inodes.Open(ctx, q)
	if err == nil {
		r.File = &journaled{File: r.File, j: j, gfid: q.GFID, flags: q.Flags}
	}
	return r, err
}

func (j *journal) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return again(j, xlator.Xlator.Mkdir, ctx, q, &q.Req, q.Parent, q.GFID)
}

func (j *journal) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	dated(&q.Req)
	r, err := j.inodes.Mknod(ctx, q)
	if err == nil {
		j.note(noted{again: func(s stored) {
			s.anew(q.GFID)
			s.inodes.Mknod(ctx, q)
			if o, err := s.inodes.Open(ctx, &fop.OpenReq{Req: q.Req, GFID: q.GFID}); err == nil {
				s.close(q.GFID)
				s.open[q.GFID] = o.File
			}
		}, inodes: []fop.GFID{q.Parent, q.GFID}})
	}
	return r, err
}

func (j *journal) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return again(j, xlator.Xlator.Symlink, ctx, q, &q.Req, q.Parent, q.GFID)
}

func (j *journal) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	return again(j, xlator.Xlator.Link, ctx, q, &q.Req, q.Parent, q.GFID)
}

func (j *journal) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return again(j, xlator.Xlator.Unlink, ctx, q, &q.Req, q.Parent)
}

func (j *journal) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return again(j, xlator.Xlator.Rmdir, ctx, q, &q.Req, q.Parent)
}

func (j *journal) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return again(j, xlator.Xlator.Rename, ctx, q, &q.Req, q.OldParent, q.NewParent)
}

func (j *journal) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return again(j, xlator.Xlator.Setattr, ctx, q, &q.Req, q.GFID)
}

func (j *journal) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return again(j, xlator.Xlator.Truncate, ctx, q, &q.Req, q.GFID)
}

func (j *journal) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return again(j, xlator.Xlator.Setxattr, ctx, q, &q.Req, q.GFID)
}

func (j *journal) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return again(j, xlator.Xlator.Removexattr, ctx, q, &q.Req, q.GFID)
}

func (j *journal) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return again(j, xlator.Xlator.Xattrop, ctx, q, &q.Req, q.GFID)
}

// Release is how clients make durable; index has taken the rest out of it.
func (j *journal) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	if q.Sync {
		for _, it := range q.Items {
			j.sync(it.GFID, false)
		}
		if len(q.Items) == 0 {
			j.sync(fop.GFID{}, true)
		}
	}
	return j.inodes.Release(ctx, q)
}

// miss notes in the index of a directory that names in it were missed, or not any more.
func (j *journal) miss(g fop.GFID, names []string, add bool) {
	if len(names) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	again := func(s stored) {
		for _, n := range names {
			if s.missed[g] == nil {
				s.missed[g] = map[string]bool{}
			}
			if s.missed[g][n] = add; !add {
				delete(s.missed[g], n)
			}
		}
		if len(s.missed[g]) == 0 {
			delete(s.missed, g)
		}
	}
	again(j.stored)
	j.note(noted{again: again, inodes: []fop.GFID{g}})
}

// dirs lists the directories in which names were missed, names those of one.
func (j *journal) dirs() []fop.GFID {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.SortedFunc(maps.Keys(j.missed), func(a, b fop.GFID) int { return bytes.Compare(a[:], b[:]) })
}

func (j *journal) names(g fop.GFID) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.missed[g]))
}

// forget drops what was noted about a directory that is gone.
func (j *journal) forget(g fop.GFID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.missed, g)
	j.note(noted{again: func(s stored) { delete(s.missed, g) }})
}

// journaled is an open file.
type journaled struct {
	xlator.File
	j     *journal
	gfid  fop.GFID
	flags uint32
}

func (f *journaled) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	f.j.mu.Lock()
	defer f.j.mu.Unlock()
	dated(&q.Req)
	r, err := f.File.Writev(ctx, q)
	if err != nil {
		return nil, err
	}
	p := *q
	p.Data = slices.Clone(q.Data)
	if f.flags&syscall.O_APPEND != 0 && q.Flags&fop.WriteInPlace == 0 {
		p.Off = int64(r.Post.Size) - int64(len(q.Data))
	}
	f.again(func(g xlator.File) { g.Writev(ctx, &p) })
	return r, nil
}

func (f *journaled) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	f.j.mu.Lock()
	defer f.j.mu.Unlock()
	dated(&q.Req)
	r, err := f.File.Fallocate(ctx, q)
	if err == nil {
		f.again(func(g xlator.File) { g.Fallocate(ctx, q) })
	}
	return r, err
}

// again notes a write; j.mu is held.
func (f *journaled) again(do func(xlator.File)) {
	f.j.note(noted{data: true, inodes: []fop.GFID{f.gfid}, again: func(s stored) {
		if r, err := s.inodes.Open(ctx, &fop.OpenReq{Req: req(), GFID: f.gfid, Flags: syscall.O_RDWR}); err == nil {
			do(r.File)
			r.File.Close()
		}
	}})
}

func (f *journaled) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	f.j.sync(f.gfid, false)
	return f.File.Fsync(ctx, q)
}
