package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/afr"
	"github.com/gofs/gofs/xlators/arbiter"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/missed"
	"github.com/gofs/gofs/xlators/suspect"
	"github.com/gofs/gofs/xlators/upcall"
	"github.com/gofs/gofs/xlators/xlator"
)

var ctx = context.Background()

// A brick is what one server process has: a disk that may fail, and above it the rest.
type brick struct {
	xlator.Xlator // what connections lead to; replaced only while there are none
	journal       *journal
	disk          *faults.Faults // above the journal
	index         *index
	arbiter       bool
	watchers      []func(xlator.Event)
}

func newBrick(t testing.TB, isArbiter bool) *brick {
	j, err := newJournal()
	b := &brick{arbiter: isArbiter}
	if err == nil {
		err = b.start(j, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// start begins a process over what is on the disk.
func (b *brick) start(j *journal, isSuspect bool) error {
	disk, err := faults.New(xlator.Env{}, nil, []xlator.Xlator{j})
	if err != nil {
		return err
	}
	b.journal, b.disk = j, disk.(*faults.Faults)
	b.index = newIndex(j, b.disk)
	var x xlator.Xlator = b.index
	if b.arbiter {
		if x, err = arbiter.New(xlator.Env{}, nil, []xlator.Xlator{x}); err != nil {
			return err
		}
	}
	if x, err = upcall.New(xlator.Env{}, xlator.Options{"xattrop-pending-watchlist": "trusted.afr.v-"}, []xlator.Xlator{x}); err != nil {
		return err
	}
	if x, err = locks.New(xlator.Env{}, nil, []xlator.Xlator{x}); err != nil {
		return err
	}
	least := int64(shortFile)
	if b.arbiter {
		least = 0
	}
	b.Xlator = suspect.Over(missed.Over(x, least), isSuspect, func() error { return nil })
	for _, f := range b.watchers {
		b.Xlator.Watch(f)
	}
	return nil
}

// Watch lasts longer than the process.
func (b *brick) Watch(f func(xlator.Event)) {
	b.watchers = append(b.watchers, f)
	b.Xlator.Watch(f)
}

// A link is one client's connection to one brick. It is down while anybody holds it down.
type link struct {
	*faults.Faults
	name    string
	brick   *brick
	latency time.Duration // on average, of each fop

	mu   sync.Mutex
	held int // guarded by mu, across SetDown

	rngMu sync.Mutex
	rng   *rand.Rand // guarded by rngMu
}

// newLink connects a client to a brick.
func (s *sim) newLink(name string, b *brick, client uint64) *link {
	f, err := faults.New(xlator.Env{}, nil, []xlator.Xlator{b})
	if err != nil {
		s.t.Fatal(err)
	}
	l := &link{Faults: f.(*faults.Faults), name: name, brick: b, latency: s.latency, rng: rand.New(rand.NewPCG(uint64(s.seed), client<<8+uint64(len(s.links))))}
	l.SetClient(client)
	l.misbehave(nil)
	s.links = append(s.links, l)
	return l
}

// misbehave lets bad decide what happens to fops, besides their latency; nil: nothing.
func (l *link) misbehave(bad faults.Rule) {
	l.SetRule(func(op fop.Fop, q any) (a faults.Action) {
		if bad != nil {
			a = bad(op, q)
		}
		l.rngMu.Lock()
		defer l.rngMu.Unlock()
		a.Delay = 1 + time.Duration(l.rng.Int64N(int64(2*l.latency)))
		return a
	})
}

func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held++; l.held == 1 {
		l.SetDown(true)
	}
}

func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held--; l.held == 0 {
		l.SetDown(false)
	}
}

// A client is one mount: a replicate translator over its own links.
type client struct {
	xlator.Xlator
	id    int
	links []*link

	mu   sync.Mutex
	dead bool // guarded by mu
}

func (c *client) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// crash ends the client as a power failure would.
func (c *client) crash() {
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	for _, l := range c.links {
		l.hold()
	}
}

func (s *sim) connect(id int) *client {
	c := &client{id: id}
	var subs []xlator.Xlator
	var keys []string
	for i, b := range s.bricks {
		l := s.newLink(fmt.Sprintf("link c%d-b%d", id, i), b, uint64(id)+1)
		c.links = append(c.links, l)
		subs = append(subs, l)
		keys = append(keys, fmt.Sprint("v-client-", i))
	}
	opts := xlator.Options{"afr-pending-xattr": strings.Join(keys, ",")}
	if s.conf.arbiter {
		opts["arbiter-count"] = "1"
	}
	x, err := afr.New(xlator.Env{Name: "v-replicate-0", Log: s.logger(fmt.Sprint("client ", id))}, opts, subs)
	if err != nil {
		s.t.Fatal(err)
	}
	c.Xlator = x
	return c
}

// after is closed after d.
func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// A nemesis does what goes wrong, until it is told to stop.
type nemesis struct {
	s      *sim
	stop   chan struct{}
	wg     sync.WaitGroup
	errors bool  // disks fail
	prey   []int // bricks that things happen to

	mu   sync.Mutex
	rng  *rand.Rand // guarded by mu
	dark bool       // guarded by mu: a brick is without power, or suspect
}

func (n *nemesis) intn(max int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(max)
}

// pause waits up to max, or until the end.
func (n *nemesis) pause(max time.Duration) {
	select {
	case <-n.stop:
	case <-time.After(time.Duration(n.intn(int(max)))):
	}
}

func (n *nemesis) run() {
	for {
		n.pause(2 * time.Second)
		select {
		case <-n.stop:
			n.wg.Wait()
			return
		default:
		}
		n.strike()
	}
}

// strike lets one thing go wrong for a while.
func (n *nemesis) strike() {
	i := n.prey[n.intn(len(n.prey))]
	c := n.s.clients[n.intn(len(n.s.clients))]
	l := c.links[i]
	switch k := n.intn(14); {
	case k >= 12:
		n.wg.Go(func() { n.fall(i) })
		if k == 13 { // on the same machine
			n.killClient(c)
		}
	case k < 3: // one client's link
		n.wg.Go(func() { n.flap(l) })
	case k < 5: // the brick, for all
		n.s.logf("brick %d goes down", i)
		for _, c := range n.s.clients {
			n.wg.Go(func() { n.flap(c.links[i]) })
		}
		if len(n.s.hlinks) > 0 {
			n.wg.Go(func() { n.flap(n.s.hlinks[i]) })
		}
	case k < 9: // a bad link: late, and answers get lost
		lossy := n.intn(2) == 0
		n.s.logf("%s is bad, lossy %v", l.name, lossy)
		l.misbehave(func(fop.Fop, any) faults.Action { return n.bad(l, lossy) })
		n.wg.Go(func() { n.pause(3 * time.Second); l.misbehave(nil) })
	case k < 11 && n.errors: // a bad disk
		full := n.intn(2) == 0
		odds := 1 + n.intn(8)
		n.s.logf("disk %d fails, full %v, odds %d", i, full, odds)
		d := n.s.bricks[i].disk
		d.SetRule(func(op fop.Fop, q any) faults.Action { return n.fail(op, full, odds) })
		n.wg.Go(func() { n.pause(3 * time.Second); d.SetRule(nil) })
	case k == 11 && n.intn(4) == 0:
		n.killClient(c)
	}
}

// killClient ends a client, unless it is the last.
func (n *nemesis) killClient(c *client) {
	for _, o := range n.s.clients {
		if o != c && !o.isDead() {
			n.s.logf("client %d crashes", c.id)
			c.crash()
			return
		}
	}
}

// fall ends a brick's process, or takes the power from its machine, and brings it back. One
// at a time: what a majority forgets is lost.
func (n *nemesis) fall(i int) {
	n.mu.Lock()
	was := n.dark
	n.dark = true
	power := n.rng.IntN(3) > 0 && len(n.prey) == 1 // what has been missed by another brick too is lost
	rng := rand.New(rand.NewPCG(n.rng.Uint64(), 0))
	n.mu.Unlock()
	if was {
		return
	}
	b, voucher := n.s.bricks[i], n.s.vlinks[i]
	n.s.logf("brick %d ends, power lost %v", i, power)
	links := slices.DeleteFunc(slices.Clone(n.s.links), func(l *link) bool { return l.brick != b || l == voucher })
	voucher.hold()
	for _, l := range links {
		l.hold()
	}
	n.pause(3 * time.Second)
	j, err := b.journal.afterLoss(rng, !power)
	if err == nil {
		n.s.logf("brick %d is back with %d of %d changes", i, len(j.log), len(b.journal.log))
		err = b.start(j, power)
	}
	if err != nil {
		n.s.fail("brick %d: %v", i, err)
		return
	}
	voucher.release()
	for {
		was, err := n.s.voucher.Vouch(ctx, i)
		n.s.logf("brick %d was suspect %v: %v", i, was, err)
		if err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	for _, l := range links {
		l.release()
	}
	n.recover(i)
	n.mu.Lock()
	n.dark = false
	n.mu.Unlock()
}

// recover heals until nobody blames brick i any more. Until then a second brick may not
// forget anything: two are a majority.
func (n *nemesis) recover(i int) {
	for n.s.blamed(i) {
		select {
		case <-n.stop:
			return
		case <-time.After(300 * time.Millisecond):
		}
		for _, g := range n.s.pending(n.s.voucher) {
			o, err := n.s.voucher.Inode(ctx, g)
			n.s.logf("after the fall of brick %d, healing %s: %v %+v", i, short(g), err, o)
		}
	}
}

// blamed reports whether some brick blames brick i for anything.
func (s *sim) blamed(i int) bool {
	key := fmt.Sprint("trusted.afr.v-client-", i)
	return slices.ContainsFunc(s.bricks, func(b *brick) bool { return b.index.blames(key) })
}

func (n *nemesis) flap(l *link) {
	n.s.logf("%s down", l.name)
	l.hold()
	n.pause(4 * time.Second)
	l.release()
	n.s.logf("%s up", l.name)
}

// bad delays some fops, and breaks the link under others.
func (n *nemesis) bad(l *link, lossy bool) faults.Action {
	switch k := n.intn(20); {
	case k == 0 && lossy: // it happens, but the link breaks before the answer
		lost := make(chan struct{})
		n.wg.Go(func() {
			time.Sleep(time.Duration(n.intn(int(50 * time.Millisecond))))
			n.flap(l)
			close(lost)
		})
		return faults.Action{Late: lost}
	case k < 5:
		return faults.Action{Wait: after(time.Duration(n.intn(int(300 * time.Millisecond))))}
	case k < 8:
		return faults.Action{Late: after(time.Duration(n.intn(int(300 * time.Millisecond))))}
	}
	return faults.Action{}
}

// fail is a disk that is full or broken. The error may come after the effect.
func (n *nemesis) fail(op fop.Fop, full bool, odds int) faults.Action {
	if n.intn(odds) != 0 {
		return faults.Action{}
	}
	e := syscall.EIO
	if full {
		e = syscall.ENOSPC
	}
	switch op {
	case fop.OpWritev, fop.OpTruncate, fop.OpSetattr, fop.OpSetxattr, fop.OpCreate, fop.OpMkdir, fop.OpUnlink,
		fop.OpRmdir, fop.OpRename, fop.OpLink, fop.OpXattrop:
		return faults.Action{Err: e, After: n.intn(3) == 0}
	case fop.OpReadv, fop.OpLookup, fop.OpOpen, fop.OpRelease, fop.OpStat:
		if !full {
			return faults.Action{Err: e}
		}
	}
	return faults.Action{}
}
