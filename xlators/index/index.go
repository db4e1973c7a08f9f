// Package index keeps lists, on the brick, of the inodes that may need healing.
//
// An inode with a non-zero xattr that begins with xattrop-pending-watchlist has a link
// indices/xattrop/<gfid>; one with a non-zero xattrop-dirty-watchlist has
// indices/dirty/<gfid>; names that a brick missed in a directory are
// indices/entry-changes/<gfid of the directory>/<name>. All are hard links to an empty
// base file, so that adding one costs one link(2).
//
// Protocol: a link is added before the xattrs change and removed after they were seen to
// be all zero. A crash in between leaves a link too many, never one too few.
//
// Intercepts: Xattrop; Getxattr of fop.PendingCountXattr and fop.AccusedXattr; Opendir of the lists (fop.IndexPending and its like); Create, Mkdir, Mknod and Symlink with a Mark; Release, which is
// taken apart: the child makes durable, then each item's marks go by Xattrop.
//
// Invariants: while a change to a watched xattr is under way, its link is there and
// nobody removes it. When several changes of one inode overlapped, nobody knows which
// came last, so the last to return reads the values anew before it removes a link.
//
// Lock order: set.mu only; it is not held across a call to the child.
//
// Volfile:
//
//	volume v-index
//	    type features/index
//	    option index-base /bricks/b1/.glusterfs/indices
//	    option xattrop-pending-watchlist trusted.afr.v-
//	    option xattrop-dirty-watchlist trusted.afr.dirty
//	    subvolumes v-posix
//	end-volume
package index

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.Xlator = (*Index)(nil)

// Set names one of the lists of inodes.
type Set int

const (
	// Pending: some brick is known to have missed a change.
	Pending Set = iota
	// Dirty: a change is under way, or its client died.
	Dirty
	sets
)

// Index is the translator. Its methods beyond xlator.Xlator are for the healer.
type Index struct {
	xlator.Pass
	log     *slog.Logger
	sets    [sets]*linkSet
	entries *entrySet
}

// New makes an index over one subvolume. Without a watchlist nothing is listed there.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("features/index %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	base := opts.Str("index-base", "")
	if !filepath.IsAbs(base) {
		return nil, fmt.Errorf("features/index %s: option index-base %q is not an absolute path", env.Name, base)
	}
	x := &Index{Pass: xlator.Pass{Child: subvols[0]}, log: env.Log}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	if err := x.open(base, opts); err != nil {
		x.closeFds()
		return nil, fmt.Errorf("features/index %s: %w", env.Name, err)
	}
	return x, nil
}

func (x *Index) open(base string, opts xlator.Options) error {
	uuid := fop.NewGFID().String() // one per process, as GlusterFS
	if err := makeDir(base); err != nil {
		return err
	}
	var err error
	for i, s := range [sets]struct{ dir, option string }{
		{"xattrop", "xattrop-pending-watchlist"}, {"dirty", "xattrop-dirty-watchlist"},
	} {
		if x.sets[i], err = newLinkSet(base, s.dir, uuid, opts.Str(s.option, "")); err != nil {
			return err
		}
	}
	x.entries, err = newEntrySet(base, uuid)
	return err
}

func makeDir(path string) error {
	if err := unix.Mkdir(path, 0600); err != nil && err != unix.EEXIST {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return nil
}

// Close implements xlator.Xlator.
func (x *Index) Close() error {
	err := x.Child.Close()
	x.closeFds()
	return err
}

func (x *Index) closeFds() {
	for _, s := range x.sets {
		if s != nil {
			unix.Close(s.base.dir)
		}
	}
	if x.entries != nil {
		unix.Close(x.entries.base.dir)
	}
}

// Xattrop implements xlator.Cluster.
func (x *Index) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	began, err := x.begin(q.GFID, q.Deltas)
	if err != nil {
		return nil, err
	}
	if err := x.record(ctx, q); err != nil {
		x.end(ctx, began, q, nil)
		return nil, err
	}
	r, err := x.Child.Xattrop(ctx, q)
	if fop.IsGone(err) {
		// The inode went while it was marked; nobody will come to unmark it.
		x.abandon(began, q.GFID)
		if err := x.Purge(q.GFID); err != nil {
			x.log.Warn("an inode that is gone stays in the index", "gfid", q.GFID, "error", err)
		}
		return nil, err
	}
	if err != nil {
		x.end(ctx, began, q, nil) // perhaps it happened
		return nil, err
	}
	x.end(ctx, began, q, r.Values)
	if err := x.entries.remove(q.GFID, q.EntryDelete); err != nil {
		x.log.Warn("names stay in the index although they are healed", "gfid", q.GFID, "error", err)
	}
	return r, nil
}

// counterSize is the length of a watched xattr, and entryCounter where one counts changes of
// names (disk-format 3.1).
const (
	counterSize  = 12
	entryCounter = 8
)

// record adds the names of q to the list of its directory. No list is begun where names
// were missed already without one, as GlusterFS does with granular-entry-heal off: it
// would lack those, and a healer takes a list for whole.
func (x *Index) record(ctx context.Context, q *fop.XattropReq) error {
	if len(q.EntryCreate) == 0 {
		return nil
	}
	if !x.entries.has(q.GFID) {
		r, err := x.Child.Getxattr(ctx, &fop.GetxattrReq{Req: q.Req, GFID: q.GFID, Internal: true})
		if fop.IsGone(err) {
			return nil // as the child will say
		}
		if err != nil {
			return err
		}
		for _, a := range r.Xattrs {
			if watched(a.Name, x.sets[Pending].prefix) && (len(a.Value) != counterSize || !zero(a.Value[entryCounter:])) {
				return nil
			}
		}
	}
	return x.entries.add(q.GFID, q.EntryCreate)
}

