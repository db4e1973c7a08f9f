// Package fuse is the bridge from the kernel's FUSE requests to fops on a translator:
// the inode table, the tables of open files and directories, and the answers' caching
// times. It is stateless otherwise: what happens when bricks are gone is decided
// below, and comes up as ENOTCONN until they are back.
//
// # Inode numbers and node ids
//
// A node id is what the kernel calls an inode by while it remembers it: a number given
// to a GFID at its first lookup and never given again. The inode number that users see
// is GFID.Ino, and 1 for the root of the mount, which may be a subdirectory.
//
// # Interrupts
//
// A signal to a process that waits for a lock ends the wait with EINTR. No other
// request is cancelled: as on a local filesystem, programs do not expect EINTR from
// those, and the Go runtime alone would cause many with its preemption signals. They
// end when the brick answers, or when it is taken for dead.
//
// # Caching
//
// The kernel keeps attributes and entries for the times in Options. Data stays cached
// over close and open as long as size, mtime and ctime stay the same. The kernel forgets
// the attributes of what it changes, and asks; the change's reply answers that, for as
// long as the kernel may keep attributes. Invalidate events from below are passed on.
package fuse

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// Options of a Bridge. DefaultOptions has the defaults.
type Options struct {
	// Root is what the mount point shows; the zero GFID: the volume's root.
	Root fop.GFID

	AttrTimeout     time.Duration // how long the kernel keeps attributes
	EntryTimeout    time.Duration // ... and names
	NegativeTimeout time.Duration // ... and that a name does not exist
	// GroupsTimeout is how long a process's supplementary groups are remembered; 0: not
	// at all.
	GroupsTimeout time.Duration

	ACL       bool // POSIX ACLs
	KeepCache bool // do not drop cached data when a file is opened, even if it changed
	DirectIO  bool // no data cache
	Ino32     bool // inode numbers of 32 bits, for programs that cannot take 64
	Log       *slog.Logger
}

// DefaultOptions are GlusterFS's defaults.
func DefaultOptions() Options {
	return Options{AttrTimeout: time.Second, EntryTimeout: time.Second, GroupsTimeout: 300 * time.Second}
}

// Bridge answers the kernel. It implements go-fuse's RawFileSystem, whose methods are
// called concurrently.
//
// Lock order: none of its locks is held while another is taken or a fop is called,
// except dirHandle.mu, which is held across Readdirp: the kernel reads one open
// directory at a time; and aheadSet.mu before lookAhead.mu.
type Bridge struct {
	gofuse.RawFileSystem // what is not implemented: ENOSYS
	top                  xlator.Xlator
	opts                 Options
	log                  *slog.Logger

	nodes   nodeTable
	files   handleTable[*fileHandle]
	dirs    handleTable[*dirHandle]
	groups  groupCache
	news    newsQueue
	gfids   fop.GFIDSource
	renamed renames

	aheads aheadSet

	writeback     bool // the kernel collects writes; set by Mount
	noReaddirplus bool // set by Mount

	server atomic.Pointer[gofuse.Server] // nil until Init
	wg     sync.WaitGroup
	lists  sync.WaitGroup // listings of lookAhead
}

var _ gofuse.RawFileSystem = (*Bridge)(nil)

// New makes a bridge to top, which stays the caller's to close after Bridge.Close.
func New(top xlator.Xlator, opts Options) *Bridge {
	if opts.Root.IsZero() {
		opts.Root = fop.RootGFID
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	b := &Bridge{RawFileSystem: gofuse.NewDefaultRawFileSystem(), top: top, opts: opts, log: opts.Log}
	b.nodes.init(opts.Root)
	b.files.init()
	b.dirs.init()
	b.groups.init(opts.GroupsTimeout)
	b.news.init()
	b.aheads.dirs = map[*node]struct{}{}
	top.Watch(b.event)
	b.wg.Go(b.tell)
	return b
}

// Close closes what is still open and ends the Bridge's goroutines. The mount must be
// gone.
func (b *Bridge) Close() {
	b.lists.Wait()
	b.news.close()
	b.wg.Wait()
	for _, f := range b.files.clear() {
		f.file.Close()
	}
	for _, d := range b.dirs.clear() {
		d.dir.Close()
	}
}

// String names the filesystem.
func (b *Bridge) String() string { return "gofs" }

// Init is told of the server that notifications go through.
func (b *Bridge) Init(s *gofuse.Server) { b.server.Store(s) }

// status turns an error into the kernel's errno.
func status(err error) gofuse.Status { return gofuse.Status(fop.Errno(err)) }

// background is the context of everything that is not interrupted.
var background = context.Background()

// req is what each request to the translator begins with.
func (b *Bridge) req(h *gofuse.InHeader) fop.Req {
	return fop.Req{Caller: &fop.Caller{
		UID: h.Uid, GID: h.Gid, PID: int32(h.Pid), Groups: b.groups.of(h.Pid, h.Uid, h.Gid), Time: fop.TimeOf(time.Now()),
	}}
}

// node returns the node that a request is about.
func (b *Bridge) node(h *gofuse.InHeader) (*node, gofuse.Status) { return b.nodes.get(h.NodeId) }

// handleTable numbers open files or directories. The number 0 is not used.
type handleTable[H any] struct {
	mu   sync.RWMutex
	last uint64
	open map[uint64]H // guarded by mu
}

func (t *handleTable[H]) init() { t.open = map[uint64]H{} }

func (t *handleTable[H]) add(h H) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.open[t.last] = h
	return t.last
}

// get returns the zero H for a number that is not open.
func (t *handleTable[H]) get(id uint64) H {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.open[id]
}

func (t *handleTable[H]) remove(id uint64) (h H, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok = t.open[id]
	delete(t.open, id)
	return h, ok
}

func (t *handleTable[H]) clear() map[uint64]H {
	t.mu.Lock()
	defer t.mu.Unlock()
	open := t.open
	t.open = map[uint64]H{}
	return open
}
