package faults

import (
	"context"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func (x *Faults) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	return inject(x, fop.OpLookup, x.Child.Lookup, ctx, q)
}

func (x *Faults) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	r, err := inject(x, fop.OpCreate, x.Child.Create, ctx, q)
	if r != nil && r.File != nil {
		r.File = &file{PassFile: xlator.PassFile{Child: r.File}, x: x}
	}
	return r, err
}

func (x *Faults) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return inject(x, fop.OpMkdir, x.Child.Mkdir, ctx, q)
}

func (x *Faults) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return inject(x, fop.OpMknod, x.Child.Mknod, ctx, q)
}

func (x *Faults) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return inject(x, fop.OpSymlink, x.Child.Symlink, ctx, q)
}

func (x *Faults) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	return inject(x, fop.OpLink, x.Child.Link, ctx, q)
}

func (x *Faults) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return inject(x, fop.OpUnlink, x.Child.Unlink, ctx, q)
}

func (x *Faults) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return inject(x, fop.OpRmdir, x.Child.Rmdir, ctx, q)
}

func (x *Faults) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return inject(x, fop.OpRename, x.Child.Rename, ctx, q)
}

func (x *Faults) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	return inject(x, fop.OpStat, x.Child.Stat, ctx, q)
}

func (x *Faults) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return inject(x, fop.OpSetattr, x.Child.Setattr, ctx, q)
}

func (x *Faults) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return inject(x, fop.OpTruncate, x.Child.Truncate, ctx, q)
}

func (x *Faults) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return inject(x, fop.OpReadlink, x.Child.Readlink, ctx, q)
}

func (x *Faults) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	return inject(x, fop.OpStatfs, x.Child.Statfs, ctx, q)
}

func (x *Faults) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return inject(x, fop.OpGetxattr, x.Child.Getxattr, ctx, q)
}

func (x *Faults) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return inject(x, fop.OpSetxattr, x.Child.Setxattr, ctx, q)
}

func (x *Faults) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return inject(x, fop.OpRemovexattr, x.Child.Removexattr, ctx, q)
}

func (x *Faults) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	r, err := inject(x, fop.OpOpen, x.Child.Open, ctx, q)
	if r != nil && r.File != nil {
		r.File = &file{PassFile: xlator.PassFile{Child: r.File}, x: x}
	}
	return r, err
}

func (x *Faults) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	r, err := inject(x, fop.OpOpendir, x.Child.Opendir, ctx, q)
	if r != nil {
		r.Dir = &dir{child: r.Dir, x: x}
	}
	return r, err
}

func (x *Faults) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return inject(x, fop.OpXattrop, x.Child.Xattrop, ctx, q)
}

func (x *Faults) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return inject(x, fop.OpInodelk, x.Child.Inodelk, ctx, q)
}

func (x *Faults) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return inject(x, fop.OpEntrylk, x.Child.Entrylk, ctx, q)
}

func (x *Faults) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	return inject(x, fop.OpRelease, x.Child.Release, ctx, q)
}

func (f *file) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	return inject(f.x, fop.OpReadv, f.Child.Readv, ctx, q)
}

func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	return inject(f.x, fop.OpWritev, f.Child.Writev, ctx, q)
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return inject(f.x, fop.OpFsync, f.Child.Fsync, ctx, q)
}

func (f *file) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	return inject(f.x, fop.OpFlush, f.Child.Flush, ctx, q)
}

func (f *file) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	return inject(f.x, fop.OpFallocate, f.Child.Fallocate, ctx, q)
}

func (f *file) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return inject(f.x, fop.OpSeek, f.Child.Seek, ctx, q)
}

func (f *file) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	return inject(f.x, fop.OpLk, f.Child.Lk, ctx, q)
}

func (f *file) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return inject(f.x, fop.OpRchecksum, f.Child.Rchecksum, ctx, q)
}

func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok {
		return nil, syscall.EXDEV
	}
	return inject(f.x, fop.OpCopyFileRange, func(ctx context.Context, q *fop.CopyRangeReq) (*fop.CopyRangeReply, error) {
		return f.Child.CopyFileRange(ctx, q, d.Child)
	}, ctx, q)
}

type dir struct {
	child xlator.Dir
	x     *Faults
}

func (d *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	return inject(d.x, fop.OpReaddirp, d.child.Readdirp, ctx, q)
}

func (d *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	return inject(d.x, fop.OpFsyncdir, d.child.Fsync, ctx, q)
}

func (d *dir) Close() error { return d.child.Close() }
