package fop

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

// AtWorkXattr is a virtual xattr of a brick's root (internal): "1" if programs are at work on
// the brick, or were a moment ago, else "0". The bricks' protocol/server answers it.
const AtWorkXattr = "glusterfs.gofs-at-work"

// PendingCountXattr is a virtual xattr of a brick's root (internal): how many inodes
// this brick knows some other brick to have missed changes of, in decimal.
const PendingCountXattr = "glusterfs.xattrop-pending-count"

// AccusedXattr is a virtual xattr of a brick's root (internal): the keys of the bricks that this
// brick knows to have missed changes of some inode, with commas between them; AccusedAny if it
// does not know which.
const (
	AccusedXattr = "glusterfs.gofs-accused"
	AccusedAny   = "*"
)

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
