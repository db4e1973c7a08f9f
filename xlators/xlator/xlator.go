// Package xlator is the waist of gofs: the interface that every translator, from
// the system calls on a brick to the FUSE bridge's view of a whole volume, offers
// to the one above it.
//
// A translator feels all that is below it and knows nothing of what is above it.
// Every fop has the shape (ctx, *XReq) (*XReply, error); a goroutine's stack is the
// call frame.
//
// Contract, for callers and implementers alike:
//
//   - Concurrency: all methods may be called at any time from any goroutine. No lock
//     is held across a call to a subvolume.
//   - Requests are read-only: one request may be on its way to several subvolumes.
//     Replies belong to the caller and are never nil when err is nil.
//   - Errors wrap a syscall.Errno (fop.Errno finds it). ENOTCONN means "the brick was
//     not reached, or the connection went before it answered" and nothing else; the fop
//     may have happened.
//   - Cancellation: a cancelled ctx makes a waiting fop return EINTR soon. A layer that
//     has promised something (a mark, a lock) detaches with context.WithoutCancel until
//     it has kept it; only afr and performance layers do so.
//   - Buffers: WritevReq.Data and ReadvReq.Buf are not touched after the method returned.
package xlator

import (
	"context"
	"log/slog"

	"github.com/gofs/gofs/xlators/fop"
)

// Xlator is one node of a graph: an inode-and-name view of a subtree of bricks.
type Xlator interface {
	Entries
	Inodes
	Cluster
	// Watch adds a function that is told of every Event from here or below. It is
	// called synchronously and must not block or call fops. A new watcher is told at
	// once, by a ChildUp, about a translator that is up.
	Watch(func(Event))
	// Close tears down this translator and those below it.
	Close() error
}

// Entries are the fops on names.
type Entries interface {
	Lookup(context.Context, *fop.LookupReq) (*fop.LookupReply, error)
	Create(context.Context, *fop.CreateReq) (*CreateReply, error)
	Mkdir(context.Context, *fop.MkdirReq) (*fop.EntryReply, error)
	Mknod(context.Context, *fop.MknodReq) (*fop.EntryReply, error)
	Symlink(context.Context, *fop.SymlinkReq) (*fop.EntryReply, error)
	Link(context.Context, *fop.LinkReq) (*fop.EntryReply, error)
	Unlink(context.Context, *fop.UnlinkReq) (*fop.RemoveReply, error)
	Rmdir(context.Context, *fop.RmdirReq) (*fop.RemoveReply, error)
	Rename(context.Context, *fop.RenameReq) (*fop.RenameReply, error)
}

// Inodes are the fops on inodes.
type Inodes interface {
	Stat(context.Context, *fop.StatReq) (*fop.StatReply, error)
	Setattr(context.Context, *fop.SetattrReq) (*fop.InodeReply, error)
	Truncate(context.Context, *fop.TruncateReq) (*fop.InodeReply, error)
	Readlink(context.Context, *fop.ReadlinkReq) (*fop.ReadlinkReply, error)
	Statfs(context.Context, *fop.StatfsReq) (*fop.StatfsReply, error)
	Getxattr(context.Context, *fop.GetxattrReq) (*fop.GetxattrReply, error)
	Setxattr(context.Context, *fop.SetxattrReq) (*fop.InodeReply, error)
	Removexattr(context.Context, *fop.RemovexattrReq) (*fop.InodeReply, error)
	Open(context.Context, *fop.OpenReq) (*OpenReply, error)
	Opendir(context.Context, *fop.OpendirReq) (*OpendirReply, error)
}

