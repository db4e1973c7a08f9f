package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBricksChange replaces a brick, resets one, and lowers and raises the replica count while a
// mount writes and reads all the time: no error, nothing else is ever read than what was
// written, and at the end all bricks are equal.
func TestBricksChange(t *testing.T) {
	t.Parallel()
	lay := arbiter
	lay.heals = true
	c := start(t, lay)
	m := c.mount("")
	for i := range 60 { // what only healing brings to new bricks
		dir := m.path(fmt.Sprintf("old/%d/sub", i%7))
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(fmt.Sprintf("%s/%d", dir, i), rubbish(int64(i), 20<<10), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorkers(t, m.path("."), 3)
	step := func(what string, f func()) {
		t.Helper()
		before, from := w.done(), time.Now()
		f()
		w.await(10)
		w.readAll(func() { c.waitFor(30*time.Second, c.unclean) })
		t.Logf("%s: %d changes meanwhile, %v", what, w.done()-before, time.Since(from).Round(time.Millisecond))
		if w.done() == before {
			t.Errorf("%s: no change was made meanwhile", what)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	name := func(i int) string { return c.addr + ":" + c.bricks[i] }
	step("replace a brick", func() {
		old, gone := name(1), c.bricks[1]
		c.bricks[1] = c.disks[1] + "/new"
		c.must("volume", "replace-brick", "v", old, name(1), "commit", "force")
		if _, err := os.Stat(gone + "/old/0/sub/0"); err != nil {
			t.Errorf("what the old brick held is gone: %v", err)
		}
	})
	step("replace the arbiter", func() {
		old := name(2)
		c.bricks[2] = c.disks[2] + "/new"
		c.must("volume", "replace-brick", "v", old, name(2), "commit", "force")
	})
	step("reset a brick with a new disk", func() {
		c.must("volume", "reset-brick", "v", name(0), "start")
		c.sh("rm -rf %s", c.bricks[0])
		c.must("volume", "reset-brick", "v", name(0), name(0), "commit")
	})
	step("reset a brick as it is", func() {
		c.must("volume", "reset-brick", "v", name(1), "start")
		w.await(20)
		c.must("volume", "reset-brick", "v", name(1), name(1), "commit", "force")
	})
	step("give the arbiter up", func() {
		c.must("--mode=script", "volume", "remove-brick", "v", "replica", "2", name(2), "force")
		c.bricks = c.bricks[:2]
		c.layout = layout{bricks: 2, set: 2}
	})
	step("raise to three copies", func() {
		c.bricks = append(c.bricks, c.disks[2]+"/third")
		c.layout = layout{bricks: 3, set: 3}
		c.must("volume", "add-brick", "v", "replica", "3", name(2), "force")
	})
	step("lower to two", func() {
		c.must("--mode=script", "volume", "remove-brick", "v", "replica", "2", name(0), "force")
		c.bricks = c.bricks[1:]
		c.disks = append(c.disks[1:], c.disks[0])
		c.layout = layout{bricks: 2, set: 2}
	})
	step("raise again", func() {
		c.bricks = append(c.bricks, c.disks[2]+"/again")
		c.layout = layout{bricks: 3, set: 3}
		c.must("volume", "add-brick", "v", "replica", "3", name(2), "force")
	})
	w.stop()
	w.readAll(func() { c.waitFor(30*time.Second, c.unclean) })
	for i := range 60 {
		got, err := os.ReadFile(m.path(fmt.Sprintf("old/%d/sub/%d", i%7, i)))
		if err != nil || !bytes.Equal(got, rubbish(int64(i), 20<<10)) {
			t.Errorf("old file %d: %d bytes, %v", i, len(got), err)
		}
	}
	if out := c.must("volume", "heal", "v", "info", "summary"); strings.Count(out, "Total Number of entries: 0") != 3 {
		t.Errorf("heal info summary:\n%s", out)
	}
}

// TestDaemonDiesWhileBricksChange kills the daemon at every step of replacing a brick: there is
// then the old list of bricks or the new one, all of which run, and nothing is lost.
func TestDaemonDiesWhileBricksChange(t *testing.T) {
	t.Parallel()
	lay := replica3
	lay.heals = true
	c := start(t, lay)
	m := c.mount("")
	w := newWorkers(t, m.path("."), 1)
	name := func(i int) string { return c.addr + ":" + c.bricks[i] }
	made := func(fresh string) bool { _, err := os.Stat(fresh); return err == nil }
	marked := func(string) bool { return !c.pending(0, 1, ".").Zero() }
	pid := 0
	left := func(string) bool { return alive(pid) == nil }
	for i, step := range []struct {
		name    string
		reached func(fresh string) bool
	}{{"directory", made}, {"stopped", left}, {"marked", marked}, {"marked, directory 2", marked}} {
		fresh := fmt.Sprintf("%s/new%d", c.disks[1], i)
		old := name(1)
		pid = c.pid(1)
		ended := make(chan struct{})
		go func() {
			c.try("volume", "replace-brick", "v", old, c.addr+":"+fresh, "commit", "force") // whether it is done shows later
			close(ended)
		}()
		for at := false; !at; time.Sleep(time.Millisecond) {
			select {
			case <-ended:
				at = true // faster than the look
			default:
				at = step.reached(fresh)
			}
		}
		c.killDaemon()
		<-ended
		c.startDaemon()
		info := c.must("volume", "info", "v")
		done := strings.Contains(info, fresh)
		t.Logf("killed at %q: replaced: %v", step.name, done)
		if done == strings.Contains(info, old[len(c.addr)+1:]+"\n") {
			t.Fatalf("there is not one of the two bricks:\n%s", info)
		}
		if !done {
			c.waitOnline()
			c.must("volume", "replace-brick", "v", old, c.addr+":"+fresh, "commit", "force")
		}
		c.bricks[1] = fresh
		c.waitOnline()
		w.await(5)
		w.readAll(func() { c.waitFor(30*time.Second, c.unclean) })
		if t.Failed() {
			return
		}
	}
}

// TestOnlyGoodCopy asks for the brick to be taken away that alone has what was written last.
func TestOnlyGoodCopy(t *testing.T) {
	t.Parallel()
	c := start(t, layout{words: "replica 2", bricks: 2, set: 2})
	m := c.mount("")
	if err := os.WriteFile(m.path("f"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	release := c.hold(0)
	err := os.WriteFile(m.path("f"), []byte("only here"), 0o644)
	release()
	if err != nil {
		t.Fatal(err)
	}
	c.waitOnline()
	names := c.brickNames()
	for _, words := range [][]string{
		{"replace-brick", "v", names[1], names[1] + "new", "commit", "force"},
		{"reset-brick", "v", names[1], "start"},
		{"remove-brick", "v", "replica", "1", names[1], "force"},
	} {
		if _, err := c.try(append([]string{"volume"}, words...)...); err == nil || !strings.Contains(err.Error(), "The only good copy of ") || !strings.Contains(err.Error(), "gofs volume heal v info") {
			t.Errorf("%s: %v", words[0], err)
		}
	}
	c.waitOnline() // it was not even stopped for long
	c.must("volume", "set", "v", "cluster.self-heal-daemon", "on")
	c.waitFor(30*time.Second, c.unclean)
	c.must("volume", "remove-brick", "v", "replica", "1", names[1], "force")
	c.waitFor(20*time.Second, func() error { // the mount may not have found the killed brick again before
		got, err := os.ReadFile(m.path("f"))
		if err == nil && string(got) != "only here" {
			t.Fatalf("the file that was healed has %q", got)
		}
		return err
	})
}

// TestAddedBrickWaits adds a copy while programs have files open through the mount. One that is
// locked and one that has no name any more cannot be used with the new list of bricks: the new
// brick does not serve before they are closed, and the programs notice nothing.
func TestAddedBrickWaits(t *testing.T) {
	t.Parallel()
	c := start(t, layout{words: "replica 2", bricks: 2, set: 2, heals: true})
	m := c.mount("")
	open := map[string]*os.File{}
	for _, name := range []string{"idle", "locked", "nameless"} {
		f, err := os.Create(m.path(name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		open[name] = f
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 5, Len: 10}
	if err := errors.Join(unix.FcntlFlock(open["locked"].Fd(), unix.F_OFD_SETLK, &lock), os.Remove(m.path("nameless"))); err != nil {
		t.Fatal(err)
	}
	write := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if _, err := open[name].WriteString("x"); err != nil {
				t.Error(err)
			}
		}
	}
	write("locked", "nameless")
	c.addDisk(2, "2G")
	const waits = "A new brick starts when programs close what they had open before"
	if out := c.must("volume", "add-brick", "v", "replica", "3", c.addr+":"+c.bricks[2], "force"); !strings.Contains(out, "success") || !strings.Contains(out, waits) {
		t.Errorf("add-brick said %q", out)
	}
	write("locked", "nameless")
	open["nameless"].Close()
	if out := c.must("volume", "status", "v", "--json"); !strings.Contains(out, waits) || c.status()[2].Online {
		t.Errorf("the status is\n%s", out)
	}
	write("locked")
	open["locked"].Close()
	c.layout.bricks, c.layout.set = 3, 3
	c.waitOnline()
	write("idle")
	c.waitFor(30*time.Second, c.unclean)
	for name, want := range map[string]string{"locked": "xxx", "idle": "x"} {
		if got, err := os.ReadFile(c.bricks[2] + "/" + name); string(got) != want || err != nil {
			t.Errorf("%s on the new brick: %q, %v", name, got, err)
		}
	}
}

// workers change files of their own, each one after the other, and read what they wrote.
type workers struct {
	t    *testing.T
	quit chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	files map[string][]byte // guarded by mu; what each must hold; changed before it is written
	count int               // guarded by mu
	alone sync.RWMutex      // held for writing while nobody may change anything
}

func newWorkers(t *testing.T, dir string, n int) *workers {
	w := &workers{t: t, quit: make(chan struct{}), files: map[string][]byte{}}
	for i := range n {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		top := filepath.Join(dir, fmt.Sprintf("worker%d", i))
		if err := os.Mkdir(top, 0o755); err != nil {
			t.Fatal(err)
		}
		w.wg.Go(func() { w.work(r, top) })
	}
	t.Cleanup(w.stop)
	return w
}

func (w *workers) stop() {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	w.wg.Wait()
}

func (w *workers) done() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// await waits for n more changes.
func (w *workers) await(n int) {
	w.t.Helper()
	until := w.done() + n
	for end := time.Now().Add(20 * time.Second); w.done() < until; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal("the workers do not get on")
		}
	}
}

// work changes a file after the other until stop; one is held open all the time.
func (w *workers) work(r *rand.Rand, top string) {
	long, err := os.Create(top + "/long")
	if err != nil {
		w.t.Error(err)
		return
	}
	defer long.Close()
	var held []byte
	for n := 0; ; n++ {
		select {
		case <-w.quit:
			return
		default:
		}
		w.alone.RLock()
		err := w.change(r, top, n)
		if err == nil {
			line := fmt.Appendf(nil, "line %d\n", n)
			held = append(held, line...)
			_, err = long.Write(line)
			w.set(top+"/long", bytes.Clone(held))
		}
		w.alone.RUnlock()
		if err != nil {
			w.t.Errorf("change %d in %s: %v", n, top, err)
			return
		}
	}
}

func (w *workers) set(path string, text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	if text == nil {
		delete(w.files, path)
		return
	}
	w.files[path] = text
}

// change makes, overwrites, renames or removes a file, and reads it.
func (w *workers) change(r *rand.Rand, top string, n int) error {
	dir := fmt.Sprintf("%s/d%d", top, r.IntN(4))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := fmt.Sprintf("%s/f%d", dir, r.IntN(8))
	text := rubbish(r.Int64(), r.IntN(60<<10))
	switch r.IntN(6) {
	case 0:
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		w.set(path, nil)
		return nil
	case 1:
		if err := os.WriteFile(path+".new", text, 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	default:
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	w.set(path, text)
	return w.check(path, text)
}

func (w *workers) check(path string, want []byte) error {
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s has %d bytes, of which the first differs at %d; want %d bytes", path, len(got), firstDiffering(got, want), len(want))
	}
	return err
}

func firstDiffering(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// readAll reads all files after first, while nobody changes them.
func (w *workers) readAll(first func()) {
	w.t.Helper()
	w.alone.Lock()
	defer w.alone.Unlock()
	first()
	for path, want := range w.files {
		if err := w.check(path, want); err != nil {
			w.t.Error(err)
		}
	}
}
