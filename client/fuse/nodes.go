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
	// changes counts what makes older answers about it stale: its number is taken before a
	// question, and the answer counts if it is the same afterwards.
	changes atomic.Uint64

	mu      sync.Mutex
	data    dataVersion // what the kernel's cached data is of
	pending int         // changes being made
	// iatt is what the last change left, for the getattr that the kernel makes of it;
	// until then, and while Bridge.removals is still removals.
	iatt     fop.Iatt
	until    time.Time
	removals uint64
}

// begin says that n is about to be changed; end that it was, to post if that is known.
func (n *node) begin() (seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending++
	n.until = time.Time{}
	return n.changes.Add(1)
}

// end keeps post if no other change was made since begin: answers may overtake each
// other, and the kernel must not be told of an older size.
func (b *Bridge) end(n *node, seq uint64, post *fop.Iatt) {
	removals := b.removals.Load()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending--
	if n.pending == 0 && n.changes.Load() == seq && post != nil && post.Known() && post.GFID == n.gfid && post.Nlink > 0 {
		n.iatt, n.until, n.removals = *post, time.Now().Add(b.opts.AttrTimeout), removals
	}
	n.changes.Add(1) // for what was asked while it went on
}

// stale says that what is known of n no longer holds.
func (n *node) stale() {
	n.mu.Lock()
	n.until = time.Time{}
	n.mu.Unlock()
	n.changes.Add(1)
	n.noXattrs.Store(0)
}

// latest returns what the last change left, and for how long that holds; 0: it does not.
func (b *Bridge) latest(n *node) (fop.Iatt, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.until.IsZero() || n.removals != b.removals.Load() {
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

// learn notes attributes that the kernel is about to be told.
func (n *node) learn(a *fop.Iatt, until time.Duration) {
	n.mu.Lock()
	n.data = versionOf(a)
	n.mu.Unlock()
	if a.Flags&fop.IattNoXattrs != 0 {
		n.noXattrs.Store(time.Now().Add(until).UnixNano())
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
}

func (t *nodeTable) init(root fop.GFID) {
	n := &node{id: gofuse.FUSE_ROOT_ID, gfid: root, lookups: 1}
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

// look returns the node of gfid, new if need be, and counts that the kernel is told of it.
func (t *nodeTable) look(gfid fop.GFID) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byGFID[gfid]
	if n == nil {
		t.last++
		n = &node{id: t.last, gfid: gfid}
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