// Cluster are the fops that translators do on their own account.
type Cluster interface {
	Xattrop(context.Context, *fop.XattropReq) (*fop.XattropReply, error)
	Inodelk(context.Context, *fop.InodelkReq) (*fop.LockReply, error)
	Entrylk(context.Context, *fop.EntrylkReq) (*fop.LockReply, error)
	Release(context.Context, *fop.ReleaseReq) (*fop.ReleaseReply, error)
	// Forget may be lost; it is a hint.
	Forget(context.Context, *fop.ForgetReq) (*fop.Empty, error)
	// Disconnect is called by protocol/server when a client is gone, after the last of
	// its fops returned.
	Disconnect(context.Context, *fop.DisconnectReq) (*fop.Empty, error)
}

// A File is an open file as one layer sees it. A layer that has nothing to do with
// data returns its child's File and so is never on the data path.
type File interface {
	Readv(context.Context, *fop.ReadvReq) (*fop.ReadvReply, error)
	Writev(context.Context, *fop.WritevReq) (*fop.WritevReply, error)
	Fsync(context.Context, *fop.FsyncReq) (*fop.InodeReply, error)
	Flush(context.Context, *fop.FlushReq) (*fop.Empty, error)
	Fallocate(context.Context, *fop.FallocateReq) (*fop.InodeReply, error)
	Seek(context.Context, *fop.SeekReq) (*fop.SeekReply, error)
	Lk(context.Context, *fop.LkReq) (*fop.LkReply, error)
	// CopyFileRange copies to dst, a File of the same Xlator. EXDEV: these two cannot
	// be copied between on the bricks; the caller copies by reading and writing.
	CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst File) (*fop.CopyRangeReply, error)
	Rchecksum(context.Context, *fop.RchecksumReq) (*fop.RchecksumReply, error)
	// Close gives the file up: POSIX locks taken through it and, if it has no name any
	// more, its data. It does not wait for other machines. Call it once, after all other
	// methods returned.
	Close() error
}

// A Dir is an open directory.
type Dir interface {
	Readdirp(context.Context, *fop.ReaddirpReq) (*fop.ReaddirpReply, error)
	Fsync(context.Context, *fop.FsyncReq) (*fop.Empty, error)
	Close() error
}

// CreateReply answers Create.
type CreateReply struct {
	fop.EntryReply
	File File
}

// OpenReply answers Open.
type OpenReply struct {
	fop.OpenAnswer
	File File
}

// OpendirReply answers Opendir.
type OpendirReply struct {
	Dir  Dir
	Iatt fop.Iatt
}

// EventKind says what an Event is about.
type EventKind uint8

const (
	// ChildUp: the brick (or set) below can be used. Session is the new connection's.
	ChildUp EventKind = iota + 1
	// ChildDown: it cannot. Every lock held through it is lost. It is told before any
	// fop on the lost connection fails, and before a new connection is made.
	ChildDown
	// Contention: somebody waits for a lock on (GFID, Domain) that this client holds.
	Contention
	// Invalidate: what is cached about GFID may be wrong (somebody else changed it, or a
	// brick was blamed for missing a change).
	Invalidate
	// ChildSlow: a request has been waiting for an answer for longer than a working brick
	// takes. It is told again and again until the answer comes. See Ejector.
	ChildSlow
)

// Event is news from below.
type Event struct {
	Kind    EventKind
	Session uint64 // ChildUp
	Local   bool   // ChildUp: the brick is on this machine
	GFID    fop.GFID
	Domain  string
	Entry   bool // Contention about an entrylk
	Name    string
	// Client is the connection to be told; used between locks and protocol/server.
	Client uint64
	// From is the subvolume that told, set by each fan-out layer's own watcher.
	Reason string // for logs
}

// An Ejector is a subvolume that can be given up although its connection stands.
type Ejector interface {
	// Eject makes what is under way there fail with ENOTCONN, tells ChildDown, and does
	// not tell ChildUp before the brick's disk has taken a write. It does not block.
	Eject(reason string)
}

// Env is what a translator is given besides its options and subvolumes.
type Env struct {
	Name string // of the volume in the volfile
	Log  *slog.Logger
}

// New makes a translator. opts are those of its volfile stanza.
type New func(env Env, opts Options, subvols []Xlator) (Xlator, error)
