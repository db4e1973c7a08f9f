package xlator

import (
	"context"

	"github.com/gofs/gofs/xlators/fop"
)

// Pass forwards every fop to Child. Only single-child translators embed it; a
// fan-out layer does not, so that the compiler lists what it forgot.
type Pass struct{ Child Xlator }

var _ Xlator = (*Pass)(nil)

func (p *Pass) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	return p.Child.Lookup(ctx, q)
}

func (p *Pass) Create(ctx context.Context, q *fop.CreateReq) (*CreateReply, error) {
	return p.Child.Create(ctx, q)
}

func (p *Pass) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return p.Child.Mkdir(ctx, q)
}

func (p *Pass) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return p.Child.Mknod(ctx, q)
}

func (p *Pass) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return p.Child.Symlink(ctx, q)
}

func (p *Pass) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	return p.Child.Link(ctx, q)
}

func (p *Pass) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return p.Child.Unlink(ctx, q)
}

func (p *Pass) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return p.Child.Rmdir(ctx, q)
}

func (p *Pass) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return p.Child.Rename(ctx, q)
}

func (p *Pass) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	return p.Child.Stat(ctx, q)
}

func (p *Pass) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return p.Child.Setattr(ctx, q)
}

func (p *Pass) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return p.Child.Truncate(ctx, q)
}

func (p *Pass) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return p.Child.Readlink(ctx, q)
}

func (p *Pass) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	return p.Child.Statfs(ctx, q)
}

func (p *Pass) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return p.Child.Getxattr(ctx, q)
}

func (p *Pass) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return p.Child.Setxattr(ctx, q)
}

func (p *Pass) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return p.Child.Removexattr(ctx, q)
}

func (p *Pass) Open(ctx context.Context, q *fop.OpenReq) (*OpenReply, error) {
	return p.Child.Open(ctx, q)
}

func (p *Pass) Opendir(ctx context.Context, q *fop.OpendirReq) (*OpendirReply, error) {
	return p.Child.Opendir(ctx, q)
}

func (p *Pass) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return p.Child.Xattrop(ctx, q)
}

func (p *Pass) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return p.Child.Inodelk(ctx, q)
}

func (p *Pass) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return p.Child.Entrylk(ctx, q)
}

func (p *Pass) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	return p.Child.Release(ctx, q)
}

func (p *Pass) Forget(ctx context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	return p.Child.Forget(ctx, q)
}

func (p *Pass) Disconnect(ctx context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	return p.Child.Disconnect(ctx, q)
}

func (p *Pass) Watch(f func(Event)) { p.Child.Watch(f) }

func (p *Pass) Close() error { return p.Child.Close() }

// PassFile forwards every fop on an open file to Child. A layer that overrides
// CopyFileRange's dst unwraps it first.
type PassFile struct{ Child File }

func (p *PassFile) Readv(ctx context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	return p.Child.Readv(ctx, q)
}

func (p *PassFile) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	return p.Child.Writev(ctx, q)
}

func (p *PassFile) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return p.Child.Fsync(ctx, q)
}

func (p *PassFile) Flush(ctx context.Context, q *fop.FlushReq) (*fop.Empty, error) {
	return p.Child.Flush(ctx, q)
}

func (p *PassFile) Fallocate(ctx context.Context, q *fop.FallocateReq) (*fop.InodeReply, error) {
	return p.Child.Fallocate(ctx, q)
}

func (p *PassFile) Seek(ctx context.Context, q *fop.SeekReq) (*fop.SeekReply, error) {
	return p.Child.Seek(ctx, q)
}

func (p *PassFile) Lk(ctx context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	return p.Child.Lk(ctx, q)
}

func (p *PassFile) Rchecksum(ctx context.Context, q *fop.RchecksumReq) (*fop.RchecksumReply, error) {
	return p.Child.Rchecksum(ctx, q)
}

// Close closes the child.
func (p *PassFile) Close() error { return p.Child.Close() }
