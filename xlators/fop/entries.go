package fop

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
	// NotLast: remove it only if the inode has other names here; EBUSY otherwise.
	NotLast bool
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
