// Package sim is a seeded simulation of replication and healing: real afr, heal, locks and
// arbiter over bricks in memory, in a synctest bubble, with clients whose links break, bricks
// whose disks fail and which lose power, and clients that crash. Every answer is compared
// with a model, and at the end every brick is. docs/simulation.md tells what is simulated
// and what it found.
//
// Each client has owners, each with names and files that it alone changes, one operation
// after the other, and that everybody reads; and a sharer, which changes what the sharers of
// the other clients change too. What these see is judged by porcupine.
//
// Seeds are run by processes of one thread, so that a run is decided by its seed but for a
// few coincidences.
//
//	go test ./tests/sim -run 'TestReplication/arbiter' -seed 17 -v
package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
)

// regressions are seeds that found a bug once.
var regressions = map[string][]int64{
	"replica 2": {11, 22, 36, 38, 52, 74, 88, 126, 169, 775, 2764, 6565, 7454, 9070},
	"replica 3": {9, 10, 36, 58, 66, 106, 125, 143, 176, 181, 212, 371, 467, 526, 1501, 1923, 2209, 2336, 61088, 674, 70030, 100119, 100396, 202283},
	"arbiter": {0, 9, 10, 12, 30, 35, 49, 62, 67, 123, 132, 137, 181, 212, 281, 557, 571, 1005, 1711, 2336, 2687, 2940, 2954, 3471, 4703, 6180, 6900, 7176, 7216, 7714,
		10149, 10406, 10524, 10733, 10772, 11804, 60402, 62227, 100006},
}

// A config is a kind of replica set.
type config struct {
	name    string
	bricks  int
	arbiter bool
}

var configs = []config{
	{"replica 2", 2, false},
	{"replica 3", 3, false},
	{"arbiter", 3, true},
}

// A sim is one run.
type sim struct {
	t       *testing.T
	conf    config
	seed    int64
	bricks  []*brick
	clients []*client
	owners  []*owner
	hlinks  []*link      // of the healer that works meanwhile, if there is one
	voucher *heal.Healer // looks after bricks that lost power
	vlinks  []*link      // its own
	sharers []*sharer
	files   []fop.GFID // that all clients change; the last is the log
	record  *record
	shared  []fop.GFID // directories in which everybody works; the root is the first
	calm    bool       // nothing goes wrong
	errors  bool       // disks fail
	spared  bool       // a quorum of bricks of which nothing happens to any
	start   time.Time
	links   []*link       // all that were ever made
	latency time.Duration // of links, on average

	mu     sync.Mutex
	inodes []*inode            // guarded by mu; all that anybody tried to make
	byGFID map[fop.GFID]*inode // guarded by mu; the same
	trace  []event             // guarded by mu
	broken bool                // guarded by mu
}

// A say is text that is put together only if somebody wants to read it. What it is made
// of must not change.
type say struct {
	format string
	args   []any
}

func says(format string, args ...any) say { return say{format, args} }

func (s say) String() string { return fmt.Sprintf(s.format, s.args...) }

// An event is something that happened, for the report of a run that fails.
type event struct {
	at time.Duration
	say
}

func (e event) String() string { return fmt.Sprintf("%8.3f %v", e.at.Seconds(), e.say) }

// masked reports whether what goes wrong is to be hidden from programs: it happens to one of
// three bricks only. A client that died may have left the two others with a change that only one
// of them did; with the third away nobody can tell which is right.
func (s *sim) masked() bool {
	return s.spared && !slices.ContainsFunc(s.clients, (*client).isDead)
}

func (s *sim) logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, event{time.Since(s.start), says(format, args...)})
}

// fail reports a broken promise.
func (s *sim) fail(format string, args ...any) {
	s.logf("VIOLATION "+format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.t.Errorf("%s, seed %d: %s", s.conf.name, s.seed, fmt.Sprintf(format, args...))
}

func (s *sim) hasFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *sim) add(in *inode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inodes = append(s.inodes, in)
	s.byGFID[in.gfid] = in
}

func (s *sim) all() []*inode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.inodes)
}

// length is how long clients work, in the bubble's time; longest how long one operation
// may take, whatever goes wrong meanwhile: hand-overs between clients are bounded.
const (
	length  = 20 * time.Second
	longest = 30 * time.Second
)

// runSeed does one run, and reports whether all promises were kept.
func runSeed(t *testing.T, c config, seed int64) (ok bool) {
	t.Helper()
	var s *sim
	defer func() {
		if !ok {
			s.report(t)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		s = &sim{t: t, conf: c, seed: seed, start: time.Now(), byGFID: map[fop.GFID]*inode{}, record: newRecord()}
		watchdog := time.AfterFunc(time.Hour, func() {
			buf := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "%s, seed %d: stuck\n%s\n", c.name, seed, buf[:runtime.Stack(buf, true)])
			os.Exit(2)
		})
		defer watchdog.Stop()
		s.run()
	})
	return s.record.check(t)
}

