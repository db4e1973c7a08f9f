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

// Empty answers the fops that return nothing but an error.
type Empty struct{}
