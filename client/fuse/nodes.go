package fuse

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// node is an inode that the kernel knows.
type node struct {
	id   uint64
	gfid fop.GFID

	lookups uint64 // how often the kernel was told of it; guarded by nodeTable.mu

	// noXattrs is until when it is known to have no xattrs, in Unix nanoseconds.
	noXattrs atomic.Int64
	// locked is set once a program took a POSIX lock on it.
	locked atomic.Bool
	// changes moves, on nodeTable.clock, with what makes older answers about it stale: it is
	// taken before a question, and the answer counts if it is the same afterwards. Written
	// with mu held.
	changes atomic.Uint64
	clock   *atomic.Uint64 // nodeTable.clock

	ahead lookAhead // of a directory

	mu      sync.Mutex
	data    dataVersion // what the kernel's cached data is of
	told    time.Time   // when what the kernel was told last was true
	pending int         // changes being made
	// iatt is what the last change left, for the getattr that the kernel makes of it;
	// until then, and while Bridge.renamed has not moved on from renamed.
	iatt    fop.Iatt
	until   time.Time
	renamed uint64
}

// renames counts fops that, besides the inodes they name, may have changed others: the links of
// those that a name was taken from or given to. Such a fop is counted when it is done:
// what was learnt of an inode by a fop that began before does not hold any more.
type renames struct {
	files atomic.Uint64
	dirs  atomic.Uint64 // a name of a file is nothing to directories other than its own
}

// of returns the count for inodes of a's type.
func (r *renames) of(a *fop.Iatt) *atomic.Uint64 {
	if a.IsDir() {
		return &r.dirs
	}
	return &r.files
}

// change is a fop that changes an inode, from Bridge.begin to Bridge.end.
type change struct {
	seq         uint64
	files, dirs uint64 // renames as they were
}

// begin says that n is about to be changed.
func (b *Bridge) begin(n *node) change {
	c := change{files: b.renamed.files.Load(), dirs: b.renamed.dirs.Load()}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending++
	n.until = time.Time{}
	c.seq = n.touch()
	return c
}

// touch makes older answers stale; mu is held.
func (n *node) touch() uint64 {
	now := n.clock.Add(1)
	n.changes.Store(now)
	return now
}

// end says that n was changed, to post if that is known, which is kept if no other change was
// made since begin: answers may overtake each other, and the kernel must not be told of
// an older size.
func (b *Bridge) end(n *node, c change, post *fop.Iatt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending--
	if n.pending == 0 && n.changes.Load() == c.seq && post != nil && post.Known() && post.GFID == n.gfid && post.Nlink > 0 {
		n.iatt, n.until, n.renamed = *post, time.Now().Add(b.opts.AttrTimeout), c.files
		if post.IsDir() {
			n.renamed = c.dirs
		}
	}
	n.touch() // for what was asked while it went on
}

// stale says that what is known of n no longer holds.
func (n *node) stale() {
	n.mu.Lock()
	n.until = time.Time{}
	n.touch()
	n.mu.Unlock()
	n.noXattrs.Store(0)
}

// latest returns what the last change left, and for how long that holds; 0: it does not.
func (b *Bridge) latest(n *node) (fop.Iatt, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.until.IsZero() || n.renamed != b.renamed.of(&n.iatt).Load() {
		return fop.Iatt{}, 0
	}
	return n.iatt, time.Until(n.until)
}

// dataVersion changes when a file's data does.
type dataVersion struct {
	size         uint64
	mtime, ctime fop.Time
}

func versionOf(a *fop.Iatt) dataVersion { return dataVersion{a.Size, a.Mtime, a.Ctime} }

// learn notes attributes that the kernel is about to be told, as they were age ago, and
// that may be kept for so long from then on.
func (n *node) learn(a *fop.Iatt, age, keep time.Duration) {
	then := time.Now().Add(-age)
	n.mu.Lock()
	n.data, n.told = versionOf(a), then
	n.mu.Unlock()
	if a.Flags&fop.IattNoXattrs != 0 {
		n.noXattrs.Store(then.Add(keep).UnixNano())
	} else {
		n.noXattrs.Store(0)
	}
}

// version returns what the kernel was told last.
func (n *node) version() dataVersion {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.data
}

// hasNoXattrs reports whether xattr questions can be answered without asking.
func (n *node) hasNoXattrs() bool {
	until := n.noXattrs.Load()
	return until != 0 && time.Now().UnixNano() < until
}

// nodeTable maps node ids to nodes and back.
type nodeTable struct {
	mu     sync.RWMutex
	last   uint64
	byID   map[uint64]*node   // guarded by mu
	byGFID map[fop.GFID]*node // guarded by mu; the same nodes

	// clock counts changes of all nodes. lost is when, on it, one changed last that the
	// kernel has forgotten since.
	clock atomic.Uint64
	lost  uint64 // guarded by mu
}

func (t *nodeTable) init(root fop.GFID) {
	n := &node{id: gofuse.FUSE_ROOT_ID, gfid: root, lookups: 1, clock: &t.clock}
	t.last = gofuse.FUSE_ROOT_ID
	t.byID = map[uint64]*node{n.id: n}
	t.byGFID = map[fop.GFID]*node{root: n}
}

// get returns a node that the kernel names; ESTALE if it should not.
func (t *nodeTable) get(id uint64) (*node, gofuse.Status) {
	t.mu.RLock()
	n := t.byID[id]
	t.mu.RUnlock()
	if n == nil {
		return nil, gofuse.Status(syscall.ESTALE)
	}
	return n, gofuse.OK
}

// find returns the node of gfid if the kernel knows it.
func (t *nodeTable) find(gfid fop.GFID) *node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byGFID[gfid]
}

// unchanged reports whether this mount made no change of gfid since the clock was at then,
// nor told the kernel what was learnt after the time asked.
func (t *nodeTable) unchanged(gfid fop.GFID, then uint64, asked time.Time) bool {
	t.mu.RLock()
	n, lost := t.byGFID[gfid], t.lost
	t.mu.RUnlock()
	if n == nil {
		return lost <= then
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pending == 0 && !n.told.After(asked) && n.changes.Load() <= then && (n.changes.Load() > 0 || lost <= then)
}

// look returns the node of gfid, new if need be, and counts that the kernel is told of it.
func (t *nodeTable) look(gfid fop.GFID) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byGFID[gfid]
	if n == nil {
		t.last++
		n = &node{id: t.last, gfid: gfid, clock: &t.clock}
		t.byID[n.id], t.byGFID[gfid] = n, n
	}
	n.lookups++
	return n
}

// forget takes back count lookups; gone: the kernel does not know the node any more.
func (t *nodeTable) forget(id, count uint64) (gfid fop.GFID, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byID[id]
	if n == nil || id == gofuse.FUSE_ROOT_ID {
		return gfid, false
	}
	n.lookups -= min(count, n.lookups)
	if n.lookups > 0 {
		return gfid, false
	}
	delete(t.byID, id)
	delete(t.byGFID, n.gfid)
	t.lost = max(t.lost, n.changes.Load())
	return n.gfid, true
}

// Forget is the kernel dropping an inode from its cache.
func (b *Bridge) Forget(id, count uint64) {
	if gfid, gone := b.nodes.forget(id, count); gone {
		b.news.forgotten(gfid)
	}
}

// Nodes returns how many inodes the kernel knows.
func (b *Bridge) Nodes() int {
	b.nodes.mu.RLock()
	defer b.nodes.mu.RUnlock()
	return len(b.nodes.byID)
}
