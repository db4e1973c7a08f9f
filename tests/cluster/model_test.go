package cluster

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/tests/copies"
)

var (
	seed  = flag.Int64("seed", 1, "seed of the random operations; 0: a new one")
	steps = flag.Int("steps", 10000, "how many random operations")
)

// TestModel does the same random operations on a mount and on a local filesystem.
// What every single one returns, and in the end the trees, must be the same.
func TestModel(t *testing.T) {
	quick := "attribute-timeout=0,entry-timeout=0,negative-timeout=0"
	for _, m := range []struct {
		name   string
		layout layout
		opts   []string // one mount each
	}{
		{"replicated", arbiter, []string{""}},
		{"distributed", plain3, []string{quick}},
		{"both", twoArbiters, []string{""}},
		{"two mounts, replicated", arbiter, []string{quick, quick}},
		{"two mounts, both", twoArbiters, []string{quick, quick}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := *seed
			if s == 0 {
				s = time.Now().UnixNano() % 1000000
			}
			c := start(t, m.layout)
			local := c.disks[0] + "/local"
			if err := os.Mkdir(local, 0o755); err != nil {
				t.Fatal(err)
			}
			g := &generator{t: t, rand: rand.New(rand.NewSource(s)), local: newWorld(local)}
			for _, o := range m.opts {
				g.mounts = append(g.mounts, newWorld(c.mount(o).dir))
			}
			begin := time.Now()
			for g.step = range *steps {
				g.one()
				if t.Failed() {
					break
				}
			}
			t.Logf("seed %d, %d operations in %v", s, g.step+1, time.Since(begin).Round(time.Millisecond))
			g.finish()
			if t.Failed() {
				if *keepLogs != "" {
					os.WriteFile(filepath.Join(*keepLogs, strings.ReplaceAll(t.Name(), "/", "-")), []byte(strings.Join(g.log, "\n")), 0o644)
				}
				t.Fatalf("to do it again: go test ./tests/cluster -run '%s' -seed %d; last operations:\n%s", t.Name(), s, strings.Join(g.log[max(0, len(g.log)-30):], "\n"))
			}
			for k, m := range c.mounts {
				m.remount()
				if d := copies.Differences(snapshot(t, local), snapshot(t, m.dir)); d != "" {
					t.Errorf("the local tree and that of mount %d, mounted again: %s", k, d)
				}
			}
			c.checkClean()
			if c.layout.set > 1 {
				copies.Walk(local, func(rel string, d fs.DirEntry) {
					if d.Type().IsRegular() && c.layout.bricks == c.layout.set {
						c.sameData(rel)
					}
				})
			}
		})
	}
}

// A world is a tree to work on, and what is open in it.
type world struct {
	root string
	fds  [6]int
}

func newWorld(root string) *world {
	w := &world{root: root}
	for i := range w.fds {
		w.fds[i] = -1
	}
	return w
}

func (w *world) path(p string) string { return w.root + "/" + p }

// generator makes operations.
type generator struct {
	t      *testing.T
	rand   *rand.Rand
	local  *world
	mounts []*world
	step   int
	log    []string
}

// An operation is done on each world; what it returns is compared.
type operation struct {
	what string
	do   func(w *world) string
}

