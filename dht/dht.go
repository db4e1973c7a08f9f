// Package dht distributes names over subvolumes: the distribute translator.
//
// Every directory exists on every subvolume. A file lives on one, its cached
// subvolume; the one that its name hashes to, by the ranges of its directory's layout,
// is its hashed subvolume. Where these differ, a linkto file on the hashed one (mode
// 01000, size 0, same GFID, xattr trusted.glusterfs.dht.linkto) names the cached one.
//
// With one subvolume fops pass through; layouts are written all the same, for the day
// when a second one is added.
//
// Invariants:
//   - a name is created on its hashed subvolume first: that decides who wins;
//   - a file's data is never removed before no name leads to it;
//   - ENOENT is never said of a name whose hashed subvolume could not be asked, unless
//     it was found missing everywhere it could be.
//
// Locks (between clients): entrylk (parent, name) in domain dht.entry.sync on the
// hashed subvolume while a directory is made, removed, renamed or healed, and while a
// file is renamed; taken in the order of (subvolume, parent GFID, name).
//
// Lock order (in memory): ctxShard.mu only.
//
// Volfile:
//
//	volume v-dht
//	    type cluster/distribute
//	    subvolumes v-replicate-0 v-replicate-1
//	end-volume
package dht

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// entryDomain is the lock domain in which names are protected.
const entryDomain = "dht.entry.sync"

type distribute struct {
	log    *slog.Logger
	subs   []xlator.Xlator
	names  []string
	munger *layout.Munger
	// optimize: a directory whose layout is known to be complete is believed when a name
	// is missing on its hashed subvolume (option lookup-optimize).
	optimize    bool
	spread      int
	weighted    bool
	byGFID      bool    // rotate layouts by GFID, not by path
	minFree     float64 // option min-free-disk as a share, 0..1
	minFreeSize uint64  // … or in bytes
	minInodes   float64 // option min-free-inodes as a share, 0..1
	owners      atomic.Uint64

	ctx      ctxTable
	rootDone atomic.Bool // the root's layout was seen or written
	disks    disks

	w        xlator.Watchers
	mu       sync.Mutex
	up       []bool // guarded by mu
	reported []bool // guarded by mu: has said whether it is up
	// settled is closed when all subvolumes have reported, or patience ran out: before,
	// one that is just connecting would be taken for one that is down.
	settled  chan struct{}
	patience *time.Timer
	// ups counts subvolumes that came up: a layout with holes from before is read again.
	ups    atomic.Uint64
	commit atomic.Uint32 // the volume's commit hash, from the root's xattr
}

// New makes a distribute translator.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	n := len(subvols)
	if n == 0 {
		return nil, fmt.Errorf("cluster/distribute %s: wants at least one subvolume", env.Name)
	}
	d := &distribute{log: env.Log, subs: subvols, names: opts.SubvolumeNames(env.Name+"-client", n), up: make([]bool, n), reported: make([]bool, n), settled: make(chan struct{})}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := d.configure(opts); err != nil {
		return nil, fmt.Errorf("cluster/distribute %s: %w", env.Name, err)
	}
	d.ctx.init()
	d.patience = time.AfterFunc(startPatience, func() { close(d.settled) })
	for i, s := range subvols {
		s.Watch(func(e xlator.Event) { d.subEvent(i, e) })
	}
	return d, nil
}

func (d *distribute) configure(opts xlator.Options) error {
	var err error
	if d.munger, err = layout.NewMunger(opts.Str("extra-hash-regex", ""), opts.Str("rsync-hash-regex", layout.RsyncRegex)); err != nil {
		return err
	}
	if d.optimize, err = opts.Bool("lookup-optimize", true); err != nil {
		return err
	}
	if d.weighted, err = opts.Bool("weighted-rebalance", true); err != nil {
		return err
	}
	if d.byGFID, err = opts.Bool("randomize-hash-range-by-gfid", false); err != nil {
		return err
	}
	spread, err := opts.Int("directory-layout-spread", 0)
	if err != nil {
		return err
	}
	d.spread = int(spread)
	if d.minFree, d.minFreeSize, err = parseMinFree(opts.Str("min-free-disk", "10%")); err != nil {
		return err
	}
	d.minInodes, err = parsePercent("min-free-inodes", opts.Str("min-free-inodes", "5%"))
	return err
}

func (d *distribute) subEvent(i int, e xlator.Event) {
	if e.Kind != xlator.ChildUp && e.Kind != xlator.ChildDown {
		d.w.Tell(e)
		return
	}
	d.mu.Lock()
	before := d.countUp()
	d.up[i] = e.Kind == xlator.ChildUp
	d.reported[i] = true
	complete := !slices.Contains(d.reported, false)
	after := d.countUp()
	d.mu.Unlock()
	if e.Kind == xlator.ChildUp {
		d.ups.Add(1)
	}
	if complete && d.patience.Stop() {
		close(d.settled)
	}
	if before == 0 && after > 0 || before > 0 && after == 0 {
		d.w.Tell(e)
	}
}

// startPatience is how long, from the start, fops wait for subvolumes that have not said
// yet whether they are up.
const startPatience = 10 * time.Second

// ready waits for that.
func (d *distribute) ready(ctx context.Context) error {
	select {
	case <-d.settled:
		return nil
	case <-ctx.Done():
		return syscall.EINTR
	}
}