// begin adds the links that a change of these xattrs may need, and forbids their removal
// until end. An error leaves nothing begun.
func (x *Index) begin(g fop.GFID, deltas []fop.Xattr) (began [sets]bool, err error) {
	for i, s := range x.sets {
		if !s.touches(deltas) {
			continue
		}
		if err := s.begin(g, deltas); err != nil {
			for j := range i {
				if began[j] {
					x.sets[j].end(g, verdict{})
				}
			}
			return began, err
		}
		began[i] = true
	}
	return began, nil
}

// end removes links that are not needed any more. values are what the xattrs are now;
// nil: not known.
func (x *Index) end(ctx context.Context, began [sets]bool, q *fop.XattropReq, values []fop.Xattr) {
	for i, s := range x.sets {
		if began[i] {
			s.end(q.GFID, verdict{
				zero:   values != nil && s.zeros(values),
				all:    Set(i) == Dirty, // of pending keys there is one per brick, and q need not name all
				values: values,
				read:   func() (bool, error) { return x.allZero(ctx, q, s) },
			})
		}
	}
}

// allZero asks the child whether all watched xattrs of q's inode are zero.
func (x *Index) allZero(ctx context.Context, q *fop.XattropReq, s *linkSet) (bool, error) {
	r, err := x.Child.Getxattr(ctx, &fop.GetxattrReq{Req: q.Req, GFID: q.GFID, Internal: true})
	if err != nil {
		return false, err
	}
	return s.zeros(r.Xattrs), nil
}

// Getxattr answers fop.PendingCountXattr and fop.AccusedXattr of the root.
func (x *Index) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	var v string
	switch {
	case q.Internal && q.Name == fop.PendingCountXattr:
		v = strconv.Itoa(x.sets[Pending].count())
	case q.Internal && q.Name == fop.AccusedXattr:
		v = x.sets[Pending].whom()
	default:
		return x.Child.Getxattr(ctx, q)
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(v)}}}, nil
}

// Release implements xlator.Cluster.
func (x *Index) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	if q.Sync {
		sync := *q
		sync.Items = make([]fop.ReleaseItem, len(q.Items))
		for i, it := range q.Items {
			it.Undo, it.EntryDelete = nil, nil
			sync.Items[i] = it
		}
		if _, err := x.Child.Release(ctx, &sync); err != nil {
			return nil, err
		}
	}
	r := &fop.ReleaseReply{Errnos: make([]uint32, len(q.Items))}
	for i := range q.Items {
		it := &q.Items[i]
		if len(it.Undo) == 0 && len(it.EntryDelete) == 0 {
			continue
		}
		_, err := x.Xattrop(ctx, &fop.XattropReq{Req: q.Req, GFID: it.GFID, Op: fop.XattropAdd32, Deltas: it.Undo, EntryDelete: it.EntryDelete})
		r.Errnos[i] = uint32(fop.Errno(err))
	}
	return r, nil
}

// marked does a creation with a mark: make, with the links that mark needs around it.
func marked[R any](x *Index, g fop.GFID, mark []fop.Xattr, make func() (R, error)) (R, error) {
	began, err := x.begin(g, mark)
	if err != nil {
		var none R
		return none, err
	}
	r, err := make()
	if err != nil {
		x.abandon(began, g)
		return r, err
	}
	for i, s := range x.sets {
		if began[i] {
			s.end(g, verdict{})
		}
	}
	return r, nil
}

// abandon ends what began for an inode that does not exist.
func (x *Index) abandon(began [sets]bool, g fop.GFID) {
	for i, s := range x.sets {
		if began[i] {
			s.abandon(g)
		}
	}
}

// Create implements xlator.Entries.
func (x *Index) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	return marked(x, q.GFID, q.Mark, func() (*xlator.CreateReply, error) { return x.Child.Create(ctx, q) })
}

// Mkdir implements xlator.Entries.
func (x *Index) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return marked(x, q.GFID, q.Mark, func() (*fop.EntryReply, error) { return x.Child.Mkdir(ctx, q) })
}

// Mknod implements xlator.Entries.
func (x *Index) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return marked(x, q.GFID, q.Mark, func() (*fop.EntryReply, error) { return x.Child.Mknod(ctx, q) })
}

// Symlink implements xlator.Entries.
func (x *Index) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return marked(x, q.GFID, q.Mark, func() (*fop.EntryReply, error) { return x.Child.Symlink(ctx, q) })
}

// List returns up to max inodes of a set, in no order, from cursor on (0: from the
// beginning), and the cursor that continues; next is 0 after the last. An inode may have
// been healed or removed since it was listed.
func (x *Index) List(ctx context.Context, set Set, cursor uint64, max int) (gfids []fop.GFID, next uint64, err error) {
	return x.sets[set].list(ctx, cursor, max)
}

// Names returns the names in dir that some brick missed.
func (x *Index) Names(dir fop.GFID) ([]string, error) { return x.entries.names(dir) }

// Purge takes an inode that does not exist any more from all lists.
func (x *Index) Purge(g fop.GFID) error {
	for _, s := range x.sets {
		if err := s.purge(g); err != nil {
			return err
		}
	}
	names, err := x.entries.names(g)
	if err != nil {
		return err
	}
	return x.entries.remove(g, names)
}

func zero(v []byte) bool {
	for _, c := range v {
		if c != 0 {
			return false
		}
	}
	return true
}

// watched returns whether name is on the watchlist, a prefix; "" watches nothing.
func watched(name, prefix string) bool { return prefix != "" && strings.HasPrefix(name, prefix) }
