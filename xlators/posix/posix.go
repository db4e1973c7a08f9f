package posix

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var _ xlator.Xlator = (*brick)(nil)

// brick serves one directory.
type brick struct {
	log       *slog.Logger
	dir       string // absolute path of the brick
	dotPath   string // dir + "/.glusterfs"
	dot       int    // .glusterfs, open
	staging   int    // .glusterfs/staging, open
	parkDir   int    // .glusterfs/unlink, open
	gfid2path bool
	reserve   reserve
	full      atomic.Bool // no more than the reserve is free
	fileModes modes
	dirModes  modes
	root      *inode // pinned until Close

	table *table
	dirty dirtyList
	names stripes // by (parent, name): what changes a name holds its stripe
	gfids stripes // by GFID: what changes a handle, or adds to the table, holds its stripe

	health func() error // a check of the disk
	probes probes

	w     xlator.Watchers
	down  atomic.Bool // the disk is sick, or the brick closed
	ended atomic.Bool // Close was called

	done  chan struct{} // closed by Close
	wg    sync.WaitGroup
	close sync.Once
}

// New opens the brick in the option directory; see the package's documentation.
// It sets the process's umask to 0, so that objects get the modes that clients ask for,
// and raises its limit of open files.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 0 {
		return nil, fmt.Errorf("storage/posix %s: takes no subvolumes, has %d", env.Name, len(subvols))
	}
	paths, err := opts.Bool("gfid2path", true)
	if err != nil {
		return nil, err
	}
	interval, err := opts.Seconds("health-check-interval", 30*time.Second)
	if err != nil {
		return nil, err
	}
	timeout, err := opts.Seconds("health-check-timeout", 20*time.Second)
	if err != nil {
		return nil, err
	}
	unused, err := opts.Int("inode-lru-limit", defaultInodes)
	if err != nil {
		return nil, err
	}
	if unused <= 0 {
		unused = math.MaxInt32 // no limit
	}
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	unix.Umask(0)
	raiseFileLimit()
	b := &brick{log: log, gfid2path: paths, dot: -1, staging: -1, parkDir: -1,
		table: newTable(int(unused), defaultDirs), done: make(chan struct{})}
	if b.fileModes, err = newModes(opts, "create-mask", "force-create-mode"); err != nil {
		return nil, err
	}
	if b.dirModes, err = newModes(opts, "create-directory-mask", "force-directory-mode"); err != nil {
		return nil, err
	}
	if b.reserve, err = parseReserve(opts.Str("reserve", "0")); err != nil {
		return nil, err
	}
	b.dirty = dirtyList{b: b, m: map[*inode]struct{}{}}
	if err := b.open(opts.Str("directory", ""), opts.Str("volume-id", ""), opts.Str("brick-id", "")); err != nil {
		b.closeFds()
		return nil, fmt.Errorf("storage/posix %s: %w", env.Name, err)
	}
	if err := b.giveRoot(opts); err != nil {
		b.closeFds()
		return nil, fmt.Errorf("storage/posix %s: %w", env.Name, err)
	}
	b.health = b.checkHealth
	b.wg.Go(func() { b.flusher(b.done) })
	if b.reserve != (reserve{}) {
		b.wg.Go(b.watchRoom)
	}
	if interval > 0 {
		b.wg.Go(func() { b.watchHealth(interval, timeout) })
	}
	return b, nil
}

// raiseFileLimit lets the process open as many files as the kernel and its rights allow:
// every file that a client has open is open here.
func raiseFileLimit() {
	const want = 1 << 20
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur >= want {
		return
	}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: want, Max: max(want, l.Max)}) != nil {
		l.Cur = l.Max
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
	}
}

// Watch implements xlator.Xlator.
func (b *brick) Watch(f func(xlator.Event)) {
	b.w.Add(f)
	if !b.down.Load() {
		f(xlator.Event{Kind: xlator.ChildUp})
	}
}

// Close writes what is not on disk yet and closes the brick. Files that are still open
// stay usable; close them.
func (b *brick) Close() error {
	b.close.Do(func() {
		close(b.done)
		b.wg.Wait()
		b.ended.Store(true)
		b.dirty.all()
		b.down.Store(true)
		b.closeFds()
	})
	return nil
}

func (b *brick) closeFds() {
	b.table.close()
	if b.root != nil {
		b.table.unpin(b.root)
	}
	for _, fd := range []int{b.dot, b.staging, b.parkDir} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// Forget implements xlator.Xlator: unused inodes leave the table.
func (b *brick) Forget(_ context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	for _, g := range q.GFIDs {
		b.table.evict(g)
	}
	return &fop.Empty{}, nil
}

// Disconnect implements xlator.Xlator. A client's state is kept above this translator.
func (b *brick) Disconnect(context.Context, *fop.DisconnectReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}

// Inodelk is features/locks's business: EOPNOTSUPP.
func (b *brick) Inodelk(context.Context, *fop.InodelkReq) (*fop.LockReply, error) {
	return nil, unix.EOPNOTSUPP
}

// Entrylk is features/locks's business: EOPNOTSUPP.
func (b *brick) Entrylk(context.Context, *fop.EntrylkReq) (*fop.LockReply, error) {
	return nil, unix.EOPNOTSUPP
}