// countUp counts the subvolumes that are up; mu is held.
func (d *distribute) countUp() int {
	n := 0
	for _, u := range d.up {
		if u {
			n++
		}
	}
	return n
}

func (d *distribute) isUp(i int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.up[i]
}

// Watch tells whether any subvolume is up.
func (d *distribute) Watch(f func(xlator.Event)) {
	d.w.Add(f)
	d.mu.Lock()
	n := d.countUp()
	d.mu.Unlock()
	if n > 0 {
		f(xlator.Event{Kind: xlator.ChildUp})
	}
}

func (d *distribute) Close() error {
	if d.patience.Stop() {
		close(d.settled)
	}
	var first error
	for _, s := range d.subs {
		if err := s.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// single reports whether there is nothing to distribute.
func (d *distribute) single() bool { return len(d.subs) == 1 }

// all lists all subvolumes but those given.
func (d *distribute) but(skip ...int) []int {
	var out []int
next:
	for i := range d.subs {
		for _, s := range skip {
			if s == i {
				continue next
			}
		}
		out = append(out, i)
	}
	return out
}

// on performs f on the given subvolumes at once.
func on[R any](subs []int, f func(i int) (R, error)) []xlator.Result[R] {
	return xlator.Each(len(subs), func(k int) (R, error) { return f(subs[k]) })
}

// A guard is a name protected against other clients.
type guard struct {
	d   *distribute
	sub int
	q   *fop.EntrylkReq
}

// protect locks (parent, name) on its hashed subvolume. Unprotect it.
func (d *distribute) protect(ctx context.Context, q *fop.Req, sub int, parent fop.GFID, name string) (*guard, error) {
	g := &guard{d, sub, &fop.EntrylkReq{Req: fop.Req{Caller: q.Caller}, GFID: parent, Domain: entryDomain,
		Owner: fop.LkOwner(d.owners.Add(1)), Cmd: fop.LockWait, Name: name}}
	if _, err := d.subs[sub].Entrylk(ctx, g.q); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *guard) unprotect(ctx context.Context) {
	if g == nil {
		return
	}
	q := *g.q
	q.Cmd = fop.LockUnlock
	if _, err := g.d.subs[g.sub].Entrylk(context.WithoutCancel(ctx), &q); err != nil && !fop.IsDown(err) {
		g.d.log.Warn("a name could not be unlocked", "subvol", g.d.names[g.sub], "gfid", q.GFID, "op_errno", fop.Errno(err))
	}
}

// disks remembers how full the subvolumes are.
type disks struct {
	mu    sync.Mutex
	at    time.Time          // guarded by mu
	stats []*fop.StatfsReply // guarded by mu; nil: not known
}

// statfsEvery is how old the numbers used for placing new files may be.
const statfsEvery = 5 * time.Second

// room returns recent statfs numbers of each subvolume, nil where not known.
func (d *distribute) room(ctx context.Context, q *fop.Req) []*fop.StatfsReply {
	d.disks.mu.Lock()
	if time.Since(d.disks.at) < statfsEvery {
		defer d.disks.mu.Unlock()
		return d.disks.stats
	}
	d.disks.at = time.Now() // one asks, the others use the old numbers
	d.disks.mu.Unlock()
	stats := make([]*fop.StatfsReply, len(d.subs))
	for i, a := range on(d.but(), func(i int) (*fop.StatfsReply, error) {
		return d.subs[i].Statfs(ctx, &fop.StatfsReq{Req: fop.Req{Caller: q.Caller}, GFID: fop.RootGFID})
	}) {
		if a.Err == nil {
			stats[i] = a.Reply
		}
	}
	d.disks.mu.Lock()
	defer d.disks.mu.Unlock()
	d.disks.stats = stats
	return stats
}

// Statfs adds up what the subvolumes have.
func (d *distribute) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	if d.single() {
		return d.subs[0].Statfs(ctx, q)
	}
	qq := *q
	qq.GFID = fop.RootGFID
	var sum *fop.StatfsReply
	err := error(syscall.ENOTCONN)
	for _, a := range on(d.but(), func(i int) (*fop.StatfsReply, error) { return d.subs[i].Statfs(ctx, &qq) }) {
		switch {
		case a.Err != nil:
			err = a.Err
		case sum == nil:
			sum = a.Reply
		default:
			addStatfs(sum, a.Reply)
		}
	}
	if sum == nil {
		return nil, err
	}
	return sum, nil
}

// addStatfs adds b to a, in units of the larger Frsize.
func addStatfs(a, b *fop.StatfsReply) {
	frsize := max(a.Frsize, b.Frsize, 1)
	scale := func(blocks, size uint64) uint64 { return blocks * max(size, 1) / frsize }
	a.Blocks = scale(a.Blocks, a.Frsize) + scale(b.Blocks, b.Frsize)
	a.Bfree = scale(a.Bfree, a.Frsize) + scale(b.Bfree, b.Frsize)
	a.Bavail = scale(a.Bavail, a.Frsize) + scale(b.Bavail, b.Frsize)
	a.Files, a.Ffree, a.Favail = a.Files+b.Files, a.Ffree+b.Ffree, a.Favail+b.Favail
	a.Frsize, a.Bsize, a.Namemax = frsize, max(a.Bsize, b.Bsize), min(a.Namemax, b.Namemax)
}
