package fop

// Caller is on whose behalf a fop is done. The brick creates objects with the
// caller's ownership and stamps them with the caller's clock, so that all replicas
// store the same.
type Caller struct {
	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary groups
	PID    int32    // negative: an internal actor (self-heal, rebalance)
	// Time is the client's clock when the fop was made; it becomes ctime/mtime/atime
	// in trusted.glusterfs.mdata. Zero: the brick's own clock.
	Time Time
	// Client names the connection the fop came over; set by protocol/server, 0
	// elsewhere. Lock ownership is (Client, LkOwner).
	Client uint64
}

// LkOwner is the owner of a lock within one client: the kernel's lock_owner for a
// program's locks, a number of its own choosing for a translator's.
type LkOwner uint64

// Req is embedded in every request.
type Req struct {
	// Caller is never nil above posix; several requests may share one.
	Caller *Caller
	// Session, when not 0, is the LockReply.Session of a lock under which this
	// request is made: it must travel over that very connection, and fails with
	// ENOTCONN once that connection is gone, because the lock went with it.
	Session uint64
}

// Header returns what all requests begin with, to be changed in a copy of one.
func (q *Req) Header() *Req { return q }

// Xattr is one extended attribute, or one key of an xattrop with its delta.
type Xattr struct {
	Name  string
	Value []byte
}

// XattrOf returns the value of name in xs, and whether it is there.
func XattrOf(xs []Xattr, name string) ([]byte, bool) {
	for i := range xs {
		if xs[i].Name == name {
			return xs[i].Value, true
		}
	}
	return nil, false
}

// Lock asks that a new inode be created with an exclusive whole-file inodelk
// already granted; nobody else can know the inode yet, so this always succeeds.
type Lock struct {
	Domain string
	Owner  LkOwner
}

// LookupReq resolves a name in a directory, or a GFID alone (Name == "").
//
// Errors: ENOENT no such name; ESTALE no such GFID (or parent GFID);
// ENAMETOOLONG; ENOTDIR; EIO the name has no valid GFID.
type LookupReq struct {
	Req
	Parent GFID   // when Name is not empty
	Name   string // a base name; never "", ".", ".." with a Parent
	GFID   GFID   // when Name is empty
	// Want names xattrs to return if they exist. Internal names (trusted.afr.*,
	// trusted.glusterfs.dht*) are allowed here and nowhere else but in Getxattr.
	Want []string
	// Content asks for all content of a regular file of at most so many bytes.
	Content uint32
}

// LookupReply answers Lookup.
type LookupReply struct {
	Iatt   Iatt
	Parent Iatt // of the parent directory; unknown for a lookup by GFID
	Xattrs []Xattr
	// Content is what the request asked for, if HasContent: not where the file is larger, or
	// the brick keeps no data.
	Content    []byte
	HasContent bool
}

// CreateReq makes a regular file and opens it (O_CREAT; with O_EXCL semantics
// always: an existing name is EEXIST, and the layers above open that instead).
type CreateReq struct {
	Req
	Parent GFID
	Name   string
	GFID   GFID   // of the new inode
	Mode   uint32 // permission bits, before umask
	Umask  uint32 // ignored where the parent has a default ACL
	Flags  uint32 // open(2) flags
	Xattrs []Xattr
	// Lock and Mark are the promise that follows a creation: the new inode's
	// exclusive lock is held by the creator, and Mark (counters as in XattropReq with
	// XattropAdd32) is set on it, before its name can be seen.
	Lock *Lock
	Mark []Xattr
}

// MkdirReq makes a directory. EEXIST if the name exists.
type MkdirReq struct {
	Req
	Parent GFID
	Name   string
	GFID   GFID
	Mode   uint32
	Umask  uint32
	Xattrs []Xattr // e.g. trusted.glusterfs.dht
	Mark   []Xattr
}

// MknodReq makes a regular file, fifo, socket or device. If an inode with this GFID
// exists on the brick already, the name becomes another link of it (but see Copy).
type MknodReq struct {
	Req
	Parent GFID
	Name   string
	GFID   GFID
	Type   FileType
	Mode   uint32
	Umask  uint32
	Rdev   uint64
	Xattrs []Xattr
	Mark   []Xattr
	// Copy makes a new inode exactly what it is elsewhere, before its name can be seen: the
	// caller's UID and GID and Mode are not changed by what the directory hands down, and
	// content and times are these. EEXIST if the inode exists.
	Copy *Copy
}

// Copy is what a healer knows of a regular file besides its attributes.
type Copy struct {
	Content             []byte // all of it
	Atime, Mtime, Ctime Time
}