func errno(err error) string {
	if e, ok := err.(syscall.Errno); ok {
		return unix.ErrnoName(e)
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// one does one operation on the local tree and on a mount. With several mounts only
// operations that open nothing for longer are done: open after close sees everything,
// nothing is said about files that are open elsewhere.
func (g *generator) one() {
	op := g.operation()
	which := g.rand.Intn(len(g.mounts))
	line := fmt.Sprintf("%d on mount %d: %s", g.step, which, op.what)
	got := op.do(g.mounts[which])
	want := op.do(g.local)
	g.log = append(g.log, line+" = "+shorten(want))
	if got != want && got != "any" {
		g.t.Errorf("%s\n\tsays  %s\n\tlocal %s", line, shorten(got), shorten(want))
		return
	}
	if g.step%2000 == 1999 {
		for k, m := range g.mounts {
			if d := copies.Differences(snapshot(g.t, g.local.root), snapshot(g.t, m.root)); d != "" {
				g.t.Errorf("after step %d the local tree and that of mount %d: %s", g.step, k, d)
			}
		}
	}
}

func shorten(s string) string {
	if len(s) > 500 {
		return s[:500] + "…"
	}
	return s
}

// finish closes everything and compares the trees.
func (g *generator) finish() {
	for _, w := range append(g.mounts, g.local) {
		for i, fd := range w.fds {
			if fd >= 0 {
				unix.Close(fd)
				w.fds[i] = -1
			}
		}
	}
	for k, m := range g.mounts {
		if d := copies.Differences(snapshot(g.t, g.local.root), snapshot(g.t, m.root)); d != "" {
			g.t.Errorf("in the end the local tree and that of mount %d: %s", k, d)
		}
	}
}

// snapshot describes a tree: names, attributes, contents.
func snapshot(t *testing.T, root string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, p)
		if err != nil {
			out[rel] = errno(err)
			return nil
		}
		if rel == "." {
			return nil
		}
		s := describe(p)
		switch {
		case d.Type().IsRegular():
			b, err := os.ReadFile(p)
			s += fmt.Sprintf(" %x %s", sha256.Sum256(b), errno(err))
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			s += " -> " + to + " " + errno(err)
		}
		out[rel] = s
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

// describe is what lstat and the user's xattrs say of a path.
func describe(p string) string {
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return errno(err)
	}
	s := attributes(&st)
	for _, n := range copies.XattrNames(p) {
		if strings.HasPrefix(n, "user.") {
			s += fmt.Sprintf(" %s=%x", n, sha256.Sum256(copies.Xattr(p, n)))
		}
	}
	return s
}

func attributes(st *unix.Stat_t) string {
	s := fmt.Sprintf("mode %o owner %d:%d", st.Mode, st.Uid, st.Gid)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		s += fmt.Sprintf(" links %d size %d", st.Nlink, st.Size)
	}
	if st.Mtim.Sec < 1e9 && st.Mode&unix.S_IFMT != unix.S_IFIFO { // set by utimens, and nothing came after
		s += fmt.Sprintf(" mtime %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	}
	return s
}

var components = []string{"a", "b", "c", "d", "e", "ä ö", "x.tar.gz", ".hidden"}

func (g *generator) path() string {
	p := components[g.rand.Intn(len(components))]
	for g.rand.Intn(5) < 2 && strings.Count(p, "/") < 4 {
		p += "/" + components[g.rand.Intn(5)]
	}
	return p
}

func (g *generator) offset() int64 {
	switch g.rand.Intn(10) {
	case 0:
		return int64(g.rand.Intn(3 << 20))
	case 1, 2:
		return int64(g.rand.Intn(64)) << 12
	}
	return int64(g.rand.Intn(20000))
}

func (g *generator) data() []byte {
	n := g.rand.Intn(9000)
	switch g.rand.Intn(20) {
	case 0:
		n = g.rand.Intn(1500000)
	case 1:
		n = 0
	}
	b := make([]byte, n)
	g.rand.Read(b)
	return b
}

var openFlags = []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR, unix.O_RDWR, unix.O_RDWR | unix.O_CREAT, unix.O_RDWR | unix.O_CREAT,
	unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL, unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC, unix.O_WRONLY | unix.O_TRUNC,
	unix.O_RDWR | unix.O_APPEND | unix.O_CREAT, unix.O_WRONLY | unix.O_APPEND, unix.O_RDONLY | unix.O_DIRECTORY, unix.O_RDONLY | unix.O_NOFOLLOW,
	unix.O_RDWR | unix.O_SYNC | unix.O_CREAT}

// operation makes the next operation.
func (g *generator) operation() operation {
	if k := g.rand.Intn(100); k < 45 {
		return g.onFile()
	} else if k < 80 {
		return g.onName()
	}
	return g.onAttributes()
}

// onFile opens a file, or uses one that is open.
func (g *generator) onFile() operation {
	slot := g.rand.Intn(6)
	if len(g.mounts) == 1 && g.rand.Intn(4) > 0 {
		what, do := g.onFd()
		return operation{fmt.Sprintf("fd %d: %s", slot, what), func(w *world) string {
			if w.fds[slot] < 0 {
				return "not open"
			}
			return do(w.fds[slot])
		}}
	}
	p, flags, mode := g.path(), openFlags[g.rand.Intn(len(openFlags))], uint32([]int{0o644, 0o600, 0o755}[g.rand.Intn(3)])
	open := func(w *world) (int, string) {
		var st unix.Stat_t
		if unix.Stat(w.path(p), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			return -1, "a pipe" // is the kernel's own; without a name, FUSE cannot know that it is open
		}
		fd, err := unix.Open(w.path(p), flags|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
		return fd, errno(err)
	}
	if len(g.mounts) == 1 {
		return operation{fmt.Sprintf("open %q %#x as fd %d", p, flags, slot), func(w *world) string {
			if w.fds[slot] >= 0 {
				unix.Close(w.fds[slot])
			}
			fd, s := open(w)
			w.fds[slot] = fd
			return s
		}}
	}
	what, do := g.onFd()
	return operation{fmt.Sprintf("open %q %#x: %s", p, flags, what), func(w *world) string {
		fd, s := open(w)
		if fd < 0 {
			return s
		}
		s = do(fd)
		return s + " " + errno(unix.Close(fd))
	}}
}

func sum(b []byte) string { return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b)) }

