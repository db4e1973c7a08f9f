// Package afr keeps N copies of a directory tree identical: the replicate translator.
//
// Protocol (DESIGN.md section 6). For each inode that it changes, a client holds an
// exclusive lock on all live bricks of the set, a lease:
//
//  1. The lease is taken with the dirty mark set in the same message; creating a file
//     grants the new file's lease. On all bricks at once first; if any refuses, one by
//     one in brick order, so that no two clients wait for each other.
//  2. Under the lease, each change goes to all its bricks in parallel: one round trip.
//  3. A brick that does not take part is blamed (pending counters on the others) before
//     the change; one that fails in it, before the caller hears of success.
//  4. Success needs a quorum of bricks that nobody accuses. Otherwise the caller gets an
//     error, and the dirty marks stay.
//  5. Leases idle for a second are given up in batches: make durable, undo marks, unlock.
//     When somebody else wants one, it is given up as soon as it is unused.
//
// The arbiter takes part in locks, marks, names and metadata; data never goes to it.
//
// Locks are taken in GlusterFS's domain (the name of this translator): inodelk 0..inf
// for data and metadata of an inode, entrylk without a name for a directory's names,
// entrylk with a name while several clients work in one directory.
//
// Invariants:
//   - nothing is changed under a lease that is not held by a quorum;
//   - nothing is read from a brick that is known to be accused;
//   - no cancellation between the first effect of a change and its last mark.
//
// Lock order: inode.mu, then keeper.mu or a table shard's. No lock is held across a call to a subvolume.
//
// Volfile:
//
//	volume v-replicate-0
//	    type cluster/replicate
//	    option afr-pending-xattr v-client-0,v-client-1,v-client-2
//	    option arbiter-count 1
//	    subvolumes v-client-0 v-client-1 v-client-2
//	end-volume
package afr

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// set is a set of children.
type set = changelog.Set

// replicate is the translator.
type replicate struct {
	name     string // also the lock domain
	log      *slog.Logger
	children []xlator.Xlator
	names    []string // of the children, in the volfile
	arbiter  int      // index of the arbiter, or -1
	keys     []string // pending xattr of each child
	want     []string // keys and the dirty key: what is read with every lock
	// glanceWant is want where what is seen is relied upon for a while: in lookups.
	glanceWant []string
	quorum     changelog.Quorum
	readIdx    int // option read-subvolume(-index), or -1
	readMode   readMode
	salt       uint64                          // another one for each client
	loads      [changelog.MaxReplicas]readLoad // by child
	// chooseLocal: reads prefer children on this machine.
	chooseLocal bool
	linger      time.Duration

	w     xlator.Watchers
	state atomic.Pointer[state]
	stMu  sync.Mutex // serialises changes of state

	// reported are the children that have said whether they are up; guarded by stMu.
	// settled is closed when all have, or patience ran out: before, a brick that is just
	// connecting would be taken for one that is down, and blamed.
	reported set
	settled  chan struct{}
	patience *time.Timer

	inodes inodeTable
	light  atomic.Int64  // how many files are light
	owners atomic.Uint64 // last LkOwner given out
	clean  cleanliness
	slow   slowness
	keeper keeper
	// choices: see splitChoice.
	choices choices
}

// state is which children are up; replaced, never changed.
type state struct {
	up set
	// local are those of up that are on this machine.
	local set
	gen   [changelog.MaxReplicas]uint64 // bumped whenever the child goes up or down
	sum   uint64                        // bumped whenever anything changes
}

// New makes a replicate translator.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	n := len(subvols)
	if n < 2 || n > changelog.MaxReplicas {
		return nil, fmt.Errorf("cluster/replicate %s: wants 2 to %d subvolumes, has %d", env.Name, changelog.MaxReplicas, n)
	}
	r := &replicate{name: env.Name, log: env.Log, children: subvols, names: opts.SubvolumeNames(env.Name+"-client", n), arbiter: -1}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if err := r.configure(opts); err != nil {
		return nil, fmt.Errorf("cluster/replicate %s: %w", env.Name, err)
	}
	r.state.Store(&state{})
	r.settled = make(chan struct{})
	r.patience = time.AfterFunc(startPatience, r.stopWaiting)
	r.inodes.init()
	for i, c := range subvols {
		c.Watch(func(e xlator.Event) { r.childEvent(i, e) })
	}
	r.keeper.start(r)
	return r, nil
}