// SymlinkReq makes a symbolic link to Target.
type SymlinkReq struct {
	Req
	Parent GFID
	Name   string
	GFID   GFID
	Target string
	Xattrs []Xattr
	Mark   []Xattr
}

// LinkReq gives the inode GFID another name.
type LinkReq struct {
	Req
	GFID   GFID
	Parent GFID // of the new name
	Name   string
}

// EntryReply answers Create (embedded), Mkdir, Mknod, Symlink and Link.
type EntryReply struct {
	Iatt    Iatt
	PreDir  Iatt // the parent before
	PostDir Iatt // the parent after
	Session uint64
}

// UnlinkReq removes a name that is not a directory (EISDIR otherwise).
type UnlinkReq struct {
	Req
	Parent GFID
	Name   string
	// GFID, when not zero, is what the name must refer to; ESTALE otherwise.
	GFID GFID
	// OnlyLinkto: remove it only if it still is a DHT linkto file; EBUSY otherwise.
	OnlyLinkto bool
}

// RmdirReq removes an empty directory (ENOTEMPTY otherwise).
type RmdirReq struct {
	Req
	Parent GFID
	Name   string
	GFID   GFID
}

// RemoveReply answers Unlink and Rmdir.
type RemoveReply struct {
	Iatt    Iatt // of the removed object afterwards (Nlink 0: it is gone)
	PreDir  Iatt
	PostDir Iatt
}

// Rename flags, as in renameat2(2).
const (
	RenameNoReplace uint32 = 1
	RenameExchange  uint32 = 2
)

// RenameReq renames an entry; an existing target of the same kind is replaced.
type RenameReq struct {
	Req
	OldParent GFID
	OldName   string
	NewParent GFID
	NewName   string
	Flags     uint32 // 0, RenameNoReplace or RenameExchange
}

// RenameReply answers Rename.
type RenameReply struct {
	Iatt       Iatt // of the renamed object
	PreOldDir  Iatt
	PostOldDir Iatt
	PreNewDir  Iatt
	PostNewDir Iatt
	Replaced   Iatt // of the object that lost its name, if any (Nlink 0: it is gone)
}

// StatReq asks for the attributes of an inode, open-but-unlinked ones included.
type StatReq struct {
	Req
	GFID GFID
}

// StatReply answers Stat.
type StatReply struct{ Iatt Iatt }

// SetattrValid says which fields of SetattrReq count.
type SetattrValid uint32

const (
	SetMode SetattrValid = 1 << iota
	SetUID
	SetGID
	SetAtime
	SetMtime
	SetCtime // heal only
)

// SetattrReq changes mode, owner or times. Atime and Mtime are explicit values; "now"
// was resolved by the client. (Size: Truncate.)
type SetattrReq struct {
	Req
	GFID  GFID
	Valid SetattrValid
	Mode  uint32
	UID   uint32
	GID   uint32
	Atime Time
	Mtime Time
	Ctime Time
}

// TruncateReq sets the size of a regular file.
type TruncateReq struct {
	Req
	GFID GFID
	Size uint64
}

// InodeReply answers the fops that change one inode: Setattr, Truncate, Setxattr,
// Removexattr, Writev, Fallocate, Fsync.
type InodeReply struct {
	Pre  Iatt
	Post Iatt
}

// ReadlinkReq reads a symbolic link.
type ReadlinkReq struct {
	Req
	GFID GFID
}

// ReadlinkReply answers Readlink.
type ReadlinkReply struct {
	Target string
	Iatt   Iatt
}

// StatfsReq asks for the room in the filesystem.
type StatfsReq struct {
	Req
	GFID GFID
}

// StatfsReply is struct statvfs. Blocks are in units of Frsize.
type StatfsReply struct {
	Bsize, Frsize         uint64
	Blocks, Bfree, Bavail uint64
	Files, Ffree, Favail  uint64
	Namemax               uint64
}

// GetxattrReq reads one xattr, or all with their values (Name == "").
// Errors: ENODATA; ERANGE never (the bridge checks sizes).
type GetxattrReq struct {
	Req
	GFID GFID
	Name string
	// Internal allows names that are hidden from users (see disk-format 7.7).
	Internal bool
}

// HealthXattr is a virtual xattr of a brick's root (internal): reading it succeeds when the
// disk takes a write.
const HealthXattr = "glusterfs.gofs-health"

// PendingCountXattr is a virtual xattr of a brick's root (internal): how many inodes
// this brick knows some other brick to have missed changes of, in decimal.
const PendingCountXattr = "glusterfs.xattrop-pending-count"

