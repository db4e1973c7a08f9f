// Package twins changes two directories in the same random way, so that a filesystem under
// test can be compared with a local one.
package twins

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Trees are two directories that are changed in the same way.
type Trees struct {
	r     *rand.Rand
	dirs  [2]string // the mount, and a local one
	files []string  // names that exist, relative
	subs  []string  // directories that exist
	n     int
}

// New returns trees below two empty directories: one that is tested, and a local one that
// tells what is right.
func New(seed uint64, tested, local string) *Trees {
	return &Trees{r: rand.New(rand.NewPCG(seed, 0)), dirs: [2]string{tested, local}}
}

// Change makes n random changes in both. One that succeeds in one tree and fails in the other
// is an error.
func (w *Trees) Change(n int) error {
	for range n {
		w.n++
		what, f := w.pick()
		errs := [2]error{f(w.dirs[0]), f(w.dirs[1])}
		if (errs[0] == nil) != (errs[1] == nil) {
			return fmt.Errorf("change %d, %s: %v in the tested directory, %v in the local one", w.n, what, errs[0], errs[1])
		}
	}
	return nil
}

func (w *Trees) dir() string {
	if len(w.subs) == 0 || w.r.IntN(4) == 0 {
		return "."
	}
	return w.subs[w.r.IntN(len(w.subs))]
}

func (w *Trees) file() string {
	if len(w.files) == 0 {
		return "none"
	}
	return w.files[w.r.IntN(len(w.files))]
}

// pick chooses a change. It is a function of the directory only, so that both get the same.
func (w *Trees) pick() (string, func(top string) error) {
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

// Compare says in what the trees differ.
func (w *Trees) Compare() error {
	if out, err := exec.Command("diff", "-r", "--no-dereference", w.dirs[0], w.dirs[1]).CombinedOutput(); err != nil {
		return fmt.Errorf("after %d changes the tested directory and the local one differ: %v\n%.2000s", w.n, err, out)
	}
	return nil
}

// Clear removes everything from both.
func (w *Trees) Clear() error {
	w.files, w.subs = nil, nil
	var errs []error
	for _, dir := range w.dirs {
		names, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, n := range names {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, n.Name())))
		}
	}
	return errors.Join(errs...)
}

// rubbish is size bytes that depend on seed.
func rubbish(seed int64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
