package wire

import (
	"github.com/gofs/gofs/xlators/fop"
)

// Op is the number of a fop on the wire. Numbers are never reused.
type Op uint16

// Fops on names, inodes and the cluster.
const (
	OpLookup Op = iota + 1
	OpCreate
	OpMkdir
	OpMknod
	OpSymlink
	OpLink
	OpUnlink
	OpRmdir
	OpRename
	OpStat
	OpSetattr
	OpTruncate
	OpReadlink
	OpStatfs
	OpGetxattr
	OpSetxattr
	OpRemovexattr
	OpOpen
	OpOpendir
	OpXattrop
	OpInodelk
	OpEntrylk
	OpRelease
	OpForget
	OpBatch
)

// Fops on a handle.
const (
	OpReadv Op = iota + 64
	OpWritev
	OpFsync
	OpFlush
	OpFallocate
	OpSeek
	OpLk
	OpCopyFileRange
	OpRchecksum
	OpReaddirp
	OpFsyncdir
	OpClose // gives the handle up; no message, no reply
)

// OpEnd is above every Op.
const OpEnd Op = 80

// Fop is one fop as both ends see it: its number and its two messages.
type Fop[Q, R any] struct {
	Op    Op
	Req   Codec[Q]
	Reply Codec[R]
	// Base returns the part that all requests have. Parsed requests own theirs, with a
	// Caller of their own.
	Base func(*Q) *fop.Req
}

// ReadvArgs is a ReadvReq on the wire: without the buffer.
type ReadvArgs struct {
	fop.Req
	Off  int64
	Size uint32
}

// CopyRangeArgs is a CopyRangeReq on the wire: with the destination's handle.
type CopyRangeArgs struct {
	fop.CopyRangeReq
	Dst uint64
}

// DirReply answers Opendir.
type DirReply struct{ Iatt fop.Iatt }

// OpenReply answers Open: the content, if there is any, is the payload, and
// OpenAnswer.Content nil.
type OpenReply struct {
	fop.OpenAnswer
	HasContent bool
}