// GetxattrReply answers Getxattr.
type GetxattrReply struct{ Xattrs []Xattr }

// SetxattrReq sets xattrs. Flags: 0, XATTR_CREATE or XATTR_REPLACE.
type SetxattrReq struct {
	Req
	GFID     GFID
	Xattrs   []Xattr
	Flags    uint32
	Internal bool
}

// RemovexattrReq removes xattrs by name; ENODATA if one is missing.
type RemovexattrReq struct {
	Req
	GFID     GFID
	Names    []string
	Internal bool
}

// OpenReq opens a regular file. Flags are open(2)'s without O_CREAT and O_EXCL.
type OpenReq struct {
	Req
	GFID  GFID
	Flags uint32
	// Want as in LookupReq: opening answers with attributes and marks.
	Want []string
	// Content asks for the first bytes of the file, at most so many, in the reply.
	Content uint32
}

// OpenAnswer is the part of xlator.OpenReply that is not the File.
type OpenAnswer struct {
	Iatt   Iatt
	Xattrs []Xattr
	// Content is the beginning of the file as OpenReq.Content asked for; if it is
	// shorter than asked for, the file ends there. nil: not given.
	Content []byte
}

// OpendirReq opens a directory.
type OpendirReq struct {
	Req
	GFID GFID
}

// ReadvReq reads into Buf at Off. The callee does not touch Buf after returning.
type ReadvReq struct {
	Req
	Off int64
	Buf []byte
}

// ReadvReply answers Readv. N < len(Buf) only at the end of the file.
type ReadvReply struct {
	N    int
	Iatt Iatt
}

// WritevReq writes Data at Off (O_APPEND: at the end, whatever Off says).
type WritevReq struct {
	Req
	Off  int64
	Data []byte // valid only until Writev returns; a layer that keeps it copies it
	// Flags: O_SYNC/O_DSYNC for this write, beyond what the file was opened with; and
	// WriteInPlace.
	Flags uint32
}

// WriteInPlace in WritevReq.Flags: at Off even though the file is open with O_APPEND.
// These are pages of a mapping, which the kernel writes through any open file it has.
const WriteInPlace = 1 << 31

// WritevReply answers Writev.
type WritevReply struct {
	N    int
	Pre  Iatt
	Post Iatt
}

// FsyncReq makes a file or directory durable.
type FsyncReq struct {
	Req
	Datasync bool
}

// FlushReq is sent on every close(2): it drops the POSIX locks of Owner.
type FlushReq struct {
	Req
	Owner LkOwner
}

// FallocateReq is fallocate(2) with its Mode flags (keep size, punch hole, zero
// range; collapse and insert are EOPNOTSUPP).
type FallocateReq struct {
	Req
	Mode uint32
	Off  int64
	Len  int64
}

// SeekReq is lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). ENXIO beyond the end.
type SeekReq struct {
	Req
	Off    int64
	Whence int
}

// SeekReply answers Seek.
type SeekReply struct{ Off int64 }

// CopyRangeReq copies Len bytes from the file it is called on to the inode Dst.
type CopyRangeReq struct {
	Req
	Off    int64
	DstOff int64
	Len    int64
}

// CopyRangeReply answers CopyFileRange; N may be short.
type CopyRangeReply struct {
	N    int64
	Pre  Iatt // of the destination
	Post Iatt
}

// RchecksumReq asks for checksums of a range.
type RchecksumReq struct {
	Req
	Off int64
	Len int64
	// Block, if not 0, asks for the checksum of each block of so many bytes from Off on.
	Block int64
}

// MaxChecksums bounds the blocks in one request.
const MaxChecksums = 4096

// RchecksumReply answers Rchecksum.
type RchecksumReply struct {
	N    int64 // bytes that were there
	Zero bool  // they are all zero
	// SHA256 is of these bytes or, if there are blocks, of their checksums.
	SHA256 [32]byte
	Blocks []byte // 32 bytes for each block; the last may be short
}

// LkCmd is what a POSIX lock request wants.
type LkCmd uint8

const (
	LkGet  LkCmd = iota + 1 // F_GETLK
	LkSet                   // F_SETLK
	LkWait                  // F_SETLKW
)

// LkType is the kind of a lock.
type LkType uint8

const (
	LkRead LkType = iota + 1
	LkWrite
	LkUnlock
)

// LkReq is fcntl(2)/flock(2) locking. EAGAIN: conflict (LkSet).
type LkReq struct {
	Req
	Cmd   LkCmd
	Type  LkType
	Owner LkOwner
	PID   uint32
	Start uint64
	End   uint64 // inclusive; MaxInt64 and above: to the end of the file, for ever
	Flock bool   // a flock(2) lock: independent of POSIX locks
}