// onFd is an operation on an open file.
func (g *generator) onFd() (string, func(fd int) string) {
	off, data := g.offset(), g.data()
	size := int64(g.rand.Intn(30000)) + 1
	switch g.rand.Intn(16) {
	case 0, 1, 2:
		return fmt.Sprintf("write %d at %d", len(data), off), func(fd int) string {
			n, err := unix.Pwrite(fd, data, off)
			return fmt.Sprint(n, errno(err))
		}
	case 3:
		return fmt.Sprintf("write %d at the position", len(data)), func(fd int) string {
			n, err := unix.Write(fd, data)
			return fmt.Sprint(n, errno(err))
		}
	case 4, 5:
		return fmt.Sprintf("read %d at %d", size, off), func(fd int) string {
			b := make([]byte, size)
			n, err := unix.Pread(fd, b, off)
			return sum(b[:max(n, 0)]) + errno(err)
		}
	case 6:
		return fmt.Sprintf("read %d at the position", size), func(fd int) string {
			b := make([]byte, size)
			n, err := unix.Read(fd, b)
			return sum(b[:max(n, 0)]) + errno(err)
		}
	case 7:
		return fmt.Sprintf("ftruncate %d", off), func(fd int) string { return errno(unix.Ftruncate(fd, off)) }
	case 8:
		mode := []uint32{0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE}[g.rand.Intn(4)]
		return fmt.Sprintf("fallocate %#x %d %d", mode, off, size), func(fd int) string { return errno(unix.Fallocate(fd, mode, off, size)) }
	case 9:
		return fmt.Sprintf("mmap, write at %d", off), func(fd int) string { return mapped(fd, off, data) }
	case 10:
		return fmt.Sprintf("lseek data, hole from %d", off), func(fd int) string { return seekHole(fd, off) }
	case 11:
		return "fsync", func(fd int) string { return errno(unix.Fsync(fd)) }
	case 12:
		return "fstat", func(fd int) string {
			var st unix.Stat_t
			err := unix.Fstat(fd, &st)
			if goneDir(fd, err) {
				return "any"
			}
			return attributes(&st) + errno(err)
		}
	case 13:
		return fmt.Sprintf("lseek %d", off), func(fd int) string {
			n, err := unix.Seek(fd, off, 0)
			return fmt.Sprint(n, errno(err))
		}
	case 14:
		to := off + size + g.offset()
		return fmt.Sprintf("copy_file_range %d from %d to %d", size, off, to), func(fd int) string { return copyRange(fd, off, to, int(size)) }
	}
	mode := uint32([]int{0o600, 0o644, 0o4755, 0o2755}[g.rand.Intn(4)])
	return fmt.Sprintf("fchmod %o", mode), func(fd int) string {
		err := unix.Fchmod(fd, mode)
		if goneDir(fd, err) {
			return "any"
		}
		return errno(err)
	}
}

