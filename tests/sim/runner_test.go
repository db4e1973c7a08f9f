package sim

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seedFlag     = flag.Int64("seed", -1, "run only this seed")
	repeatFlag   = flag.Int("repeat", 1, "how often to run -seed")
	runsFlag     = flag.Int64("runs", usualRuns, "how many seeds per configuration")
	fromFlag     = flag.Int64("from", 0, "the first seed")
	progressFlag = flag.Duration("progress", 0, "tell how far it is that often")
	workerFlag   = flag.Bool("worker", false, "run the seeds that come on the standard input")
)

// enough seeds that fail: the others are not tried.
const enough = 10

// Seeds are run by several processes of one thread each: a seed then decides nearly all
// of a run, and no run waits for another's garbage.
func TestReplication(t *testing.T) {
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			switch {
			case *workerFlag:
				work(t, c)
			case *seedFlag >= 0:
				for range *repeatFlag {
					if !runSeed(t, c, *seedFlag) {
						return
					}
				}
			default:
				t.Parallel()
				newCampaign(t, c).run()
			}
		})
	}
}

// work runs the seeds that come on the standard input, and says "ok" to each that is.
func work(t *testing.T, c config) {
	debug.SetGCPercent(-1) // or it would change the order of goroutines
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var seed int64
		if _, err := fmt.Sscan(in.Text(), &seed); err != nil {
			t.Fatal(err)
		}
		if !runSeed(t, c, seed) {
			return
		}
		fmt.Println("ok", seed)
		runtime.GC()
	}
}

// slots are how many processes run seeds at once.
var slots = make(chan struct{}, runtime.NumCPU())

// A campaign is all runs of one configuration.
type campaign struct {
	t     *testing.T
	conf  config
	total int
	start time.Time

	mu     sync.Mutex
	seeds  []int64 // guarded by mu; those that nobody has begun
	done   int     // guarded by mu
	failed []int64 // guarded by mu
}

func newCampaign(t *testing.T, c config) *campaign {
	n := &campaign{t: t, conf: c, start: time.Now(), seeds: slices.Clone(regressions[c.name])}
	for i := range *runsFlag {
		n.seeds = append(n.seeds, *fromFlag+i)
	}
	n.total = len(n.seeds)
	return n
}

// next returns a seed that nobody has begun, if there is one and it is worth while.
func (n *campaign) next() (seed int64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.seeds) == 0 || len(n.failed) >= enough {
		return 0, false
	}
	seed, n.seeds = n.seeds[0], n.seeds[1:]
	return seed, true
}

func (n *campaign) run() {
	var workers, teller sync.WaitGroup
	for range cap(slots) {
		workers.Go(func() {
			for n.process() {
			}
		})
	}
	over := make(chan struct{})
	if *progressFlag > 0 {
		teller.Go(func() { n.tell(over) })
	}
	workers.Wait()
	close(over)
	teller.Wait()
	n.t.Logf("%v", n)
}

// batch is how many seeds a process runs, one after the other.
const batch = 100

// process runs seeds in a process of its own until one fails. false: there are no more.
func (n *campaign) process() bool {
	slots <- struct{}{}
	defer func() { <-slots }()
	seed, ok := n.next()
	if !ok {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestReplication$/^"+strings.ReplaceAll(n.conf.name, " ", "_")+"$", "-test.timeout=0", "-worker")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	in, err := cmd.StdinPipe()
	if err == nil {
		var out io.ReadCloser
		if out, err = cmd.StdoutPipe(); err == nil {
			err = cmd.Start()
		}
		if err == nil {
			n.talk(seed, in, out, &errors, cmd)
		}
	}
	if err != nil {
		n.t.Errorf("cannot run seeds in a process of their own: %v", err)
		return false
	}
	return true
}

// talk gives a process seeds, from the first on, and waits for its end.
func (n *campaign) talk(seed int64, in io.WriteCloser, out io.Reader, errors *bytes.Buffer, cmd *exec.Cmd) {
	lines := bufio.NewScanner(out)
	var report strings.Builder
	good := true
	for k := 1; good; k++ {
		fmt.Fprintln(in, seed)
		if good = lines.Scan() && lines.Text() == fmt.Sprint("ok ", seed); !good {
			break
		}
		n.note(seed, true)
		var more bool
		if k == batch {
			break
		} else if seed, more = n.next(); !more {
			break
		}
	}
	in.Close()
	fmt.Fprintln(&report, lines.Text())
	for lines.Scan() {
		fmt.Fprintln(&report, lines.Text())
	}
	err := cmd.Wait()
	if !good {
		n.note(seed, false)
		n.t.Errorf("%s, seed %d: %v\n%s%s", n.conf.name, seed, err, report.String(), errors.String())
	}
}

func (n *campaign) note(seed int64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done++; !ok {
		n.failed = append(n.failed, seed)
	}
}

// String tells how far it is.
func (n *campaign) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	took := time.Since(n.start)
	s := fmt.Sprintf("%s: %d of %d seeds, %.1f in a second", n.conf.name, n.done, n.total, float64(n.done)/took.Seconds())
	if left := n.total - n.done; left > 0 && n.done > 0 {
		s += fmt.Sprintf(", %v left", (took / time.Duration(n.done) * time.Duration(left)).Round(time.Second))
	}
	if len(n.failed) > 0 {
		s += fmt.Sprintf(", failed: %v", n.failed)
	}
	return s
}

// tell says on the standard error how far it is, now and then.
func (n *campaign) tell(over <-chan struct{}) {
	tick := time.NewTicker(*progressFlag)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			fmt.Fprintln(os.Stderr, n)
		}
	}
}