// The fops, in the order of their numbers.
var (
	Lookup = Fop[fop.LookupReq, fop.LookupReply]{OpLookup, codec(lookupTo, lookupFrom), codec(lookupReplyTo, lookupReplyFrom),
		func(q *fop.LookupReq) *fop.Req { return &q.Req }}
	Create = Fop[fop.CreateReq, fop.EntryReply]{OpCreate, codec(createTo, createFrom), entryReplies,
		func(q *fop.CreateReq) *fop.Req { return &q.Req }}
	Mkdir = Fop[fop.MkdirReq, fop.EntryReply]{OpMkdir, codec(mkdirTo, mkdirFrom), entryReplies,
		func(q *fop.MkdirReq) *fop.Req { return &q.Req }}
	Mknod = Fop[fop.MknodReq, fop.EntryReply]{OpMknod, codec(mknodTo, mknodFrom), entryReplies,
		func(q *fop.MknodReq) *fop.Req { return &q.Req }}
	Symlink = Fop[fop.SymlinkReq, fop.EntryReply]{OpSymlink, codec(symlinkTo, symlinkFrom), entryReplies,
		func(q *fop.SymlinkReq) *fop.Req { return &q.Req }}
	Link = Fop[fop.LinkReq, fop.EntryReply]{OpLink, codec(linkTo, linkFrom), entryReplies,
		func(q *fop.LinkReq) *fop.Req { return &q.Req }}
	Unlink = Fop[fop.UnlinkReq, fop.RemoveReply]{OpUnlink, codec(unlinkTo, unlinkFrom), removeReplies,
		func(q *fop.UnlinkReq) *fop.Req { return &q.Req }}
	Rmdir = Fop[fop.RmdirReq, fop.RemoveReply]{OpRmdir, codec(rmdirTo, rmdirFrom), removeReplies,
		func(q *fop.RmdirReq) *fop.Req { return &q.Req }}
	Rename = Fop[fop.RenameReq, fop.RenameReply]{OpRename, codec(renameTo, renameFrom), renameReplies,
		func(q *fop.RenameReq) *fop.Req { return &q.Req }}
	Stat = Fop[fop.StatReq, fop.StatReply]{OpStat, codec(statTo, statFrom), statReplies,
		func(q *fop.StatReq) *fop.Req { return &q.Req }}
	Setattr = Fop[fop.SetattrReq, fop.InodeReply]{OpSetattr, codec(setattrTo, setattrFrom), inodeReplies,
		func(q *fop.SetattrReq) *fop.Req { return &q.Req }}
	Truncate = Fop[fop.TruncateReq, fop.InodeReply]{OpTruncate, codec(truncateTo, truncateFrom), inodeReplies,
		func(q *fop.TruncateReq) *fop.Req { return &q.Req }}
	Readlink = Fop[fop.ReadlinkReq, fop.ReadlinkReply]{OpReadlink, codec(readlinkTo, readlinkFrom), codec(readlinkReplyTo, readlinkReplyFrom),
		func(q *fop.ReadlinkReq) *fop.Req { return &q.Req }}
	Statfs = Fop[fop.StatfsReq, fop.StatfsReply]{OpStatfs, codec(statfsTo, statfsFrom), codec(statfsReplyTo, statfsReplyFrom),
		func(q *fop.StatfsReq) *fop.Req { return &q.Req }}
	Getxattr = Fop[fop.GetxattrReq, fop.GetxattrReply]{OpGetxattr, codec(getxattrTo, getxattrFrom), codec(getxattrReplyTo, getxattrReplyFrom),
		func(q *fop.GetxattrReq) *fop.Req { return &q.Req }}
	Setxattr = Fop[fop.SetxattrReq, fop.InodeReply]{OpSetxattr, codec(setxattrTo, setxattrFrom), inodeReplies,
		func(q *fop.SetxattrReq) *fop.Req { return &q.Req }}
	Removexattr = Fop[fop.RemovexattrReq, fop.InodeReply]{OpRemovexattr, codec(removexattrTo, removexattrFrom), inodeReplies,
		func(q *fop.RemovexattrReq) *fop.Req { return &q.Req }}
	Open = Fop[fop.OpenReq, OpenReply]{OpOpen, codec(openTo, openFrom), codec(openReplyTo, openReplyFrom),
		func(q *fop.OpenReq) *fop.Req { return &q.Req }}
	Opendir = Fop[fop.OpendirReq, DirReply]{OpOpendir, codec(opendirTo, opendirFrom), codec(dirReplyTo, dirReplyFrom),
		func(q *fop.OpendirReq) *fop.Req { return &q.Req }}
	Xattrop = Fop[fop.XattropReq, fop.XattropReply]{OpXattrop, codec(xattropTo, xattropFrom), codec(xattropReplyTo, xattropReplyFrom),
		func(q *fop.XattropReq) *fop.Req { return &q.Req }}
	Inodelk = Fop[fop.InodelkReq, fop.LockReply]{OpInodelk, codec(inodelkTo, inodelkFrom), codec(lockReplyTo, lockReplyFrom),
		func(q *fop.InodelkReq) *fop.Req { return &q.Req }}
	Entrylk = Fop[fop.EntrylkReq, fop.LockReply]{OpEntrylk, codec(entrylkTo, entrylkFrom), codec(lockReplyTo, lockReplyFrom),
		func(q *fop.EntrylkReq) *fop.Req { return &q.Req }}
	Release = Fop[fop.ReleaseReq, fop.ReleaseReply]{OpRelease, codec(releaseTo, releaseFrom), codec(releaseReplyTo, releaseReplyFrom),
		func(q *fop.ReleaseReq) *fop.Req { return &q.Req }}
	Forget = Fop[fop.ForgetReq, fop.Empty]{OpForget, codec(forgetTo, forgetFrom), codec(emptyTo, emptyFrom),
		func(q *fop.ForgetReq) *fop.Req { return &q.Req }}

	Batch = Fop[BatchReq, BatchReply]{OpBatch, codec(batchTo, batchFrom), codec(batchReplyTo, batchReplyFrom),
		func(q *BatchReq) *fop.Req { return &q.Req }}

	Readv = Fop[ReadvArgs, fop.ReadvReply]{OpReadv, codec(readvTo, readvFrom), codec(readvReplyTo, readvReplyFrom),
		func(q *ReadvArgs) *fop.Req { return &q.Req }}
	Writev = Fop[fop.WritevReq, fop.WritevReply]{OpWritev, codec(writevTo, writevFrom), codec(writevReplyTo, writevReplyFrom),
		func(q *fop.WritevReq) *fop.Req { return &q.Req }}
	Fsync = Fop[fop.FsyncReq, fop.InodeReply]{OpFsync, codec(fsyncTo, fsyncFrom), inodeReplies,
		func(q *fop.FsyncReq) *fop.Req { return &q.Req }}
	Flush = Fop[fop.FlushReq, fop.Empty]{OpFlush, codec(flushTo, flushFrom), codec(emptyTo, emptyFrom),
		func(q *fop.FlushReq) *fop.Req { return &q.Req }}
	Fallocate = Fop[fop.FallocateReq, fop.InodeReply]{OpFallocate, codec(fallocateTo, fallocateFrom), inodeReplies,
		func(q *fop.FallocateReq) *fop.Req { return &q.Req }}
	Seek = Fop[fop.SeekReq, fop.SeekReply]{OpSeek, codec(seekTo, seekFrom), codec(seekReplyTo, seekReplyFrom),
		func(q *fop.SeekReq) *fop.Req { return &q.Req }}
	Lk = Fop[fop.LkReq, fop.LkReply]{OpLk, codec(lkTo, lkFrom), codec(lkReplyTo, lkReplyFrom),
		func(q *fop.LkReq) *fop.Req { return &q.Req }}
	CopyFileRange = Fop[CopyRangeArgs, fop.CopyRangeReply]{OpCopyFileRange, codec(copyRangeTo, copyRangeFrom), codec(copyRangeReplyTo, copyRangeReplyFrom),
		func(q *CopyRangeArgs) *fop.Req { return &q.Req }}
	Rchecksum = Fop[fop.RchecksumReq, fop.RchecksumReply]{OpRchecksum, codec(rchecksumTo, rchecksumFrom), codec(rchecksumReplyTo, rchecksumReplyFrom),
		func(q *fop.RchecksumReq) *fop.Req { return &q.Req }}
	Readdirp = Fop[fop.ReaddirpReq, fop.ReaddirpReply]{OpReaddirp, codec(readdirpTo, readdirpFrom), codec(readdirpReplyTo, readdirpReplyFrom),
		func(q *fop.ReaddirpReq) *fop.Req { return &q.Req }}
	Fsyncdir = Fop[fop.FsyncReq, fop.Empty]{OpFsyncdir, codec(fsyncTo, fsyncFrom), codec(emptyTo, emptyFrom),
		func(q *fop.FsyncReq) *fop.Req { return &q.Req }}
)
