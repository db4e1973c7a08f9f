package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLimits goes to the edges of names, depth and directory sizes.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, lay := range []layout{arbiter, plain3} {
		c := start(t, lay)
		m := c.mount("")
		if err := os.WriteFile(m.path(strings.Repeat("n", 256)), nil, 0o644); !errors.Is(err, syscall.ENAMETOOLONG) {
			t.Errorf("a name of 256 bytes: %v", err)
		}
		if err := os.WriteFile(m.path(strings.Repeat("n", 255)), []byte("x"), 0o644); err != nil {
			t.Errorf("a name of 255 bytes: %v", err)
		}
		for _, p := range []string{".glusterfs", ".glusterfs/00", ".glusterfs/indices"} {
			if _, err := os.Lstat(m.path(p)); !errors.Is(err, syscall.ENOENT) {
				t.Errorf("%s can be seen: %v", p, err)
			}
		}
		if err := os.Mkdir(m.path(".glusterfs"), 0o755); err == nil {
			t.Error("a .glusterfs can be made at the root")
		}
		if err := os.Rename(m.path(strings.Repeat("n", 255)), m.path(".glusterfs")); err == nil {
			t.Error("a file can be renamed to .glusterfs")
		}
		deep(t, m)
		many(t, m)
		links(t, m)
		c.checkClean()
	}
}

// deep makes 300 directories, one in another.
func deep(t *testing.T, m *mounted) {
	fd, err := unix.Open(m.dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 300 {
		if err := unix.Mkdirat(fd, "d", 0o755); err != nil {
			t.Fatalf("depth %d: %v", k, err)
		}
		next, err := unix.Openat(fd, "d", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		if err != nil {
			t.Fatalf("depth %d: %v", k, err)
		}
		fd = next
	}
	f, err := unix.Openat(fd, "f", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	unix.Write(f, []byte("deep"))
	unix.Close(f)
	unix.Close(fd)
	m.remount()
	b, err := os.ReadFile(m.path(strings.Repeat("d/", 300) + "f"))
	if string(b) != "deep" || err != nil {
		t.Errorf("at depth 300: %q, %v", b, err)
	}
	if err := os.RemoveAll(m.path("d")); err != nil {
		t.Error(err)
	}
}

// many lists a directory of 10000 files.
func many(t *testing.T, m *mounted) {
	const n = 10000
	if err := os.Mkdir(m.path("many"), 0o755); err != nil {
		t.Fatal(err)
	}
	for k := range n {
		fd, err := unix.Open(m.path(fmt.Sprintf("many/f%05d", k)), unix.O_CREAT|unix.O_WRONLY|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
	for range 2 {
		seen := map[string]bool{}
		d, err := os.Open(m.path("many"))
		if err != nil {
			t.Fatal(err)
		}
		for {
			names, err := d.Readdirnames(100)
			for _, s := range names {
				if seen[s] {
					t.Fatalf("%s is listed twice", s)
				}
				seen[s] = true
			}
			if err != nil {
				break
			}
		}
		d.Close()
		if len(seen) != n {
			t.Errorf("%d of %d files are listed", len(seen), n)
		}
		m.remount()
	}
	if err := os.RemoveAll(m.path("many")); err != nil {
		t.Error(err)
	}
}

// links makes names of one file in several directories.
func links(t *testing.T, m *mounted) {
	if err := os.WriteFile(m.path("one"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	var want unix.Stat_t
	for k := range 30 {
		dir := m.path(fmt.Sprint("dir", k))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(m.path("one"), dir+"/link"); err != nil {
			t.Fatal(err)
		}
	}
	m.remount()
	if err := os.WriteFile(m.path("dir7/link"), []byte("22"), 0o644); err != nil {
		t.Error(err)
	}
	unix.Stat(m.path("one"), &want)
	for k := range 30 {
		var st unix.Stat_t
		unix.Stat(m.path(fmt.Sprint("dir", k, "/link")), &st)
		if st.Ino != want.Ino || st.Nlink != 31 || st.Size != 2 {
			t.Errorf("link %d: inode %d, %d links, %d bytes; want %d, 31, 2", k, st.Ino, st.Nlink, st.Size, want.Ino)
		}
	}
	for k := range 30 {
		if err := os.RemoveAll(m.path(fmt.Sprint("dir", k))); err != nil {
			t.Error(err)
		}
	}
	if unix.Stat(m.path("one"), &want); want.Nlink != 1 {
		t.Errorf("%d links are left", want.Nlink)
	}
}

// TestMounting: directories of a volume, busy and missing mount points.
func TestMounting(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	if err := os.MkdirAll(m.path("sub/dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path("sub/dir/f"), []byte("in sub"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &mounted{c: c, dir: c.dir + "/sub"}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.mounts = append(c.mounts, s)
	s.attach("/sub/dir")
	if b, err := os.ReadFile(s.path("f")); string(b) != "in sub" || err != nil {
		t.Errorf("through a mount of /v/sub/dir: %q, %v", b, err)
	}
	if err := os.WriteFile(s.path("g"), []byte("back"), 0o644); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(m.path("sub/dir/g")); string(b) != "back" || err != nil {
		t.Errorf("made in the mount of a directory: %q, %v", b, err)
	}
	refused := func(dir, source string, want ...string) {
		t.Helper()
		out, err := exec.Command(gofs, "mount", c.addr+":"+source, dir).CombinedOutput()
		if err == nil {
			t.Errorf("%s can be mounted at %s", source, dir)
			syscall.Unmount(dir, syscall.MNT_DETACH)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("mounting %s at %s says %q, nothing of %q", source, dir, out, w)
			}
		}
	}
	refused(c.dir+"/nosuch", "/v", "does not exist")
	refused(m.dir, "/v", "mounted")
	if err := os.Mkdir(c.dir+"/free", 0o755); err != nil {
		t.Fatal(err)
	}
	refused(c.dir+"/free", "/nosuch", "nosuch")
	refused(c.dir+"/free", "/v/no/such/dir")
	f, err := os.Open(s.path("f"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("umount", s.dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "busy") {
		t.Errorf("umount of a busy mount: %v, %s", err, out)
	}
	f.Close()
	s.umount()
	if _, err := os.Stat(filepath.Join(s.dir, "f")); !os.IsNotExist(err) {
		t.Errorf("after umount: %v", err)
	}
	c.checkClean()
}
