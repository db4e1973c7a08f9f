package fop

// Fop names a file operation, for counters and fault rules.
type Fop uint8

const (
	OpNone Fop = iota
	OpLookup
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
	OpReadv
	OpWritev
	OpFsync
	OpFlush
	OpFallocate
	OpSeek
	OpLk
	OpRchecksum
	OpCopyFileRange
	OpReaddirp
	OpFsyncdir
	// OpCount is the number of Fop values.
	OpCount
)

var fopNames = [OpCount]string{
	OpNone:          "NULL",
	OpLookup:        "LOOKUP",
	OpCreate:        "CREATE",
	OpMkdir:         "MKDIR",
	OpMknod:         "MKNOD",
	OpSymlink:       "SYMLINK",
	OpLink:          "LINK",
	OpUnlink:        "UNLINK",
	OpRmdir:         "RMDIR",
	OpRename:        "RENAME",
	OpStat:          "STAT",
	OpSetattr:       "SETATTR",
	OpTruncate:      "TRUNCATE",
	OpReadlink:      "READLINK",
	OpStatfs:        "STATFS",
	OpGetxattr:      "GETXATTR",
	OpSetxattr:      "SETXATTR",
	OpRemovexattr:   "REMOVEXATTR",
	OpOpen:          "OPEN",
	OpOpendir:       "OPENDIR",
	OpXattrop:       "XATTROP",
	OpInodelk:       "INODELK",
	OpEntrylk:       "ENTRYLK",
	OpRelease:       "RELEASE",
	OpReadv:         "READ",
	OpWritev:        "WRITE",
	OpFsync:         "FSYNC",
	OpFlush:         "FLUSH",
	OpFallocate:     "FALLOCATE",
	OpSeek:          "SEEK",
	OpLk:            "LK",
	OpRchecksum:     "RCHECKSUM",
	OpCopyFileRange: "COPYFILERANGE",
	OpReaddirp:      "READDIRP",
	OpFsyncdir:      "FSYNCDIR",
}

// String returns the name as GlusterFS's profile output writes it.
func (f Fop) String() string {
	if f < OpCount {
		return fopNames[f]
	}
	return "?"
}
