package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A replicated system has bricks that can be away, and heals what they missed.
type replicated interface {
	system
	cli() string      // how its command line begins
	healer() []string // pieces of its heal daemon's command line
}

const (
	victim    = 1 // the brick that misses things: one with data
	healLimit = 20 * time.Minute
	// enoughHealing is after how long the small files that are healed are counted, if not all are.
	enoughHealing = 3 * time.Minute
	missedDirs    = 100
	bigSize       = 1 << 30
	// 1 % of the big file's blocks change: 4 KiB each, at random places.
	changedBlocks = bigSize / 4096 / 100
	// manyPending are listed in an index without anything behind them.
	manyPending = 1000000
	foreground  = 5 * time.Second
)

// healSteps are measured only on replicated systems. They build on each other. The last two
// are goals of gofs for itself: others would be at them for hours.
var healSteps = []healStep{
	{"heal: 1 GiB, 1 % changed", healBig},
	{"heal: 10,000 files of 4 KiB", healSmall},
	{"heal: creates meanwhile", healBudget},
	{"heal: a million pending", healMany},
}

// A healStep adds rows to the result by itself.
type healStep struct {
	name string
	run  func(s replicated, row func(what string, v float64, unit string)) error
}

func runHeal(s system, wanted func(string) bool, res *results) error {
	r, ok := s.(replicated)
	if !ok {
		return nil
	}
	for _, w := range healSteps {
		if !wanted(w.name) {
			continue
		}
		err := w.run(r, func(what string, v float64, unit string) {
			name := w.name
			if what != "" {
				name += ", " + what
			}
			res.add(s, name, v, unit)
			fmt.Fprintf(os.Stderr, "  %-44s %12.2f %s\n", name, v, unit)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func brickDir(i int) string { return fmt.Sprintf("%s/b%d/brick", work, i) }

// lose kills the victim's process and takes its disk away, so that nobody starts it again.
func lose(s replicated) error {
	for _, pid := range pidsOf(s.commands()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if args := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(args, brickDir(victim)+" ") && !strings.Contains(args, " mount ") {
			syscall.Kill(pid, syscall.SIGKILL)
			syscall.Wait4(pid, nil, 0, nil) // this is its init: a zombie would look alive
		}
	}
	return eventually("umount %s/b%d", work, victim)
}

// giveBack mounts the victim's disk, has its process started and the healing begin.
func giveBack(s replicated) error {
	if err := sh("mount -o loop,noatime %[1]s/disk%[2]d.img %[1]s/b%[2]d && %[3]s volume start v force", work, victim, s.cli()); err != nil {
		return err
	}
	sh("%s volume heal v", s.cli()) // or later, when its healer is connected
	return nil
}

// pending counts what the index of a brick that was up lists: what is under way too, unless
// only blame is asked for. Reading a directory disturbs nobody.
func pending(lists ...string) int {
	n := 0
	for _, list := range lists {
		names, _ := os.ReadDir(brickDir(0) + "/.glusterfs/indices/" + list)
		for _, e := range names {
			if !strings.HasPrefix(e.Name(), list+"-") {
				n++
			}
		}
	}
	return n
}

var errNotHealed = errors.New("it is not healed in time")

// healed waits until nothing is pending, and asks the system whether that is so.
func healed(s replicated, limit time.Duration) error {
	last := time.Now()
	for end := last.Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if pending("xattrop", "dirty") == 0 {
			return eventually("%s volume heal v info summary | grep -c '^Total Number of entries: 0$' | grep -qx 3", s.cli())
		}
		if time.Since(last) > 5*time.Second { // some healers have to be told again
			last = time.Now()
			sh("%s volume heal v", s.cli())
		}
	}
	return errNotHealed
}

// sameTree compares a directory on the victim with that on another brick.
func sameTree(dir string) error {
	return sh("diff -r %s/%s %s/%s", brickDir(0), dir, brickDir(victim), dir)
}

// missSmall makes files in n directories while the victim is away.
func missSmall(s replicated, name string, n int) error {
	if err := lose(s); err != nil {
		return err
	}
	return makeFiles(filepath.Join(s.dir(), name), n, nil)
}

// makeFiles makes files of 4 KiB, perDir in each of n directories, until stop is set.
func makeFiles(root string, n int, made *atomic.Int64, stop ...*atomic.Bool) error {
	var wg sync.WaitGroup
	errs := make([]error, threads)
	for t := range threads {
		wg.Go(func() {
			for d := t; d < n && errs[t] == nil; d += threads {
				dir := fmt.Sprintf("%s/d%d", root, d)
				errs[t] = os.MkdirAll(dir, 0o755)
				for i := 0; i < perDir && errs[t] == nil; i++ {
					if len(stop) > 0 && stop[0].Load() {
						return
					}
					errs[t] = os.WriteFile(fmt.Sprintf("%s/f%d", dir, i), block, 0o644)
					if made != nil {
						made.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func healSmall(s replicated, row func(string, float64, string)) error {
	if err := missSmall(s, "healed", missedDirs); err != nil {
		return err
	}
	ms, err := summaryTime(s)
	if err != nil {
		return err
	}
	row("info summary before", ms, "ms")
	start, busy := time.Now(), cpuTime(s)
	if err := giveBack(s); err != nil {
		return err
	}
	err = healed(s, enoughHealing)
	took, used := time.Since(start).Seconds(), cpuTime(s)-busy
	n := float64(missedDirs * perDir)
	if errors.Is(err, errNotHealed) {
		n = float64(whole("healed"))
	} else if err == nil {
		err = sameTree("healed")
	}
	if err != nil && !errors.Is(err, errNotHealed) {
		return err
	}
	row("", n/took, "files/s")
	row("CPU per file", used/n*1e6, "us")
	return nil
}

// whole counts the files of a directory that the victim has with all that is in them.
func whole(dir string) (n int) {
	files, _ := filepath.Glob(brickDir(victim) + "/" + dir + "/d*/f*")
	for _, f := range files {
		if text, _ := os.ReadFile(f); bytes.Equal(text, block) {
			n++
		}
	}
	return n
}

// summaryTime is how long heal info summary takes.
func summaryTime(s replicated) (float64, error) {
	start := time.Now()
	err := sh("%s volume heal v info summary", s.cli())
	return float64(time.Since(start).Milliseconds()), err
}

func healBig(s replicated, row func(string, float64, string)) error {
	file := s.dir() + "/big"
	if err := sh("head -c %d /dev/urandom >%s && sync %[2]s", bigSize, file); err != nil {
		return err
	}
	if err := atRest(); err != nil {
		return err
	}
	if err := lose(s); err != nil {
		return err
	}
	if err := changeBlocks(file); err != nil {
		return err
	}
	before := healerIO(s)
	start := time.Now()
	if err := giveBack(s); err != nil {
		return err
	}
	if err := healed(s, healLimit); err != nil {
		return err
	}
	row("", bigSize/(1<<20)/time.Since(start).Seconds(), "MiB/s")
	after := healerIO(s)
	row("sent per byte changed", float64(after.sent-before.sent)/(changedBlocks*4096), "")
	row("received per byte changed", float64(after.received-before.received)/(changedBlocks*4096), "")
	return sh("cmp %s/big %s/big", brickDir(0), brickDir(victim))
}

// atRest waits until no brick says that a change is under way.
func atRest() error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if pending("xattrop", "dirty") == 0 {
			return nil
		}
	}
	return errors.New("what was written is not at rest")
}

// changeBlocks writes random blocks, each once.
func changeBlocks(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	seen, b := map[int64]bool{}, make([]byte, 4096)
	for len(seen) < changedBlocks {
		k, err := rand.Int(rand.Reader, big.NewInt(bigSize/4096))
		if err != nil {
			return err
		}
		rand.Read(b)
		if _, err := f.WriteAt(b, k.Int64()*4096); err != nil {
			return err
		}
		seen[k.Int64()] = true
	}
	return f.Sync()
}

// traffic is what a process has sent and received, or otherwise read and written.
type traffic struct{ sent, received int64 }

func healerIO(s replicated) (t traffic) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", healerPid(s)))
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "wchar":
			t.sent = n
		case "rchar":
			t.received = n
		}
	}
	return t
}

func healerPid(s replicated) int {
	for _, pid := range pidsOf(s.commands()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(string(line), "\x00")
		if !slices.ContainsFunc(s.healer(), func(piece string) bool { return !slices.Contains(args, piece) }) {
			return pid
		}
	}
	return 0
}

// healBudget measures how fast files are made alone, before and after, and while others are
// healed.
func healBudget(s replicated, row func(string, float64, string)) error {
	if s.name() != "gofs" {
		return nil
	}
	alone, err := creates(s, "alone", nil)
	if err != nil {
		return err
	}
	if err := missSmall(s, "budget", missedDirs); err != nil {
		return err
	}
	if err := giveBack(s); err != nil {
		return err
	}
	// From when healing has begun, and programs have the brick back too.
	if err := eventually("ls %s/budget/d*/f*", brickDir(victim)); err != nil {
		return err
	}
	time.Sleep(time.Second)
	was, start := pending("xattrop"), time.Now()
	if was == 0 {
		return errors.New("it was healed before anything could be measured")
	}
	meanwhile, err := creates(s, "meanwhile", func() bool { return pending("xattrop") < missedDirs*perDir/50 })
	if err != nil {
		return err
	}
	row("healed meanwhile", float64(was-pending("xattrop"))/time.Since(start).Seconds(), "files/s")
	if err := healed(s, healLimit); err != nil {
		return err
	}
	after, err := creates(s, "after", nil)
	if err != nil {
		return err
	}
	row("speed kept", 2*meanwhile/(alone+after), "")
	return sameTree("budget")
}

// creates makes files for a while, or until over says so, and returns how many a second.
func creates(s replicated, name string, over func() bool) (float64, error) {
	var made atomic.Int64
	var stop atomic.Bool
	start := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for time.Since(start) < foreground && (over == nil || !over()) {
			time.Sleep(100 * time.Millisecond)
		}
		stop.Store(true)
	}()
	err := makeFiles(filepath.Join(s.dir(), name), 1<<20, &made, &stop)
	<-done
	return float64(made.Load()) / time.Since(start).Seconds(), err
}

// healMany fills an index with GFIDs that no brick has, starts the volume, asks for the
// summary and watches the heal daemon's memory while it finds that out.
func healMany(s replicated, row func(string, float64, string)) error {
	if s.name() != "gofs" {
		return nil
	}
	if err := sh("umount %s; %s volume stop v force", s.dir(), s.cli()); err != nil {
		return err
	}
	list := brickDir(0) + "/.glusterfs/indices/xattrop/"
	base := list + "xattrop-00000000-0000-4000-8000-000000000000"
	if err := os.WriteFile(base, nil, 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for i := range manyPending {
		if err := os.Link(base, fmt.Sprintf("%s%08x-1111-4111-8111-%012x", list, i*4096+7, i)); err != nil {
			return err
		}
	}
	if err := sh("%s volume start v", s.cli()); err != nil {
		return err
	}
	if err := eventually("%s volume heal v info summary | grep -q '^Total Number of entries: [1-9]'", s.cli()); err != nil {
		return err
	}
	ms, err := summaryTime(s)
	if err != nil {
		return err
	}
	row("info summary", ms, "ms")
	start, peak := time.Now(), 0.0
	for time.Since(start) < 2*time.Minute && pending("xattrop") > manyPending/20 {
		_, rss := usageOf(healerPid(s))
		peak = max(peak, rss)
		time.Sleep(2 * time.Second)
	}
	row("heal daemon's memory", peak, "MiB")
	return exec.Command("rm", "-rf", list).Run()
}
