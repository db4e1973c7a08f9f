package posix

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

const (
	defaultInodes = 65536
	defaultDirs   = 4096
)

// ident tells inodes of the backing filesystem apart, also those that reuse a number.
type ident struct {
	ino   uint64
	btime unix.StatxTimestamp
}

func identOf(st *unix.Statx_t) ident { return ident{st.Ino, st.Btime} }

// An inode is what the brick knows about one inode. It is valid while pinned.
type inode struct {
	gfid  fop.GFID
	typ   fop.FileType
	id    ident
	fd    int    // of a directory, open for reading, as long as it is in the table; else -1
	path  string // absolute path of the handle of a non-directory
	relAt int    // path[relAt:] is relative to .glusterfs

	opens atomic.Int32 // Files open
	// parked: the last name is gone, but a File is open; the handle is in unlink/.
	parked atomic.Bool
	// gone: it has no name and no handle.
	gone atomic.Bool
	gen  atomic.Uint32 // counts changes; see setLast

	refs       int    // guarded by table.mu
	prev, next *inode // guarded by table.mu; in an idle list while refs is 0

	mu     sync.Mutex // guards what follows
	last   fop.Iatt   // as of the last stat, if nothing changed since; else unknown
	loaded bool       // xattrs were read
	md     mdata
	hasMd  bool
	dirty  bool        // md is newer than the disk's; it is, or is about to be, on dirtyList
	xs     []fop.Xattr // all xattrs with a cachedName; a nil Value is on disk only
	bare   bool        // no xattr that a client may see
	defACL []byte      // system.posix_acl_default
}

// rel is the handle's path beneath .glusterfs. It stays true while the GFID's stripe is
// held.
func (in *inode) rel() string { return in.relIf(in.parked.Load()) }

func (in *inode) relIf(parked bool) string {
	if parked {
		return "unlink/" + in.gfid.String()
	}
	return in.path[in.relAt:]
}

// table holds the known inodes: all that are pinned, and the most recently used others.
type table struct {
	mu      sync.Mutex // guards all
	byGFID  map[fop.GFID]*inode
	byIdent map[ident]*inode
	files   idle
	dirs    idle
	closed  bool
}

func newTable(inodes, dirs int) *table {
	t := &table{byGFID: map[fop.GFID]*inode{}, byIdent: map[ident]*inode{}}
	t.files.init(inodes)
	t.dirs.init(dirs)
	return t
}

// pin returns the inode g if it is known.
func (t *table) pin(g fop.GFID) *inode {
	t.mu.Lock()
	in := t.byGFID[g]
	if in != nil {
		t.ref(in)
	}
	t.mu.Unlock()
	return in
}

// pinIdent returns the inode id if it is known.
func (t *table) pinIdent(id ident) *inode {
	t.mu.Lock()
	in := t.byIdent[id]
	if in != nil {
		t.ref(in)
	}
	t.mu.Unlock()
	return in
}

// again pins an inode that is pinned already.
func (t *table) again(in *inode) {
	t.mu.Lock()
	in.refs++
	t.mu.Unlock()
}

func (t *table) ref(in *inode) {
	if in.refs == 0 {
		t.idleOf(in).remove(in)
	}
	in.refs++
}

func (t *table) idleOf(in *inode) *idle {
	if in.typ == fop.TypeDir {
		return &t.dirs
	}
	return &t.files
}

// add puts in, pinned once, into the table. An older inode of the same GFID or ident is
// forgotten: the disk says that it is no more.
func (t *table) add(in *inode) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in.refs = 1
	for _, old := range []*inode{t.byGFID[in.gfid], t.byIdent[in.id]} {
		if old != nil {
			t.forget(old)
		}
	}
	t.byGFID[in.gfid] = in
	t.byIdent[in.id] = in
}

// drop takes in out of the table; those who have it pinned keep it.
func (t *table) drop(in *inode) {
	t.mu.Lock()
	t.forget(in)
	t.mu.Unlock()
}

func (t *table) forget(in *inode) {
	if t.byGFID[in.gfid] == in {
		delete(t.byGFID, in.gfid)
	}
	if t.byIdent[in.id] == in {
		delete(t.byIdent, in.id)
	}
	if in.refs == 0 && in.next != nil {
		t.idleOf(in).remove(in)
		closeFd(in)
	}
}

// unpin gives in back.
func (t *table) unpin(in *inode) {
	t.mu.Lock()
	in.refs--
	if in.refs > 0 {
		t.mu.Unlock()
		return
	}
	victim := in
	if !t.closed && t.byGFID[in.gfid] == in {
		l := t.idleOf(in)
		l.push(in)
		if victim = l.surplus(); victim != nil {
			t.forget2(victim)
		}
	}
	t.mu.Unlock()
	if victim != nil {
		closeFd(victim)
	}
}

// forget2 takes the idle inode out of maps and list, and leaves its fd to the caller.
func (t *table) forget2(in *inode) {
	t.idleOf(in).remove(in)
	delete(t.byGFID, in.gfid)
	if t.byIdent[in.id] == in {
		delete(t.byIdent, in.id)
	}
}

// evict forgets g if nobody uses it.
func (t *table) evict(g fop.GFID) {
	t.mu.Lock()
	if in := t.byGFID[g]; in != nil && in.refs == 0 {
		t.forget(in)
	}
	t.mu.Unlock()
}

// close forgets all idle inodes, and from now on each that becomes idle.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, in := range t.byGFID {
		if in.refs == 0 {
			t.forget(in)
		}
	}
}

func closeFd(in *inode) {
	if in.fd >= 0 {
		unix.Close(in.fd)
		in.fd = -1
	}
}

// idle is a list of unpinned inodes, the most recently used first.
type idle struct {
	head  inode
	n     int
	limit int
}

func (l *idle) init(limit int) {
	l.head.next, l.head.prev, l.limit = &l.head, &l.head, limit
}

func (l *idle) push(in *inode) {
	in.next, in.prev = l.head.next, &l.head
	in.next.prev, l.head.next = in, in
	l.n++
}

func (l *idle) remove(in *inode) {
	in.prev.next, in.next.prev = in.next, in.prev
	in.prev, in.next = nil, nil
	l.n--
}

// surplus returns the least recently used inode if there are more than the limit.
func (l *idle) surplus() *inode {
	if l.n <= l.limit {
		return nil
	}
	return l.head.prev
}

// stripes are locks by hash.
type stripes [512]sync.Mutex

func (s *stripes) of(g fop.GFID) int { return (int(g[14])<<8 | int(g[15])) % len(s) }

func (s *stripes) ofName(g fop.GFID, name string) int {
	h := uint32(2166136261)
	for _, c := range g[8:] {
		h = (h ^ uint32(c)) * 16777619
	}
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return int(h % uint32(len(s)))
}

// lock locks the stripes is, in ascending order, each once.
func (s *stripes) lock(is ...int) (unlock func()) {
	for i := range is { // insertion sort; there are four at most
		for j := i; j > 0 && is[j] < is[j-1]; j-- {
			is[j], is[j-1] = is[j-1], is[j]
		}
	}
	for i, n := range is {
		if i == 0 || n != is[i-1] {
			s[n].Lock()
		}
	}
	return func() {
		for i, n := range is {
			if i == 0 || n != is[i-1] {
				s[n].Unlock()
			}
		}
	}
}
