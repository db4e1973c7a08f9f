package iostats

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func (s *ioStats) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	return timed(s.Stats, fop.OpLookup, s.Child.Lookup, ctx, q)
}

func (s *ioStats) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	r, err := timed(s.Stats, fop.OpCreate, s.Child.Create, ctx, q)
	if err == nil {
		r.File = s.opening(r.File, q.GFID)
	}
	return r, err
}

func (s *ioStats) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return timed(s.Stats, fop.OpMkdir, s.Child.Mkdir, ctx, q)
}

func (s *ioStats) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return timed(s.Stats, fop.OpMknod, s.Child.Mknod, ctx, q)
}

func (s *ioStats) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return timed(s.Stats, fop.OpSymlink, s.Child.Symlink, ctx, q)
}

func (s *ioStats) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	return timed(s.Stats, fop.OpLink, s.Child.Link, ctx, q)
}

func (s *ioStats) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return timed(s.Stats, fop.OpUnlink, s.Child.Unlink, ctx, q)
}

func (s *ioStats) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return timed(s.Stats, fop.OpRmdir, s.Child.Rmdir, ctx, q)
}

func (s *ioStats) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return timed(s.Stats, fop.OpRename, s.Child.Rename, ctx, q)
}

func (s *ioStats) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	return timed(s.Stats, fop.OpStat, s.Child.Stat, ctx, q)
}

func (s *ioStats) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return timed(s.Stats, fop.OpSetattr, s.Child.Setattr, ctx, q)
}

func (s *ioStats) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return timed(s.Stats, fop.OpTruncate, s.Child.Truncate, ctx, q)
}

func (s *ioStats) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return timed(s.Stats, fop.OpReadlink, s.Child.Readlink, ctx, q)
}

func (s *ioStats) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	return timed(s.Stats, fop.OpStatfs, s.Child.Statfs, ctx, q)
}

func (s *ioStats) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return timed(s.Stats, fop.OpGetxattr, s.Child.Getxattr, ctx, q)
}

func (s *ioStats) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return timed(s.Stats, fop.OpSetxattr, s.Child.Setxattr, ctx, q)
}

func (s *ioStats) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return timed(s.Stats, fop.OpRemovexattr, s.Child.Removexattr, ctx, q)
}

func (s *ioStats) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	r, err := timed(s.Stats, fop.OpOpen, s.Child.Open, ctx, q)
	if err == nil {
		r.File = s.opening(r.File, q.GFID)
	}
	return r, err
}

func (s *ioStats) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	r, err := timed(s.Stats, fop.OpOpendir, s.Child.Opendir, ctx, q)
	if err == nil {
		c := s.files.of(q.GFID)
		c.n[TopOpendir].Add(1)
		r.Dir = &dir{child: r.Dir, s: s.Stats, c: c}
	}
	return r, err
}

func (s *ioStats) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return timed(s.Stats, fop.OpXattrop, s.Child.Xattrop, ctx, q)
}

func (s *ioStats) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return timed(s.Stats, fop.OpInodelk, s.Child.Inodelk, ctx, q)
}

func (s *ioStats) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return timed(s.Stats, fop.OpEntrylk, s.Child.Entrylk, ctx, q)
}

func (s *ioStats) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	return timed(s.Stats, fop.OpRelease, s.Child.Release, ctx, q)
}

type file struct {
	xlator.PassFile
	s *Stats
	c *fileCounts
}

// opening counts the file g that was opened as child.
func (s *Stats) opening(child xlator.File, g fop.GFID) *file {
	c := s.files.of(g)
	c.opened.Add(1)
	c.n[TopOpen].Add(1)
	s.opened.add()
	return &file{PassFile: xlator.PassFile{Child: child}, s: s, c: c}
}

func (f *file) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	r, d, err := clocked(f.s, fop.OpReadv, f.Child.Readv, ctx, q)
	if err == nil {
		f.s.reads.add(r.N)
		f.c.n[TopRead].Add(1)
		f.c.best[0].offer(r.N, d)
	}
	return r, err
}

func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	r, d, err := clocked(f.s, fop.OpWritev, f.Child.Writev, ctx, q)
	if err == nil {
		f.s.writes.add(r.N)
		f.c.n[TopWrite].Add(1)
		f.c.best[1].offer(r.N, d)
	}
	return r, err
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return timed(f.s, fop.OpFsync, f.Child.Fsync, ctx, q)
}

func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	return timed(f.s, fop.OpFlush, f.Child.Flush, ctx, q)
}

func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	return timed(f.s, fop.OpFallocate, f.Child.Fallocate, ctx, q)
}

func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return timed(f.s, fop.OpSeek, f.Child.Seek, ctx, q)
}

func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	return timed(f.s, fop.OpLk, f.Child.Lk, ctx, q)
}

func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return timed(f.s, fop.OpRchecksum, f.Child.Rchecksum, ctx, q)
}

func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok {
		return nil, syscall.EXDEV
	}
	return timed(f.s, fop.OpCopyFileRange, func(ctx context.Context, q *fop.CopyRangeReq) (*fop.CopyRangeReply, error) {
		return f.Child.CopyFileRange(ctx, q, d.Child)
	}, ctx, q)
}

// Close is counted, but not timed: nobody waits for it.
func (f *file) Close() error {
	f.s.opened.now.Add(-1)
	f.c.opened.Add(-1)
	return f.Child.Close()
}

type dir struct {
	child xlator.Dir
	s     *Stats
	c     *fileCounts
}

func (d *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	d.c.n[TopReaddir].Add(1)
	return timed(d.s, fop.OpReaddirp, d.child.Readdirp, ctx, q)
}

func (d *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	return timed(d.s, fop.OpFsyncdir, d.child.Fsync, ctx, q)
}

func (d *dir) Close() error { return d.child.Close() }
