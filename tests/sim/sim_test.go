// Package sim is a seeded simulation of replication and healing: real afr over bricks
// in memory, in a synctest bubble, with clients whose links break, whose disks fail, and
// who crash. Every answer is compared with a model, and at the end every brick is.
//
// Each name and each file has one owner, a goroutine of one client, who alone changes
// it, one operation after the other; everybody reads. A run is decided by its seed, save
// for the order in which goroutines of the same instant run.
//
//	go test ./tests/sim -run 'TestReplication/arbiter' -seed 17 -v
package sim

import (
	"flag"
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

var (
	seedFlag = flag.Int64("seed", -1, "run only this seed")
	runsFlag = flag.Int("runs", 0, "how many seeds per configuration")
	fromFlag = flag.Int64("from", 0, "the first seed")
)

// regressions are seeds that found a bug once.
var regressions = map[string][]int64{
	"replica 2": {11, 22, 36, 74},
	"replica 3": {9, 10, 66, 106, 143, 212},
	"arbiter":   {9, 30, 35, 49, 67, 181, 212, 281, 1005},
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

func TestReplication(t *testing.T) {
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			if *seedFlag >= 0 {
				runSeed(t, c, *seedFlag)
				return
			}
			n := *runsFlag
			if n == 0 {
				t.Skip("run by make sim: one seed in several hundred still fails, and not each time")
			}
			for _, seed := range regressions[c.name] {
				runSeed(t, c, seed)
			}
			for i := range n {
				if runSeed(t, c, *fromFlag+int64(i)); t.Failed() {
					return
				}
			}
		})
	}
}

// A sim is one run.
type sim struct {
	t       *testing.T
	conf    config
	seed    int64
	bricks  []*brick
	clients []*client
	owners  []*owner
	hlinks  []*link    // of the healer that works meanwhile, if there is one
	shared  []fop.GFID // directories in which everybody works; the root is the first
	calm    bool       // nothing goes wrong
	errors  bool       // disks fail
	start   time.Time

	mu     sync.Mutex
	inodes []*inode // guarded by mu; all that anybody tried to make
	trace  []string // guarded by mu
	broken bool     // guarded by mu
}

func (s *sim) logf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf("%8.3f ", time.Since(s.start).Seconds())+fmt.Sprintf(format, args...))
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

func runSeed(t *testing.T, c config, seed int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sim{t: t, conf: c, seed: seed, start: time.Now()}
		watchdog := time.AfterFunc(time.Hour, func() {
			buf := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "%s, seed %d: stuck\n%s\n", c.name, seed, buf[:runtime.Stack(buf, true)])
			os.Exit(2)
		})
		defer watchdog.Stop()
		s.run()
		if s.hasFailed() {
			if from := len(s.trace) - 150; from > 0 && !testing.Verbose() {
				s.trace = s.trace[from:]
			}
			for _, l := range s.trace {
				t.Log(l)
			}
			t.Logf("replay: go test ./tests/sim -run 'TestReplication/%s' -seed %d", c.name, seed)
		}
	})
}

func (s *sim) run() {
	rng := rand.New(rand.NewPCG(uint64(s.seed), 1))
	for i := range s.conf.bricks {
		s.bricks = append(s.bricks, newBrick(s.t, s.conf.arbiter && i == s.conf.bricks-1))
	}
	s.calm = rng.IntN(10) == 0
	s.errors = !s.calm && rng.IntN(2) == 0
	for id := range 1 + rng.IntN(3) {
		s.clients = append(s.clients, s.connect(id))
	}
	s.prepare(rng)
	n := &nemesis{s: s, stop: make(chan struct{}), errors: s.errors, rng: rand.New(rand.NewPCG(uint64(s.seed), 2))}
	n.prey = []int{rng.IntN(s.conf.bricks)}
	// Without quorum, what one brick alone acknowledged is lost to the other: only one
	// brick may fail there.
	if s.conf.bricks > 2 && rng.IntN(3) == 0 {
		n.prey = []int{0, 1, 2}
	}
	var meanwhile *heal.Healer
	hrng := rand.New(rand.NewPCG(uint64(s.seed), 3))
	if hrng.IntN(2) == 0 {
		meanwhile = s.healer(949)
	}
	var trouble, work sync.WaitGroup
	if !s.calm {
		trouble.Go(n.run)
	}
	for _, o := range s.owners {
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
	for _, c := range s.clients {
		for _, l := range c.links {
			l.SetRule(nil)
		}
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
