// Package heal makes the copies of an inode in a replica set equal again, after a brick
// missed changes or a client died in the middle of one. Whose copy is right is decided in
// afr/changelog, by the marks that the bricks keep; this package looks and copies.
//
// One inode at a time (Healer.Inode), each class of change on its own:
//
//   - metadata under the whole inode's lock: owner, mode, xattrs, times;
//   - data in stretches under locks of their ranges, so that writers go on between them,
//     and only the blocks that differ; holes stay holes;
//   - names under the directory's lock, in portions. What is missing is made empty, after
//     the copies that have it were told that it is missing there: its content follows when
//     its own turn comes. What was renamed is renamed. An inode that lives on elsewhere is
//     never removed with its last name on a brick: it goes to its right place, or waits
//     for it under a name of its own.
//
// The set need not be whole. A quorum of bricks knows of every change that was
// acknowledged; who is away keeps its marks and its blame. Exactly the counters that were
// seen before are subtracted after, so that what was missed meanwhile stays marked.
//
// Locks: domain "<name>:self-heal" first, which keeps other healers off the inode, then the
// clients' domain "<name>" as afr takes them: tried on all bricks, else in their order.
// A second directory's lock is only ever tried for.
package heal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

type set = changelog.Set

// Config says which set is healed.
type Config struct {
	Name    string   // of the replicate translator: the lock domain
	Names   []string // of the children, for logs
	Keys    []string // trusted.afr.<brick-id> of each child
	Arbiter int      // index of the child that stores no data, or -1
	Quorum  changelog.Quorum
	// Policy decides split-brains of data and metadata without being asked.
	Policy Policy
	// Short is the size up to which a file is healed under one lock, and whole. 0: 1 MiB.
	Short int64
	Log   *slog.Logger
}

// Policy is cluster.favorite-child-policy.
type Policy int

const (
	PolicyNone     Policy = iota
	PolicySize            // the largest file
	PolicyCtime           // the latest change of attributes
	PolicyMtime           // the latest change of data
	PolicyMajority        // what more than half have: the same size and mtime
)

// ParsePolicy reads the option's value.
func ParsePolicy(s string) (Policy, error) {
	for p, name := range [...]string{"none", "size", "ctime", "mtime", "majority"} {
		if s == name {
			return Policy(p), nil
		}
	}
	return 0, fmt.Errorf("%q is not a favourite-child policy: want none, size, ctime, mtime or majority", s)
}

// Healer heals inodes of one replica set. Its methods may be called at any time from any
// goroutine.
type Healer struct {
	Config
	children []xlator.Xlator
	want     []string // the keys and the dirty key
	owners   atomic.Uint64
	pacer    pacer
}

// New makes a Healer over the set's children, which stay the caller's.
func New(cfg Config, children []xlator.Xlator) *Healer {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Short == 0 {
		cfg.Short = window
	}
	h := &Healer{Config: cfg, children: children}
	h.want = append(append(h.want, cfg.Keys...), changelog.DirtyKey)
	return h
}

func (h *Healer) all() set { return changelog.All(len(h.children)) }

// stores are the children that hold data.
func (h *Healer) stores() set {
	if h.Arbiter >= 0 {
		return h.all() &^ changelog.Of(h.Arbiter)
	}
	return h.all()
}

// selfHeal is the pid by which bricks know the healer (semantics 1.2).
const selfHeal = -6

func caller() *fop.Caller { return &fop.Caller{PID: selfHeal} }

// Kind is how the healing of an inode ended; of several, the greatest counts.
type Kind int

const (
	Nothing    Kind = iota // was to be done
	Healed                 // all copies that could be reached are equal, and say so
	Partly                 // something waits: for a brick, or for another inode to be healed first
	Busy                   // another healer, or a client that is at work, has the inode
	SplitBrain             // nobody can say whose copy is right
	Failed                 // a brick refused what was asked of it
)

func (k Kind) String() string {
	return [...]string{"nothing", "healed", "partly", "busy", "split-brain", "failed"}[k]
}

// Outcome is what came of healing an inode.
type Outcome struct {
	Kind          Kind
	BytesCompared int64 // on the source
	BytesWritten  int64 // to all sinks
	NamesMade     int64
	NamesRemoved  int64
	// Made are directories that healing began on some brick: it goes on in them.
	Made []fop.GFID
	// Why says what is missing, if Kind is greater than Healed.
	Why string
}

// add joins another outcome of the same inode.
func (o *Outcome) add(p Outcome) {
	if p.Kind > o.Kind {
		o.Kind, o.Why = p.Kind, p.Why
	}
	o.BytesCompared += p.BytesCompared
	o.BytesWritten += p.BytesWritten
	o.NamesMade += p.NamesMade
	o.NamesRemoved += p.NamesRemoved
	o.Made = append(o.Made, p.Made...)
}

func (o *Outcome) note(k Kind, why string) { o.add(Outcome{Kind: k, Why: why}) }

// Inode heals the inode's metadata, data and names, as far as its marks ask for it.
// ENOTCONN: no quorum of bricks could be reached. EINTR: ctx ended.
func (h *Healer) Inode(ctx context.Context, g fop.GFID) (Outcome, error) {
	return h.inode(ctx, g, false, -1)
}

