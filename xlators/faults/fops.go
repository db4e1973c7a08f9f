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
	if err != nil {
		return nil, err
	}
	f := &file{x: x, gfid: q.GFID, flags: q.Flags &^ (syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC), child: r.File}
	if !x.adopt(f, r.Session) {
		r.File.Close()
		return nil, syscall.ENOTCONN
	}
	r.File = f
	return r, nil
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
	if err != nil {
		return nil, err
	}
	f := &file{x: x, gfid: q.GFID, flags: q.Flags &^ (syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC), child: r.File}
	if !x.adopt(f, 0) {
		r.File.Close()
		return nil, syscall.ENOTCONN
	}
	r.File = f
	return r, nil
}

func (x *Faults) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	r, err := inject(x, fop.OpOpendir, x.Child.Opendir, ctx, q)
	if err != nil {
		return nil, err
	}
	d := &dir{x: x, gfid: q.GFID, child: r.Dir}
	if !x.adopt(d, 0) {
		r.Dir.Close()
		return nil, syscall.ENOTCONN
	}
	r.Dir = d
	return r, nil
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
