package pool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/tests/copies"
	"github.com/gofs/gofs/tests/twins"
)

var (
	faultSeed = flag.Uint64("faultseed", 0, "seed of TestFaults; 0: another one each time")
	faultTime = flag.Duration("faulttime", 45*time.Second, "how long TestFaults makes faults")
)

// longestStall is how long a program may wait for a write when a brick no longer answers.
// The time after which a silent brick counts as down is 5 s; the rest is for a machine
// under load.
const longestStall = 10 * time.Second

// What may be hurt, and how.
var (
	bricks = []int{0, 1, 2}
	kinds  = []string{"killed", "frozen", "cut off", "hung", "full", "without power"}
)

// TestFaults hurts one brick at a time while programs work in the mount: its process is
// killed or frozen, its node is cut off, its disk hangs or is full, both lose power. No program may see an error; after
// the last heal the bricks have the same, and the mount has what a local directory has that
// was changed in the same way.
//
//	go test ./tests/pool -run TestFaults -v -timeout 30m -faulttime 10m
func TestFaults(t *testing.T) {
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("to repeat: go test ./tests/pool -run TestFaults -faultseed %d -faulttime %v", seed, *faultTime)
	p := newPool(t, 3)
	for _, n := range p.nodes {
		n.ownDisk("500m")
	}
	p.probeAll()
	p.create("vol")
	p.nodes[0].must("volume", "set", "vol", "network.frame-timeout", "4")
	p.mount("vol")
	f := &faults{p: p, r: rand.New(rand.NewPCG(seed, 0)), victims: slices.Clone(bricks), kinds: slices.Clone(kinds)}
	programs := f.programs(seed)
	for end := time.Now().Add(*faultTime); time.Now().Before(end) && !t.Failed(); {
		f.once()
	}
	programs()
	f.healed(90 * time.Second)
	p.eventually(60*time.Second, func() string {
		if err := copies.Differ(p.copies("vol"), true); err != nil {
			return err.Error()
		}
		return ""
	})
}

// ownDisk gives a node a disk for its bricks.
func (n *node) ownDisk(size string) {
	n.p.t.Helper()
	n.p.sh("truncate -s %[1]s %[2]s.img && mkfs.xfs -q %[2]s.img && mkdir -p %[2]s && mount -o loop %[2]s.img %[2]s", size, n.path("bricks"))
	n.p.t.Cleanup(func() {
		exec.Command("fsfreeze", "-u", n.path("bricks")).Run() // if the test ended too early
		exec.Command("umount", "-l", n.path("bricks")).Run()
	})
}

// copies are the bricks of a volume that create made.
func (p *pool) copies(vol string) (out []copies.Brick) {
	for i, n := range p.nodes {
		out = append(out, copies.Brick{Dir: n.path("bricks/" + vol), Arbiter: i == 2})
	}
	return out
}

// faults makes them.
type faults struct {
	p       *pool
	r       *rand.Rand
	victims []int    // what is left of a round over all nodes
	kinds   []string // of a round over all kinds
	pulse   *pulse
	count   int
}

// draw takes one of what is left at random, and begins anew when nothing is.
func draw[T any](r *rand.Rand, left *[]T, all []T) T {
	if len(*left) == 0 {
		*left = append(*left, all...)
	}
	i := r.IntN(len(*left))
	x := (*left)[i]
	*left = append((*left)[:i], (*left)[i+1:]...)
	return x
}

// once hurts a brick, makes it whole again, and waits until it is healed.
func (f *faults) once() {
	f.p.t.Helper()
	n := f.p.nodes[draw(f.r, &f.victims, bricks)]
	kind := draw(f.r, &f.kinds, kinds)
	f.pulse.longest.Store(0)
	begin := time.Now()
	var missed int
	switch kind {
	case "killed":
		n.killBrick()
		time.Sleep(500 * time.Millisecond)
		missed = f.toHeal()
	case "frozen":
		pid := n.brickPid()
		syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(7 * time.Second)
		missed = f.toHeal()
		syscall.Kill(pid, syscall.SIGCONT)
	case "cut off":
		f.p.sh("ip -n %[1]s-sw link set v%[2]d down", f.p.name, n.number)
		time.Sleep(8 * time.Second)
		missed = f.toHeal()
		f.p.sh("ip -n %[1]s-sw link set v%[2]d up", f.p.name, n.number)
	case "hung":
		f.p.sh("fsfreeze -f %s", n.path("bricks"))
		time.Sleep(8 * time.Second)
		missed = f.toHeal()
		f.p.sh("fsfreeze -u %s", n.path("bricks"))
	case "without power":
		n.losePower()
		missed = f.toHeal()
	case "full":
		n.fill()
		time.Sleep(3 * time.Second)
		missed = f.toHeal()
		if err := os.Remove(n.path("bricks/filler")); err != nil {
			f.p.t.Error(err)
		}
	}
	hurt := time.Since(begin)
	begin = time.Now()
	f.healed(90 * time.Second)
	f.count++
	stall := time.Duration(f.pulse.longest.Load())
	f.p.t.Logf("%d: brick of node %d was %s for %.1fs and missed changes of %d inodes; healed after %.1fs; a write took %v at most", f.count, n.number, kind, hurt.Seconds(), missed, time.Since(begin).Seconds(), stall.Round(time.Millisecond))
	if stall > longestStall {
		f.p.t.Errorf("brick of node %d %s: a write took %v", n.number, kind, stall)
	}
}