// report shows what happened last.
func (s *sim) report(t *testing.T) {
	if from := len(s.trace) - shown; from > 0 && !testing.Verbose() {
		s.trace = s.trace[from:]
	}
	for _, e := range s.trace {
		t.Log(e)
	}
	t.Logf("replay: go test ./tests/sim -run 'TestReplication/%s' -seed %d", s.conf.name, s.seed)
}

// shown is how many events of a run that fails are shown, without -v.
const shown = 60

func (s *sim) run() {
	rng := rand.New(rand.NewPCG(uint64(s.seed), 1))
	for i := range s.conf.bricks {
		s.bricks = append(s.bricks, newBrick(s.t, s.conf.arbiter && i == s.conf.bricks-1))
	}
	// Hardly two things happen at one instant then, so that the seed decides their order.
	l := rand.New(rand.NewPCG(uint64(s.seed), 4))
	s.latency = []time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 2 * time.Millisecond}[l.IntN(3)]
	s.calm = rng.IntN(10) == 0
	s.errors = !s.calm && rng.IntN(2) == 0
	for id := range 1 + rng.IntN(3) {
		s.clients = append(s.clients, s.connect(id))
		time.Sleep(time.Duration(l.IntN(int(time.Millisecond))))
	}
	s.prepare(rng)
	n := &nemesis{s: s, stop: make(chan struct{}), errors: s.errors, rng: rand.New(rand.NewPCG(uint64(s.seed), 2))}
	n.prey = []int{rng.IntN(s.conf.bricks)}
	// Without quorum, what one brick alone acknowledged is lost to the other: only one
	// brick may fail there.
	if s.conf.bricks > 2 && rng.IntN(3) == 0 {
		n.prey = []int{0, 1, 2}
	}
	s.spared = s.conf.bricks > 2 && len(n.prey) == 1
	var meanwhile *heal.Healer
	hrng := rand.New(rand.NewPCG(uint64(s.seed), 3))
	if hrng.IntN(2) == 0 {
		meanwhile = s.healer(949)
	}
	s.voucher = s.healer(948)
	var trouble, work sync.WaitGroup
	if !s.calm {
		trouble.Go(n.run)
	}
	for _, o := range s.owners {
		work.Go(o.run)
	}
	for _, o := range s.sharers {
		work.Go(o.run)
	}
	if meanwhile != nil {
		trouble.Go(func() { s.healing(meanwhile, n.stop, hrng) })
	}
	time.Sleep(length)
	close(n.stop)
	work.Wait()
	trouble.Wait()
	for _, b := range s.bricks {
		b.disk.SetRule(nil)
	}
	for _, l := range s.links {
		l.misbehave(nil)
	}
	s.finish()
}

// prepare makes the shared directories while all is well.
func (s *sim) prepare(rng *rand.Rand) {
	s.shared = []fop.GFID{fop.RootGFID}
	for i := range 2 {
		g := gfid(rng)
		if _, err := s.clients[0].Mkdir(ctx, &fop.MkdirReq{Req: req(), Parent: fop.RootGFID, Name: fmt.Sprint("shared", i), GFID: g, Mode: 0o755}); err != nil {
			s.t.Fatal(err)
		}
		s.shared = append(s.shared, g)
	}
	for _, c := range s.clients {
		for range 2 {
			o := &owner{s: s, c: c, id: len(s.owners), rng: rand.New(rand.NewPCG(uint64(s.seed), uint64(10+len(s.owners))))}
			o.names.m = map[place]*history[fop.GFID]{}
			s.owners = append(s.owners, o)
		}
	}
	s.share(rng)
	for i, c := range s.clients {
		o := &owner{s: s, c: c, id: 100 + i, rng: rand.New(rand.NewPCG(uint64(s.seed), uint64(100+i)))}
		s.sharers = append(s.sharers, &sharer{owner: o})
	}
	if rng.IntN(2) == 0 {
		time.Sleep(3 * time.Second) // leases are given up: everybody begins equal
	}
}

// gfid makes GFIDs that are the same in each replay: they decide who is read.
func gfid(rng *rand.Rand) (g fop.GFID) {
	for i := range g {
		g[i] = byte(rng.Uint32())
	}
	return g
}

func req() fop.Req {
	return fop.Req{Caller: &fop.Caller{UID: 7, GID: 8, PID: 9, Time: fop.TimeOf(time.Now())}}
}
