package cluster

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var healSeed = flag.Uint64("healseed", 0, "seed of TestHeals; 0: another one each time")

// TestHeals kills one brick after the other while a tree is changed at random, and lets
// the heal daemon make the copies equal: after each round all bricks have the same tree, no
// marks are left, and the mount shows what a local directory shows that was changed in
// the same way.
func TestHeals(t *testing.T) {
	for name, lay := range map[string]layout{"arbiter": arbiter, "replica 3": replica3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lay.heals = true
			seed := *healSeed
			if seed == 0 {
				seed = uint64(time.Now().UnixNano())
			}
			t.Logf("to repeat: -run TestHeals -healseed %d", seed)
			c := start(t, lay)
			m := c.mount("")
			twin := &twinTrees{t: t, r: rand.New(rand.NewPCG(seed, 0)), dirs: [2]string{m.path("."), t.TempDir()}}
			twin.change(100)
			for round := range 6 {
				victim := round % lay.bricks
				c.kill(victim)
				twin.change(150)
				c.waitOnline()
				if round%2 == 1 {
					twin.change(50) // while it is healed
				}
				c.waitFor(90*time.Second, c.unclean)
				if t.Failed() {
					c.must("volume", "heal", c.vol, "info")
					t.Logf("round %d, brick %d was killed:\n%s", round, victim, c.must("volume", "heal", c.vol, "info"))
					return
				}
				twin.compare()
			}
			if out := c.must("volume", "heal", c.vol, "info", "summary"); strings.Count(out, "Total Number of entries: 0") != lay.bricks {
				t.Errorf("heal info summary after all that:\n%s", out)
			}
		})
	}
}

// twinTrees are two directories that are changed in the same way.
type twinTrees struct {
	t     *testing.T
	r     *rand.Rand
	dirs  [2]string // the mount, and a local one
	files []string  // names that exist, relative
	subs  []string  // directories that exist
	n     int
}

// change makes n random changes.
func (w *twinTrees) change(n int) {
	w.t.Helper()
	for range n {
		w.n++
		what, f := w.pick()
		errs := [2]error{f(w.dirs[0]), f(w.dirs[1])}
		if (errs[0] == nil) != (errs[1] == nil) {
			w.t.Fatalf("change %d, %s: %v in the mount, %v in the local directory", w.n, what, errs[0], errs[1])
		}
	}
}

func (w *twinTrees) dir() string {
	if len(w.subs) == 0 || w.r.IntN(4) == 0 {
		return "."
	}
	return w.subs[w.r.IntN(len(w.subs))]
}

func (w *twinTrees) file() string {
	if len(w.files) == 0 {
		return "none"
	}
	return w.files[w.r.IntN(len(w.files))]
}

// pick chooses a change. It is a function of the directory only, so that both get the same.
func (w *twinTrees) pick() (string, func(top string) error) {
	name := filepath.Join(w.dir(), fmt.Sprintf("n%d", w.n))
	old := w.file()
	size, seed := w.r.IntN(300<<10), w.r.Int64()
	switch k := w.r.IntN(12); k {
	case 0, 1, 2:
		w.files = append(w.files, name)
		return "create " + name, func(top string) error { return os.WriteFile(filepath.Join(top, name), rubbish(seed, size), 0o644) }
	case 3:
		w.subs = append(w.subs, name)
		return "mkdir " + name, func(top string) error { return os.Mkdir(filepath.Join(top, name), 0o755) }
	case 4:
		off := w.r.Int64N(1 << 20)
		return fmt.Sprintf("write %s at %d", old, off), func(top string) error {
			f, err := os.OpenFile(filepath.Join(top, old), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(rubbish(seed, size%20000), off)
			return errors.Join(err, f.Close())
		}
	case 5:
		return "truncate " + old, func(top string) error { return os.Truncate(filepath.Join(top, old), int64(size)) }
	case 6:
		w.files = append(w.files, name)
		return "rename " + old + " to " + name, func(top string) error { return os.Rename(filepath.Join(top, old), filepath.Join(top, name)) }
	case 7:
		w.files = append(w.files, name)
		return "link " + old + " to " + name, func(top string) error { return os.Link(filepath.Join(top, old), filepath.Join(top, name)) }
	case 8:
		return "remove " + old, func(top string) error { return os.Remove(filepath.Join(top, old)) }
	case 9:
		return "setxattr " + old, func(top string) error {
			return unix.Setxattr(filepath.Join(top, old), "user.k", fmt.Append(nil, seed), 0)
		}
	case 10:
		return "chmod " + old, func(top string) error { return os.Chmod(filepath.Join(top, old), os.FileMode(size)&0o777|0o400) }
	}
	from := w.dir()
	if from == "." {
		target := fmt.Sprint(seed)
		return "symlink " + name, func(top string) error { return os.Symlink(target, filepath.Join(top, name)) }
	}
	w.subs = append(w.subs, name)
	return "rename directory " + from + " to " + name, func(top string) error {
		err := os.Rename(filepath.Join(top, from), filepath.Join(top, name))
		if errors.Is(err, syscall.EINVAL) { // into itself
			return syscall.EINVAL
		}
		return err
	}
}

// compare compares the trees.
func (w *twinTrees) compare() {
	w.t.Helper()
	if out, err := exec.Command("diff", "-r", "--no-dereference", w.dirs[0], w.dirs[1]).CombinedOutput(); err != nil {
		w.t.Fatalf("after %d changes the mount and the local directory differ: %v\n%.2000s", w.n, err, out)
	}
}
