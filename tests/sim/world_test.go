package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/upcall"
	"github.com/gofs/gofs/xlators/xlator"
)

var ctx = context.Background()

// A brick is what one server process has: a disk that may fail, and above it the rest.
type brick struct {
	xlator.Xlator                // what connections lead to
	disk          *faults.Faults // above mem
}

func newBrick(t testing.TB, isArbiter bool) *brick {
	must := func(x xlator.Xlator, err error) xlator.Xlator {
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	disk := must(faults.New(xlator.Env{}, nil, []xlator.Xlator{must(mem.New(xlator.Env{}, nil, nil))})).(*faults.Faults)
	var x xlator.Xlator = newIndex(disk)
	if isArbiter {
		x = must(arbiter.New(xlator.Env{}, nil, []xlator.Xlator{x}))
	}
	x = must(upcall.New(xlator.Env{}, xlator.Options{"xattrop-pending-watchlist": "trusted.afr.v-"}, []xlator.Xlator{x}))
	return &brick{must(locks.New(xlator.Env{}, nil, []xlator.Xlator{x})), disk}
}

// A link is one client's connection to one brick. It is down while anybody holds it down.
type link struct {
	*faults.Faults
	name string
	mu   sync.Mutex
	held int // guarded by mu
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
		f, err := faults.New(xlator.Env{}, nil, []xlator.Xlator{b})
		if err != nil {
			s.t.Fatal(err)
		}
		l := &link{Faults: f.(*faults.Faults), name: fmt.Sprintf("link c%d-b%d", id, i)}
		l.SetClient(uint64(id) + 1)
		c.links = append(c.links, l)
		subs = append(subs, l)
		keys = append(keys, fmt.Sprint("v-client-", i))
	}
	opts := xlator.Options{"afr-pending-xattr": strings.Join(keys, ",")}
	if s.conf.arbiter {
		opts["arbiter-count"] = "1"
	}
	x, err := afr.New(xlator.Env{Name: "v-replicate-0"}, opts, subs)
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

	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
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
	switch k := n.intn(12); {
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
		l.SetRule(func(op fop.Fop, q any) faults.Action { return n.bad(l, lossy) })
		n.wg.Go(func() { n.pause(3 * time.Second); l.SetRule(nil) })
	case k < 11 && n.errors: // a bad disk
		full := n.intn(2) == 0
		odds := 1 + n.intn(8)
		n.s.logf("disk %d fails, full %v, odds %d", i, full, odds)
		d := n.s.bricks[i].disk
		d.SetRule(func(op fop.Fop, q any) faults.Action { return n.fail(op, full, odds) })
		n.wg.Go(func() { n.pause(3 * time.Second); d.SetRule(nil) })
	case k == 11 && len(n.s.clients) > 1 && n.intn(4) == 0:
		for _, o := range n.s.clients {
			if o != c && !o.isDead() {
				n.s.logf("client %d crashes", c.id)
				c.crash()
				return
			}
		}
	}
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