// toHeal counts the inodes that have to be healed, twice if two bricks know.
func (f *faults) toHeal() (n int) {
	for _, node := range f.p.nodes {
		n += copies.Accusations(node.path("bricks/vol"))
	}
	return n
}

// healed waits until all bricks run and none accuses another.
func (f *faults) healed(limit time.Duration) {
	f.p.t.Helper()
	f.p.eventually(limit, func() string {
		for _, n := range f.p.nodes {
			if n.brickPid() == 0 {
				return fmt.Sprintf("the brick of node %d does not run", n.number)
			}
			if left := copies.Accusations(n.path("bricks/vol")); left > 0 {
				out, _, _ := f.p.nodes[0].try("volume", "heal", "vol", "info")
				return fmt.Sprintf("the brick of node %d has %d inodes to heal from\n%s", n.number, left, out)
			}
		}
		return ""
	})
}

// brickPid is the process of the node's brick; 0: there is none.
func (n *node) brickPid() int {
	text, err := os.ReadFile(n.brickPidFile())
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); pid < 2 || !strings.HasPrefix(exe, gofs) {
		return 0
	}
	return pid
}

func (n *node) brickPidFile() string {
	files, _ := filepath.Glob(n.path("run/vols/vol/*.pid"))
	return strings.Join(files, "")
}

func (n *node) killBrick() {
	if pid := n.brickPid(); pid != 0 {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// losePower takes the power from the node's brick and its disk, and mounts the disk again: what
// was not on it is gone. The daemon sleeps meanwhile, since it would start the brick.
func (n *node) losePower() {
	n.p.t.Helper()
	n.freeze()
	defer n.thaw()
	if pid := n.brickPid(); pid != 0 {
		syscall.Kill(pid, syscall.SIGSTOP)
		n.p.sh("xfs_io -x -c shutdown %s", n.path("bricks")) // without writing the log
		syscall.Kill(pid, syscall.SIGKILL)
	}
	n.p.sh("until umount %[1]s; do sleep 0.1; done && mount -o loop %[1]s.img %[1]s", n.path("bricks"))
}

// fill leaves no room on the disk of the node's brick.
func (n *node) fill() {
	n.p.t.Helper()
	f, err := os.Create(n.path("bricks/filler"))
	if err != nil {
		n.p.t.Fatal(err)
	}
	defer f.Close()
	for size := int64(64 << 20); size >= 4096; {
		st, err := f.Stat()
		if err != nil {
			n.p.t.Fatal(err)
		}
		if unix.Fallocate(int(f.Fd()), 0, st.Size(), size) != nil {
			size /= 2
		}
	}
}

// programs lets programs work in the mount until the function that it returns is called,
// which waits for them and reports what they saw.
func (f *faults) programs(seed uint64) func() {
	p := f.p
	p.t.Helper()
	endFio := p.runFio()
	for _, dir := range []string{"dbench", "tree"} {
		if err := os.Mkdir(filepath.Join(p.mnt, dir), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	local := filepath.Join(p.dir, "local")
	if err := os.Mkdir(local, 0o755); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { f.dbench(ctx) })
	wg.Go(func() { f.tree(ctx, twins.New(seed, filepath.Join(p.mnt, "tree"), local)) })
	f.pulse = &pulse{path: filepath.Join(p.mnt, "pulse")}
	wg.Go(func() {
		if err := f.pulse.beat(ctx); err != nil {
			p.t.Errorf("the writer that is timed: %v", err)
		}
	})
	stop := sync.OnceFunc(func() { cancel(); wg.Wait(); endFio() })
	p.t.Cleanup(stop)
	return stop
}

// dbench runs dbench again and again.
func (f *faults) dbench(ctx context.Context) {
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, "dbench", "-D", filepath.Join(f.p.mnt, "dbench"), "-t", "10", "-R", "4", "2")
		// With its children, which would go on for ever without it.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		out, err := cmd.CombinedOutput()
		if ctx.Err() == nil && err != nil {
			f.p.t.Errorf("dbench: %v\n%.2000s", err, out)
			return
		}
	}
}

// tree changes a tree at random, and begins a new one now and then.
func (f *faults) tree(ctx context.Context, w *twins.Trees) {
	for ctx.Err() == nil {
		var errs []error
		for i := 0; i < 30 && ctx.Err() == nil; i++ {
			errs = append(errs, w.Change(10))
			time.Sleep(50 * time.Millisecond) // the machine has other things to do, too
		}
		errs = append(errs, w.Compare(), w.Clear())
		if err := errors.Join(errs...); err != nil {
			f.p.t.Errorf("a tree that is changed at random: %v", err)
			return
		}
	}
}