// LkReply answers Lk: for LkGet the conflicting lock, or Type LkUnlock.
type LkReply struct {
	Type  LkType
	PID   uint32
	Start uint64
	End   uint64
}

// Dirent is a directory entry with what an ls -l asks for.
type Dirent struct {
	Name string
	// Off continues the listing after this entry. Opaque, never 0, stable while the
	// entry exists.
	Off  uint64
	Iatt Iatt // GFID and Type are always set; the rest if Nlink is not 0
	// Xattrs are those of Want that exist.
	Xattrs []Xattr
}

// ReaddirpReq lists a directory from Off (0: the beginning). "." and ".." are not
// listed.
type ReaddirpReq struct {
	Req
	Off  uint64
	Size int  // about so many bytes of names and attributes in the reply
	Plus bool // with attributes
	Want []string
}

// ReaddirpReply answers Readdirp. EOF: nothing follows the last entry.
type ReaddirpReply struct {
	Entries []Dirent
	EOF     bool
}

// XattropOp is how an xattrop combines stored and given arrays.
type XattropOp uint8

const (
	XattropAdd32 XattropOp = iota + 1 // arrays of BE32, added with wrap-around
	XattropAdd64                      // arrays of BE64
	XattropSet                        // get and set
)

// XattropReq changes counters in xattrs atomically (against other xattrops of the
// inode) and returns the new values. A missing xattr counts as zeros; a zero delta
// of a missing xattr reads zeros and stores nothing.
type XattropReq struct {
	Req
	GFID   GFID
	Op     XattropOp
	Deltas []Xattr
	// EntryCreate and EntryDelete are names for the granular entry index of this
	// directory (indices/entry-changes): added before, removed after the counters
	// change.
	EntryCreate []string
	EntryDelete []string
}

// XattropReply holds the new values, in the order of the request.
type XattropReply struct{ Values []Xattr }

// LockCmd is what an internal lock request wants.
type LockCmd uint8

const (
	LockTry    LockCmd = iota + 1 // EAGAIN on conflict
	LockWait                      // queue until granted
	LockUnlock                    // EINVAL if not held exactly so
)

// InodelkReq locks a byte range of an inode in a domain: an internal lock between
// clients, which programs never see. Len 0: to infinity.
type InodelkReq struct {
	Req
	GFID   GFID
	Domain string
	Owner  LkOwner
	Cmd    LockCmd
	Type   LkType // LkRead or LkWrite
	Start  int64
	Len    int64
	// Mark (XattropAdd32 deltas) is applied as the lock is granted, before the answer.
	Mark []Xattr
	// Want names xattrs to return with the grant, after Mark.
	Want []string
}

// EntrylkReq locks names in a directory in a domain. Name "": all names.
type EntrylkReq struct {
	Req
	GFID   GFID // of the directory
	Domain string
	Owner  LkOwner
	Cmd    LockCmd
	Name   string
	Mark   []Xattr
	Want   []string
}

// LockReply answers a granted Inodelk or Entrylk.
type LockReply struct {
	// Session of the connection that holds the lock; see Req.Session.
	Session uint64
	// Contended: somebody else was waiting or refused for this lock lately.
	Contended bool
	Iatt      Iatt
	Xattrs    []Xattr
}

// ReleaseItem is one lock to give up, with the marks to undo first.
type ReleaseItem struct {
	GFID   GFID
	Domain string
	Owner  LkOwner
	Entry  bool   // an entrylk on Name, else an inodelk 0..infinity
	Name   string // "" all names
	// NoUnlock: only undo the marks, keep the lock.
	NoUnlock bool
	Undo     []Xattr // XattropAdd32 deltas, negative ones usually
	// EntryDelete as in XattropReq.
	EntryDelete []string
}

// ReleaseReq ends many locks in one message: first what was changed under them is
// made durable (Sync), then their marks are undone, then they are unlocked.
type ReleaseReq struct {
	Req
	Sync  bool
	Items []ReleaseItem
}

// ReleaseReply answers Release: one errno per item, 0 for done. If the brick could
// not make its data durable, the whole Release fails and no mark is undone, but the
// locks are released all the same.
type ReleaseReply struct{ Errnos []uint32 }

// ForgetReq says that the client no longer knows these inodes; caches about them may go.
type ForgetReq struct {
	Req
	GFIDs []GFID
}

// DisconnectReq says that a client is gone: its locks and open files go too.
type DisconnectReq struct {
	Req
	Client uint64
}

// Empty answers the fops that return nothing but an error.
type Empty struct{}
