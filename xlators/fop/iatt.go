package fop

import (
	"syscall"
	"time"
)

// FileType is the kind of an inode, numbered as in a directory entry (DT_*).
type FileType uint8

const (
	TypeUnknown FileType = 0
	TypeFifo    FileType = syscall.DT_FIFO
	TypeChr     FileType = syscall.DT_CHR
	TypeDir     FileType = syscall.DT_DIR
	TypeBlk     FileType = syscall.DT_BLK
	TypeReg     FileType = syscall.DT_REG
	TypeLink    FileType = syscall.DT_LNK
	TypeSock    FileType = syscall.DT_SOCK
)

// TypeOfMode returns the type in the S_IFMT bits of a stat mode.
func TypeOfMode(mode uint32) FileType { return FileType(mode >> 12 & 0xf) }

// ModeBits returns the S_IFMT bits of t.
func (t FileType) ModeBits() uint32 { return uint32(t) << 12 }

// Time is a point in time as a brick stores it.
type Time struct {
	Sec  int64
	Nsec uint32
}

// TimeOf converts t.
func TimeOf(t time.Time) Time { return Time{t.Unix(), uint32(t.Nanosecond())} }

// Before reports whether t lies before u.
func (t Time) Before(u Time) bool {
	return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec
}

// Later returns the later of t and u.
func (t Time) Later(u Time) Time {
	if t.Before(u) {
		return u
	}
	return t
}

// IsZero reports whether t was never set.
func (t Time) IsZero() bool { return t == Time{} }

// IattFlags says more about an inode than stat(2) does.
type IattFlags uint8

const (
	// IattNoXattrs: when the reply was made the inode had no xattr that a client may
	// see (user.*, security.*, system.posix_acl_*, foreign trusted.*). It lets the
	// mount answer getxattr without asking.
	IattNoXattrs IattFlags = 1 << iota
)

// Iatt is what is known about an inode: stat(2) plus GFID.
// The zero Iatt (Type TypeUnknown) means "not known".
type Iatt struct {
	GFID    GFID
	Type    FileType
	Flags   IattFlags
	Mode    uint32 // permission bits, 07777
	Nlink   uint32 // as the user sees it: without the handle's link
	UID     uint32
	GID     uint32
	Rdev    uint64 // as in struct stat
	Size    uint64
	Blksize uint32
	Blocks  uint64 // of 512 bytes
	Atime   Time
	Mtime   Time
	Ctime   Time
}

// Known reports whether a holds anything.
func (a *Iatt) Known() bool { return a.Type != TypeUnknown }

// IsDir reports whether a is a directory.
func (a *Iatt) IsDir() bool { return a.Type == TypeDir }

// StMode returns the mode as in struct stat: type and permission bits.
func (a *Iatt) StMode() uint32 { return a.Type.ModeBits() | a.Mode&07777 }