// Compare is Inode for an inode whose marks may be missing: all its copies are compared
// as if a client had died while it changed the inode.
func (h *Healer) Compare(ctx context.Context, g fop.GFID) (Outcome, error) {
	return h.inode(ctx, g, true, -1)
}

// inode is Inode; full: compare even without marks; source: the child that is right in a
// split-brain, or -1.
func (h *Healer) inode(ctx context.Context, g fop.GFID, full bool, source int) (Outcome, error) {
	if !full && source < 0 && h.atWork(ctx, g) {
		return Outcome{Kind: Busy, Why: "a client is at work on it"}, nil
	}
	turn := h.turn(ctx)
	defer turn.end()
	guard := h.newLock(g)
	guard.domain = h.Name + ":self-heal"
	if err := guard.try(ctx); err != nil {
		if err == syscall.EAGAIN {
			return Outcome{Kind: Busy, Why: "another healer is at work on it"}, nil
		}
		return Outcome{Kind: Failed}, err
	}
	defer guard.release(ctx)
	c := h.look(ctx, guard, g)
	j := &job{h: h, gfid: g, full: full, source: source, turn: turn}
	if c.m.Unread != 0 && h.Quorum.Met(c.m.Replied) {
		if o := h.restate(ctx, guard, g, c, source); o.Kind > Healed {
			return o, nil
		}
		c = h.look(ctx, guard, g)
	}
	switch {
	case c.m.Replied == 0 && c.missing != 0:
		h.touchIndex(ctx, g, c.missing)
		return Outcome{Kind: Nothing}, nil
	case !h.Quorum.Met(c.m.Replied | c.missing):
		return Outcome{Kind: Failed}, errDown
	case c.broken != "":
		return Outcome{Kind: Failed, Why: c.broken}, nil
	case !full && c.marks() == 0:
		h.touchIndex(ctx, g, c.m.Replied)
		if c.typ() != fop.TypeDir {
			return Outcome{}, nil
		}
		err := j.names(ctx) // of which some may be recorded
		return j.out, err
	case !c.oneType():
		return Outcome{Kind: SplitBrain, Why: "copies are of different types"}, nil
	}
	if !h.Quorum.Met(c.m.Replied) || !full && c.waits() {
		h.askParents(ctx, g, c)
		return Outcome{Kind: Partly, Why: "it has to be made on other bricks first"}, nil
	}
	err := j.run(ctx, c.typ())
	if err == nil && j.out.Kind <= Healed && c.blamesAny(c.missing|h.all()&^(c.m.Replied|c.missing)) {
		j.out.note(Partly, "bricks that missed changes of it do not have it, or are away")
	}
	return j.out, err
}

var errDown = syscall.ENOTCONN

// A job is the healing of one inode.
type job struct {
	h      *Healer
	gfid   fop.GFID
	full   bool
	source int
	turn   *turn
	out    Outcome
}

// run heals all classes that an inode of this type has.
func (j *job) run(ctx context.Context, typ fop.FileType) error {
	err := j.attrsAndData(ctx, typ)
	if err == nil && typ == fop.TypeDir {
		err = j.names(ctx)
	}
	if err != nil && errors.Is(err, ctx.Err()) {
		return syscall.EINTR
	}
	return err
}

// atWork reports whether nobody is accused and a client holds a lock: then the dirty
// marks are its own.
func (h *Healer) atWork(ctx context.Context, g fop.GFID) bool {
	c := h.look(ctx, h.newLock(g).everywhere(), g)
	if c.m.Replied == 0 || c.m.Blamed(changelog.Data) || c.m.Blamed(changelog.Metadata) || c.m.Blamed(changelog.Entry) {
		return false
	}
	q := &fop.GetxattrReq{Req: fop.Req{Caller: caller()}, GFID: g, Name: fop.LockedXattr, Internal: true}
	for _, a := range xlator.Wind(ctx, h.some(c.m.Replied), xlator.Xlator.Getxattr, q) {
		if a.Err == nil && len(a.Reply.Xattrs) == 1 && string(a.Reply.Xattrs[0].Value) == "1" {
			return true
		}
	}
	return false
}

// touchIndex lets bricks see that an inode has no marks, or does not exist, and need not
// be in their index.
func (h *Healer) touchIndex(ctx context.Context, g fop.GFID, on set) {
	zero := changelog.Counters{}.Bytes()
	q := &fop.XattropReq{Req: fop.Req{Caller: caller()}, GFID: g, Op: fop.XattropAdd32}
	for _, k := range h.want {
		q.Deltas = append(q.Deltas, fop.Xattr{Name: k, Value: zero})
	}
	xlator.Wind(ctx, h.some(on), xlator.Xlator.Xattrop, q) // it only tidies up
}

// some returns the children in s.
func (h *Healer) some(s set) (cs []xlator.Xlator) {
	for i := range s.Each {
		cs = append(cs, h.children[i])
	}
	return cs
}

// on does f for each child in s at once; the answers are by child.
func on[R any](s set, f func(i int) (R, error)) (out [changelog.MaxReplicas]xlator.Result[R]) {
	var idx []int
	for i := range s.Each {
		idx = append(idx, i)
	}
	for k, r := range xlator.Each(len(idx), func(k int) (R, error) { return f(idx[k]) }) {
		out[idx[k]] = r
	}
	return out
}