func (r *replicate) configure(opts xlator.Options) error {
	n := len(r.children)
	pending := r.names
	if s := opts.Str("afr-pending-xattr", ""); s != "" {
		pending = strings.Split(s, ",")
	}
	if len(pending) != n {
		return fmt.Errorf("option afr-pending-xattr names %d bricks, there are %d", len(pending), n)
	}
	for _, p := range pending {
		r.keys = append(r.keys, changelog.KeyPrefix+strings.TrimSpace(p))
	}
	r.want = append(append(r.want, r.keys...), changelog.DirtyKey)
	r.glanceWant = append(slices.Clone(r.want), fop.GlanceXattr)
	if arb, err := opts.Int("arbiter-count", 0); err != nil {
		return err
	} else if arb > 0 {
		r.arbiter = n - 1
	}
	var err error
	if r.quorum, err = changelog.ParseQuorum(opts.Str("quorum-type", ""), opts.Str("quorum-count", ""), n); err != nil {
		return err
	}
	if r.linger, err = opts.Seconds("post-op-delay-secs", time.Second); err != nil {
		return err
	}
	idx, err := opts.Int("read-subvolume-index", -1)
	if err != nil {
		return err
	}
	r.readIdx = int(idx)
	if s := opts.Str("read-subvolume", ""); s != "" {
		for i, name := range r.names {
			if name == s {
				r.readIdx = i
			}
		}
	}
	if r.chooseLocal, err = opts.Bool("choose-local", true); err != nil {
		return err
	}
	mode, err := opts.Int("read-hash-mode", int64(readByInode))
	if err == nil && (mode < 0 || mode >= int64(readModes)) {
		err = fmt.Errorf("option read-hash-mode %d is out of range [0 - %d]", mode, readModes-1)
	}
	r.readMode, r.salt = readMode(mode), rand.Uint64()
	return err
}

// all is every child; dataSet every child that stores data.
func (r *replicate) all() set { return changelog.All(len(r.children)) }

// matrix is an empty one of this set.
func (r *replicate) matrix() changelog.Matrix {
	return changelog.Matrix{N: len(r.children), Quorum: r.quorum, Stores: r.dataSet()}
}

func (r *replicate) dataSet() set {
	if r.arbiter >= 0 {
		return r.all() &^ changelog.Of(r.arbiter)
	}
	return r.all()
}

// childEvent follows the children's coming and going. It must not block.
func (r *replicate) childEvent(i int, e xlator.Event) {
	switch e.Kind {
	case xlator.ChildUp, xlator.ChildDown:
		r.childChanged(i, e)
	case xlator.ChildSlow:
		r.childSlow(i, e.Reason)
	case xlator.Contention:
		if e.Domain == r.name {
			r.contended(e)
			return
		}
		r.w.Tell(e)
	case xlator.Invalidate:
		r.invalidated(i, e)
	}
}

func (r *replicate) childChanged(i int, e xlator.Event) {
	up := e.Kind == xlator.ChildUp
	r.stMu.Lock()
	old := r.state.Load()
	s := *old
	s.gen[i]++
	s.sum++
	s.local &^= changelog.Of(i)
	if up {
		s.up |= changelog.Of(i)
	} else {
		s.up &^= changelog.Of(i)
	}
	if up && e.Local && r.chooseLocal {
		s.local |= changelog.Of(i)
	}
	r.state.Store(&s)
	r.reported |= changelog.Of(i)
	complete := r.reported == r.all()
	r.stMu.Unlock()
	if complete && r.patience.Stop() {
		r.stopWaiting()
	}
	r.clean.spoil()
	r.keeper.poke()
	was, is := r.usable(old.up), r.usable(s.up)
	if old.up.Has(i) != up {
		r.log.Info("subvolume changed", "child", r.names[i], "up", up, "reason", e.Reason, "quorum", is)
	}
	switch {
	case is && !was:
		r.w.Tell(xlator.Event{Kind: xlator.ChildUp})
	case was && !is:
		r.w.Tell(xlator.Event{Kind: xlator.ChildDown, Reason: "client quorum of " + r.name + " is not met"})
	}
}

// startPatience is how long, from the start, changes wait for bricks that have not
// said yet whether they are up.
const startPatience = 10 * time.Second

// stopWaiting is called once: by the last child to report, or by the timer. Those above
// may be waiting for a word too.
func (r *replicate) stopWaiting() {
	close(r.settled)
	if !r.usable(r.state.Load().up) {
		r.w.Tell(xlator.Event{Kind: xlator.ChildDown, Reason: "client quorum of " + r.name + " is not met"})
	}
}

// usable reports whether the set can serve with these children.
func (r *replicate) usable(up set) bool { return r.quorum.Met(up) && up&r.dataSet() != 0 }

// Watch tells of quorum won and lost.
func (r *replicate) Watch(f func(xlator.Event)) {
	r.w.Add(f)
	if r.usable(r.state.Load().up) {
		f(xlator.Event{Kind: xlator.ChildUp})
	}
}

// Close gives up all leases, marks undone, and closes the children.
func (r *replicate) Close() error {
	if r.patience.Stop() {
		r.stopWaiting()
	}
	r.keeper.stop(r)
	var first error
	for _, c := range r.children {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// errDown is the answer when too few children are there.
const errDown = syscall.ENOTCONN

func (r *replicate) newOwner() fop.LkOwner { return fop.LkOwner(r.owners.Add(1)) }