// goneDir reports whether err is because fd is a directory that was removed: bricks do
// not keep those for who has them open.
func goneDir(fd int, err error) bool {
	if err != unix.ESTALE {
		return false
	}
	dir, err := unix.Openat(fd, ".", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(dir)
	}
	return err != unix.ENOTDIR
}

// copyRange copies within a file until all is done or it ends.
func copyRange(fd int, from, to int64, size int) string {
	total := 0
	for size > 0 {
		n, err := unix.CopyFileRange(fd, &from, fd, &to, size, 0)
		if err != nil {
			return fmt.Sprint(total, errno(err))
		}
		if n == 0 {
			break
		}
		total, size = total+n, size-n
	}
	return fmt.Sprint(total)
}

// mapped writes through a shared mapping, as far as the file goes.
func mapped(fd int, off int64, data []byte) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errno(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size == 0 || st.Size > 8<<20 {
		return "not mapped"
	}
	m, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return errno(err)
	}
	defer unix.Munmap(m)
	off = min(off, st.Size)
	n := copy(m[off:], data)
	return fmt.Sprint(n, sum(m)) + errno(unix.Msync(m, unix.MS_SYNC))
}

// seekHole checks what lseek says about holes: another filesystem may see other holes,
// but what it calls one is zero, and the errors are the same.
func seekHole(fd int, off int64) string {
	was, err := unix.Seek(fd, 0, 1)
	if err != nil {
		return errno(err)
	}
	defer unix.Seek(fd, was, 0)
	var st unix.Stat_t
	unix.Fstat(fd, &st)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "not a file"
	}
	hole, err := unix.Seek(fd, off, unix.SEEK_HOLE)
	if err != nil {
		return errno(err)
	}
	if hole < off || hole > st.Size {
		return fmt.Sprintf("a hole at %d, from %d of %d", hole, off, st.Size)
	}
	data, err := unix.Seek(fd, off, unix.SEEK_DATA)
	if err == unix.ENXIO {
		data = st.Size
	} else if err != nil {
		return errno(err)
	}
	b := make([]byte, min(max(data-off, 0), 4<<20))
	n, err := unix.Pread(fd, b, off)
	if err != nil && err != unix.EBADF { // not open for reading
		return errno(err)
	}
	for _, x := range b[:max(n, 0)] {
		if x != 0 {
			return "a hole that has data"
		}
	}
	return "fine"
}

// onName is an operation on names.
func (g *generator) onName() operation {
	p, q := g.path(), g.path()
	path := func(format string, do func(string) error) operation {
		return operation{fmt.Sprintf(format+" %q", p), func(w *world) string { return errno(do(w.path(p))) }}
	}
	paths := func(format string, do func(string, string) error) operation {
		return operation{fmt.Sprintf(format+" %q %q", p, q), func(w *world) string { return errno(do(w.path(p), w.path(q))) }}
	}
	switch g.rand.Intn(20) {
	case 0, 1, 2, 3:
		mode := uint32([]int{0o755, 0o700, 0o2775, 0o1777}[g.rand.Intn(4)])
		return path("mkdir", func(p string) error { return unix.Mkdir(p, mode) })
	case 4:
		return path("rmdir", unix.Rmdir)
	case 5, 6:
		return path("unlink", unix.Unlink)
	case 7, 8, 9:
		return paths("rename", func(a, b string) error {
			err := unix.Rename(a, b)
			if err == unix.ESTALE && len(g.mounts) > 1 {
				// The kernel cannot move a directory that another mount moved to where it
				// knows it now, while it holds the lock for renames (__d_unalias).
				for _, p := range []string{a, b} {
					var st unix.Stat_t
					unix.Lstat(p, &st)
				}
				err = unix.Rename(a, b)
			}
			if err == unix.EEXIST { // POSIX allows both; XFS says this, and most others that
				err = unix.ENOTEMPTY
			}
			return err
		})
	case 10:
		return paths("rename, no replacing", func(a, b string) error {
			return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_NOREPLACE)
		})
	case 11, 12:
		return paths("link", unix.Link)
	case 13:
		to := components[g.rand.Intn(len(components))]
		return path("symlink to "+to, func(p string) error { return unix.Symlink(to, p) })
	case 14:
		return path("mkfifo", func(p string) error { return unix.Mkfifo(p, 0o640) })
	case 15:
		return operation{fmt.Sprintf("readlink %q", p), func(w *world) string {
			b := make([]byte, 300)
			n, err := unix.Readlink(w.path(p), b)
			return string(b[:max(n, 0)]) + errno(err)
		}}
	case 16, 17:
		if g.rand.Intn(3) == 0 {
			p = "."
		}
		return operation{fmt.Sprintf("readdir %q", p), func(w *world) string {
			var st unix.Stat_t
			if unix.Stat(w.path(p), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
				return "a pipe" // opening it waits for a writer
			}
			list, err := os.ReadDir(w.path(p))
			var names []string
			for _, e := range list {
				names = append(names, e.Name()+e.Type().String())
			}
			slices.Sort(names)
			if pe, ok := err.(*fs.PathError); ok {
				err = pe.Err
			}
			return strings.Join(names, " ") + errno(err)
		}}
	case 18:
		return operation{fmt.Sprintf("a file %q, written and read", p), func(w *world) string {
			var st unix.Stat_t
			if unix.Stat(w.path(p), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
				return "a pipe"
			}
			if err := os.WriteFile(w.path(p), []byte(q), 0o644); err != nil {
				return errno(err.(*fs.PathError).Err)
			}
			b, err := os.ReadFile(w.path(p))
			return string(b) + errno(err)
		}}
	}
	return operation{fmt.Sprintf("stat %q", p), func(w *world) string { return describe(w.path(p)) }}
}

