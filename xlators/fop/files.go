package fop

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
	Off uint64
	// Iatt has GFID and Type always, the rest if Nlink is not 0. GFID zero: there is such a name,
	// but the brick cannot tell of which inode (EIO for who looks it up).
	Iatt Iatt
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
