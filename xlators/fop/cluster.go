package fop

import "encoding/binary"

// XattropOp is how an xattrop combines stored and given arrays.
type XattropOp uint8

const (
	XattropAdd32 XattropOp = iota + 1 // arrays of BE32, see Sum32
	XattropAdd64                      // arrays of BE64
	XattropSet                        // get and set
)

// Sum32 returns old, which may be nil, and delta added. A mark must not be lost: what is
// added beyond 2^32-1 stops there, and what has another length than delta is no counter and
// stays as it is. Deltas from 2^31 on are negative, and take away with wrap-around, so that
// one delta takes away 2^31 at most.
func Sum32(old, delta []byte) []byte {
	if old != nil && len(old) != len(delta) {
		return append([]byte{}, old...)
	}
	sum := make([]byte, len(delta))
	copy(sum, old)
	for i := 0; i+4 <= len(delta); i += 4 {
		a, d := binary.BigEndian.Uint32(sum[i:]), binary.BigEndian.Uint32(delta[i:])
		if v := a + d; d < 1<<31 && v < a {
			binary.BigEndian.PutUint32(sum[i:], 1<<32-1)
		} else {
			binary.BigEndian.PutUint32(sum[i:], v)
		}
	}
	return sum
}

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
	// Covers are the counters of data that were added under the lock against other bricks, by
	// their pending keys, and Missed is where data was changed under it: for these counters, the
	// bricks missed no more than that (package missed). Missed without Covers widens what is
	// known.
	Covers []Xattr
	Missed []Span
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
