// Package readonly refuses every change with EROFS.
//
// Intercepts: every fop that changes names, content or attributes, and Open for writing.
// Files that are open for reading are the child's own: reading costs nothing.
//
// Volfile:
//
//	volume v-read-only
//	    type features/read-only
//	    option read-only on
//	    subvolumes v-dht
//	end-volume
package readonly

import (
	"context"
	"fmt"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.Xlator = (*readOnly)(nil)

type readOnly struct{ xlator.Pass }

// New makes a read-only view of one subvolume, or returns that itself if option read-only
// is off.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("features/read-only %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	on, err := opts.Bool("read-only", true)
	if err != nil {
		return nil, fmt.Errorf("features/read-only %s: %w", env.Name, err)
	}
	if !on {
		return subvols[0], nil
	}
	return &readOnly{xlator.Pass{Child: subvols[0]}}, nil
}

const refused = syscall.EROFS

// Create implements xlator.Entries: refused.
func (r *readOnly) Create(context.Context, *fop.CreateReq) (*xlator.CreateReply, error) {
	return nil, refused
}

// Mkdir implements xlator.Entries: refused.
func (r *readOnly) Mkdir(context.Context, *fop.MkdirReq) (*fop.EntryReply, error) {
	return nil, refused
}

// Mknod implements xlator.Entries: refused.
func (r *readOnly) Mknod(context.Context, *fop.MknodReq) (*fop.EntryReply, error) {
	return nil, refused
}

// Symlink implements xlator.Entries: refused.
func (r *readOnly) Symlink(context.Context, *fop.SymlinkReq) (*fop.EntryReply, error) {
	return nil, refused
}

// Link implements xlator.Entries: refused.
func (r *readOnly) Link(context.Context, *fop.LinkReq) (*fop.EntryReply, error) {
	return nil, refused
}

// Unlink implements xlator.Entries: refused.
func (r *readOnly) Unlink(context.Context, *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return nil, refused
}

// Rmdir implements xlator.Entries: refused.
func (r *readOnly) Rmdir(context.Context, *fop.RmdirReq) (*fop.RemoveReply, error) {
	return nil, refused
}

// Rename implements xlator.Entries: refused.
func (r *readOnly) Rename(context.Context, *fop.RenameReq) (*fop.RenameReply, error) {
	return nil, refused
}

// Setattr implements xlator.Inodes: refused.
func (r *readOnly) Setattr(context.Context, *fop.SetattrReq) (*fop.InodeReply, error) {
	return nil, refused
}

// Truncate implements xlator.Inodes: refused.
func (r *readOnly) Truncate(context.Context, *fop.TruncateReq) (*fop.InodeReply, error) {
	return nil, refused
}

// Setxattr implements xlator.Inodes: refused.
func (r *readOnly) Setxattr(context.Context, *fop.SetxattrReq) (*fop.InodeReply, error) {
	return nil, refused
}

// Removexattr implements xlator.Inodes: refused.
func (r *readOnly) Removexattr(context.Context, *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return nil, refused
}

// Xattrop implements xlator.Cluster: refused.
func (r *readOnly) Xattrop(context.Context, *fop.XattropReq) (*fop.XattropReply, error) {
	return nil, refused
}

// Open implements xlator.Inodes: refused if the file could be changed through it.
func (r *readOnly) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	if q.Flags&syscall.O_ACCMODE != syscall.O_RDONLY || q.Flags&(syscall.O_TRUNC|syscall.O_APPEND) != 0 {
		return nil, refused
	}
	return r.Child.Open(ctx, q)
}