// onAttributes is an operation on what a path has besides names and data.
func (g *generator) onAttributes() operation {
	p := g.path()
	name := []string{"user.a", "user.b", "user.long.name.of.an.attribute"}[g.rand.Intn(3)]
	switch g.rand.Intn(10) {
	case 0, 1:
		mode := uint32([]int{0o600, 0o644, 0o755, 0o4711, 0o2711, 0o444, 0}[g.rand.Intn(7)])
		return operation{fmt.Sprintf("chmod %o %q", mode, p), func(w *world) string { return errno(unix.Chmod(w.path(p), mode)) }}
	case 2:
		u, gr := g.rand.Intn(3)*1000-1, g.rand.Intn(3)*1000-1
		if u < 0 && gr < 0 { // clears the set-user-id bit locally, without a word to FUSE
			u = 0
		}
		return operation{fmt.Sprintf("lchown %d:%d %q", u, gr, p), func(w *world) string { return errno(unix.Lchown(w.path(p), u, gr)) }}
	case 3, 4:
		ts := []unix.Timespec{{Sec: int64(g.rand.Intn(1e8)), Nsec: int64(g.rand.Intn(1e9))}, {Sec: int64(g.rand.Intn(1e8)), Nsec: int64(g.rand.Intn(1e9))}}
		return operation{fmt.Sprintf("utimens %v %q", ts, p), func(w *world) string {
			err := unix.UtimesNanoAt(unix.AT_FDCWD, w.path(p), ts, unix.AT_SYMLINK_NOFOLLOW)
			return errno(err) + describe(w.path(p))
		}}
	case 5, 6:
		value, flags := g.data(), []int{0, 0, unix.XATTR_CREATE, unix.XATTR_REPLACE}[g.rand.Intn(4)]
		value = value[:min(len(value), 40000)]
		return operation{fmt.Sprintf("lsetxattr %s, %d bytes, %d, %q", name, len(value), flags, p), func(w *world) string {
			return errno(unix.Lsetxattr(w.path(p), name, value, flags))
		}}
	case 7:
		return operation{fmt.Sprintf("lremovexattr %s %q", name, p), func(w *world) string { return errno(unix.Lremovexattr(w.path(p), name)) }}
	case 8:
		size := g.rand.Intn(2) * 50000
		return operation{fmt.Sprintf("lgetxattr %s %q into %d bytes", name, p, size), func(w *world) string {
			b := make([]byte, size)
			n, err := unix.Lgetxattr(w.path(p), name, b)
			return fmt.Sprint(n, sum(b[:min(max(n, 0), size)]), errno(err))
		}}
	}
	off := g.offset()
	return operation{fmt.Sprintf("truncate %d %q", off, p), func(w *world) string { return errno(unix.Truncate(w.path(p), off)) }}
}
