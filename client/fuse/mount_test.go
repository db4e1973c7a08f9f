package fuse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/client/fuse"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
	"golang.org/x/sys/unix"
)

func check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestMountTable(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	table := must(os.ReadFile("/proc/mounts"))
	want := "server1:/demo " + v.dir + " fuse.gofs rw,relatime,user_id=0,group_id=0,default_permissions,allow_other,max_read=1048576 0 0"
	if !strings.Contains(string(table), want) {
		t.Errorf("no line %q in\n%s", want, table)
	}
	var st unix.Stat_t
	check(t, "stat", unix.Stat(v.dir, &st))
	if st.Ino != 1 {
		t.Errorf("the root has inode number %d", st.Ino)
	}
}

// TestGone is about bricks that go away under a mount and come back.
func TestGone(t *testing.T) {
	if writeback {
		t.Skip("the kernel keeps what is written while the bricks are gone")
	}
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/f"
	f := must(os.Create(name))
	defer f.Close()
	must(f.WriteString("before"))
	check(t, "lock", syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	v.cut(true)
	v.wait(xlator.ChildDown)
	if _, err := f.WriteString("x"); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("write while down: %v", err)
	}
	if _, err := os.Stat(v.dir + "/other"); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("stat while down: %v", err)
	}
	v.cut(false)
	v.wait(xlator.ChildUp)
	if _, err := f.WriteAt([]byte("after"), 6); err != nil {
		t.Errorf("write when up again: %v", err)
	}
	if got := must(os.ReadFile(name)); string(got) != "beforeafter" {
		t.Errorf("read %q", got)
	}
	g := must(os.Open(name))
	defer g.Close()
	if err := syscall.Flock(int(g.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EWOULDBLOCK {
		t.Errorf("the lock was lost: %v", err)
	}
}

// TestContent checks that what came with open is not served when it is stale.
func TestContent(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/f"
	check(t, "write", os.WriteFile(name, []byte("one"), 0o644))
	r := must(os.Open(name))
	defer r.Close()
	w := must(os.OpenFile(name, os.O_RDWR, 0))
	defer w.Close()
	must(w.WriteAt([]byte("two four"), 0))
	buf := make([]byte, 100)
	if n, _ := r.ReadAt(buf, 0); string(buf[:n]) != "two four" {
		t.Errorf("read %q after a write through another file", buf[:n])
	}
	check(t, "truncate", w.Truncate(3))
	r2 := must(os.Open(name))
	defer r2.Close()
	if got := must(io.ReadAll(r2)); string(got) != "two" {
		t.Errorf("read %q after a truncate", got)
	}
	// Another client changes it.
	o, err := v.brick.Lookup(context.Background(), &fop.LookupReq{Req: fop.Req{Caller: &fop.Caller{}}, Parent: fop.RootGFID, Name: "f"})
	check(t, "lookup", err)
	of, err := v.brick.Open(context.Background(), &fop.OpenReq{Req: fop.Req{Caller: &fop.Caller{}}, GFID: o.Iatt.GFID, Flags: syscall.O_RDWR})
	check(t, "open", err)
	_, err = of.File.Writev(context.Background(), &fop.WritevReq{Req: fop.Req{Caller: &fop.Caller{}}, Data: []byte("another's")})
	check(t, "write", err)
	of.File.Close()
	if got := must(os.ReadFile(name)); string(got) != "another's" && string(got) != "ano" {
		t.Errorf("read %q after another client's write", got)
	}
}

func TestUnlinkedOpen(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	f := must(os.Create(v.dir + "/f"))
	defer f.Close()
	check(t, "remove", os.Remove(v.dir+"/f"))
	must(f.WriteString("still here"))
	check(t, "truncate", f.Truncate(5))
	st := must(f.Stat())
	if st.Size() != 5 || st.Sys().(*syscall.Stat_t).Nlink != 0 {
		t.Errorf("fstat: %+v", st)
	}
	buf := make([]byte, 10)
	if n, _ := f.ReadAt(buf, 0); string(buf[:n]) != "still" {
		t.Errorf("read %q", buf[:n])
	}
}

func TestBigAndMapped(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/big"
	data := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	f := must(os.Create(name))
	defer f.Close()
	must(f.Write(data))
	check(t, "fsync", f.Sync())
	if got := must(os.ReadFile(name)); !bytes.Equal(got, data) {
		t.Error("what was read is not what was written")
	}
	m := must(unix.Mmap(int(f.Fd()), 0, len(data), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED))
	if !bytes.Equal(m, data) {
		t.Error("mapping differs")
	}
	copy(m[4096:], "mapped")
	check(t, "msync", unix.Msync(m, unix.MS_SYNC))
	check(t, "munmap", unix.Munmap(m))
	direct := must(unix.Open(name, unix.O_RDWR|unix.O_DIRECT, 0))
	defer unix.Close(direct)
	page := must(unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE))
	defer unix.Munmap(page)
	if n, err := unix.Pread(direct, page, 0); err != nil || n != 1<<20 || string(page[4096:4102]) != "mapped" {
		t.Errorf("O_DIRECT read: %d, %v, %q", n, err, page[4096:4102])
	}
	copy(page, "direct")
	if n, err := unix.Pwrite(direct, page, 1<<20); err != nil || n != 1<<20 {
		t.Errorf("O_DIRECT write: %d, %v", n, err)
	}
	if n, err := f.ReadAt(page[:6], 1<<20); err != nil || string(page[:n]) != "direct" {
		t.Errorf("read %q after an O_DIRECT write, %v", page[:n], err)
	}
}

// TestInterruptedLock sends a signal to a process that waits for a lock.
func TestInterruptedLock(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/f"
	f := must(os.Create(name))
	defer f.Close()
	check(t, "lock", syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	for _, kind := range []string{"flock", "posix"} {
		if kind == "posix" {
			lk := unix.Flock_t{Type: unix.F_WRLCK}
			check(t, "lock", unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lk))
		}
		cmd := exec.Command(must(os.Executable()), "-test.run=TestHelperLock")
		cmd.Env = append(os.Environ(), "LOCK_FILE="+name, "LOCK_KIND="+kind)
		out := must(cmd.StdoutPipe())
		check(t, "start", cmd.Start())
		must(out.Read(make([]byte, 1))) // it is about to wait
		cmd.Process.Kill()
		cmd.Wait() // returns only if the wait for the lock ended
	}
	// Nobody holds or waits for a lock any more but this process.
	check(t, "unlock", syscall.Flock(int(f.Fd()), syscall.LOCK_UN))
	g := must(os.OpenFile(name, os.O_RDWR, 0))
	defer g.Close()
	check(t, "lock by another file", syscall.Flock(int(g.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
}

// TestHelperLock is the process that waits.
func TestHelperLock(t *testing.T) {
	name := os.Getenv("LOCK_FILE")
	if name == "" {
		t.Skip("not started by TestInterruptedLock")
	}
	f := must(os.OpenFile(name, os.O_RDWR, 0))
	os.Stdout.WriteString("x")
	if os.Getenv("LOCK_KIND") == "posix" {
		lk := unix.Flock_t{Type: unix.F_WRLCK}
		unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &lk)
	} else {
		syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
}

func TestPosixLocks(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/f"
	f := must(os.Create(name))
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 10}
	check(t, "lock", unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lk))
	ask := func() string { // another process's view
		out, err := exec.Command("python3", "-c", `
import fcntl,os,struct,sys
fd=os.open(sys.argv[1],os.O_RDWR)
try:
    fcntl.lockf(fd,fcntl.LOCK_EX|fcntl.LOCK_NB,5,12)
    print("free")
except OSError as e: print(os.strerror(e.errno))
`, name).CombinedOutput()
		if err != nil {
			t.Skip("no python3:", err)
		}
		return strings.TrimSpace(string(out))
	}
	if got := ask(); got != "Resource temporarily unavailable" {
		t.Errorf("locked range: %s", got)
	}
	// Closing any file of the inode drops the process's locks.
	must(os.Open(name)).Close()
	if got := ask(); got != "free" {
		t.Errorf("after a close: %s", got)
	}
	f.Close()
}

func TestSetUserID(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/f"
	check(t, "chmod root", os.Chmod(v.dir, 0o777))
	check(t, "write", os.WriteFile(name, []byte("x"), 0o666))
	mode := func() uint32 {
		var st unix.Stat_t
		check(t, "stat", unix.Stat(name, &st))
		return st.Mode & 07777
	}
	set := func() { check(t, "chmod", unix.Chmod(name, 0o6777)) }
	asUser := func(script string) {
		cmd := exec.Command("sh", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1234, Gid: 1234}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	set()
	asUser("printf y >> " + name)
	if m := mode(); m != 0o777 {
		t.Errorf("mode %o after a user's write", m)
	}
	set()
	asUser(": > " + name)
	if m := mode(); m != 0o777 {
		t.Errorf("mode %o after a user's truncate", m)
	}
	set()
	check(t, "chown", os.Chown(name, 5, 5))
	if m := mode(); m != 0o777 {
		t.Errorf("mode %o after chown", m)
	}
}

// TestGroups checks that supplementary groups reach the brick, and the umask with them.
func TestGroups(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	check(t, "mkdir", os.Mkdir(v.dir+"/d", 0o770))
	check(t, "chown", os.Chown(v.dir+"/d", 0, 777))
	check(t, "chmod", os.Chmod(v.dir+"/d", 0o770))
	cmd := exec.Command("sh", "-c", "umask 027; : > "+v.dir+"/d/f; mkdir "+v.dir+"/d/e")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1234, Gid: 1234, Groups: []uint32{5, 777}}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]os.FileMode{"f": 0o640, "e": 0o750 | os.ModeDir} {
		st := must(os.Stat(v.dir + "/d/" + name))
		if st.Mode() != want || st.Sys().(*syscall.Stat_t).Uid != 1234 {
			t.Errorf("%s: %v %+v, want %v", name, st.Mode(), st.Sys(), want)
		}
	}
}

func TestXattrs(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	name := v.dir + "/f"
	check(t, "write", os.WriteFile(name, nil, 0o644))
	buf := make([]byte, 100)
	if _, err := unix.Getxattr(name, "user.a", buf); err != unix.ENODATA {
		t.Errorf("getxattr of nothing: %v", err)
	}
	if n, err := unix.Listxattr(name, buf); n != 0 || err != nil {
		t.Errorf("listxattr of nothing: %d, %v", n, err)
	}
	check(t, "setxattr", unix.Setxattr(name, "user.a", []byte("value"), unix.XATTR_CREATE))
	if err := unix.Setxattr(name, "user.a", []byte("value"), unix.XATTR_CREATE); err != unix.EEXIST {
		t.Errorf("second XATTR_CREATE: %v", err)
	}
	if n, err := unix.Getxattr(name, "user.a", nil); n != 5 || err != nil {
		t.Errorf("size: %d, %v", n, err)
	}
	if _, err := unix.Getxattr(name, "user.a", buf[:3]); err != unix.ERANGE {
		t.Errorf("short buffer: %v", err)
	}
	if n, err := unix.Listxattr(name, buf); err != nil || string(buf[:n]) != "user.a\x00" {
		t.Errorf("listxattr: %q, %v", buf[:n], err)
	}
	if n, err := unix.Getxattr(name, "glusterfs.gfid.string", buf); err != nil || n != 36 {
		t.Errorf("gfid: %q, %v", buf[:n], err)
	}
	check(t, "removexattr", unix.Removexattr(name, "user.a"))
	if err := unix.Setxattr(name, "system.posix_acl_access", []byte{2, 0, 0, 0}, 0); err != unix.EOPNOTSUPP {
		t.Errorf("ACL without the option: %v", err)
	}
}

// TestDirectory lists a directory of several batches, seeks in it, and compares ls -l's
// way with names only.
func TestDirectory(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	const n = 3000
	for i := range n {
		check(t, "create", os.WriteFile(fmt.Sprintf("%s/file-with-a-long-name-%06d", v.dir, i), make([]byte, i%7), 0o644))
	}
	d := must(os.Open(v.dir))
	defer d.Close()
	seen := map[string]bool{}
	for _, e := range must(d.ReadDir(-1)) {
		seen[e.Name()] = true
		info := must(e.Info())
		if want := e.Name()[len(e.Name())-6:]; fmt.Sprint(info.Size()) != fmt.Sprint(atoi(want)%7) {
			t.Fatalf("%s has %d bytes", e.Name(), info.Size())
		}
	}
	if len(seen) != n {
		t.Errorf("%d entries, want %d", len(seen), n)
	}
	// telldir and seekdir.
	must(d.Seek(0, 0))
	buf := make([]byte, 4096)
	k := must(unix.Getdents(int(d.Fd()), buf))
	_, _, names := unix.ParseDirent(buf[:k], -1, nil)
	pos := must(d.Seek(0, 1))
	k2 := must(unix.Getdents(int(d.Fd()), buf))
	next := append([]byte(nil), buf[:k2]...)
	must(d.Seek(pos, 0))
	if k3 := must(unix.Getdents(int(d.Fd()), buf)); !bytes.Equal(next, buf[:k3]) {
		t.Error("seeking back gives other entries")
	}
	if len(names) == 0 {
		t.Error("no names")
	}
}

func atoi(s string) (n int) {
	fmt.Sscanf(s, "%d", &n)
	return n
}

// TestForgotten checks that nodes go when the kernel forgets them.
func TestForgotten(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	for i := range 2000 {
		check(t, "create", os.WriteFile(fmt.Sprintf("%s/%d", v.dir, i), nil, 0o644))
	}
	if n := v.bridge.Nodes(); n < 2000 {
		t.Fatalf("%d nodes for 2000 files", n)
	}
	for i := range 2000 {
		check(t, "remove", os.Remove(fmt.Sprintf("%s/%d", v.dir, i)))
	}
	deadline := time.Now().Add(10 * time.Second)
	for v.bridge.Nodes() > 10 {
		if time.Now().After(deadline) {
			t.Fatalf("%d nodes are left", v.bridge.Nodes())
		}
		runtime.Gosched()
	}
}

// TestConcurrent lets many goroutines create, write, read, rename and remove.
func TestConcurrent(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			dir := fmt.Sprintf("%s/d%d", v.dir, i%4)
			os.Mkdir(dir, 0o755)
			for j := range 50 {
				name := filepath.Join(dir, fmt.Sprintf("%d-%d", i, j))
				want := bytes.Repeat([]byte{byte(i)}, 1+j*1000)
				if err := os.WriteFile(name, want, 0o644); err != nil {
					t.Error(err)
					return
				}
				if err := os.Rename(name, name+".new"); err != nil {
					t.Error(err)
					return
				}
				if got, err := os.ReadFile(name + ".new"); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, want %d: %v", name, len(got), len(want), err)
					return
				}
				if j%2 == 0 {
					os.Remove(name + ".new")
				}
			}
		})
	}
	wg.Wait()
}

// TestCreateRace has many openers make the same file without O_EXCL, and with it.
func TestCreateRace(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	for i := range 20 {
		name := fmt.Sprintf("%s/%d", v.dir, i)
		var wg sync.WaitGroup
		var mu sync.Mutex
		winners := 0
		for range 4 {
			wg.Go(func() {
				f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
				f, err = os.OpenFile(name+".x", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
				if err == nil {
					f.Close()
					mu.Lock()
					winners++
					mu.Unlock()
				} else if !errors.Is(err, syscall.EEXIST) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if winners != 1 {
			t.Errorf("%d made %s.x", winners, name)
		}
	}
}

func TestDevices(t *testing.T) {
	v := newVolume(t, fuse.DefaultOptions())
	dev := int(unix.Mkdev(259, 70000))
	check(t, "mknod", unix.Mknod(v.dir+"/dev", unix.S_IFBLK|0o600, dev))
	check(t, "mkfifo", unix.Mkfifo(v.dir+"/fifo", 0o600))
	var st unix.Stat_t
	check(t, "stat", unix.Stat(v.dir+"/dev", &st))
	if st.Mode != unix.S_IFBLK|0o600 || int(st.Rdev) != dev {
		t.Errorf("mode %o, device %#x, want %#x", st.Mode, st.Rdev, dev)
	}
}

// TestACL is about POSIX ACLs, which the kernel checks and the brick applies.
func TestACL(t *testing.T) {
	opts := fuse.DefaultOptions()
	opts.ACL = true
	v := newVolumeOn(t, opts, posixBrick)
	check(t, "chmod", os.Chmod(v.dir, 0o755))
	name := v.dir + "/f"
	check(t, "write", os.WriteFile(name, []byte("secret"), 0o600))
	// user::rw-, user:1234:r--, group::---, mask::r--, other::---
	acl := []byte{2, 0, 0, 0,
		1, 0, 6, 0, 255, 255, 255, 255,
		2, 0, 4, 0, 0xd2, 4, 0, 0,
		4, 0, 0, 0, 255, 255, 255, 255,
		16, 0, 4, 0, 255, 255, 255, 255,
		32, 0, 0, 0, 255, 255, 255, 255}
	check(t, "setxattr", unix.Setxattr(name, "system.posix_acl_access", acl, 0))
	for uid, want := range map[uint32]string{1234: "secret", 1235: ""} {
		cmd := exec.Command("cat", name)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if out, _ := cmd.Output(); string(out) != want {
			t.Errorf("user %d read %q, want %q", uid, out, want)
		}
	}
	// A default ACL replaces the umask.
	check(t, "mkdir", os.Mkdir(v.dir+"/d", 0o777))
	acl[14] = 6 // user:1234:rw-
	acl[30] = 6 // mask::rw-
	check(t, "setxattr", unix.Setxattr(v.dir+"/d", "system.posix_acl_default", acl, 0))
	old := unix.Umask(0o077)
	err := os.WriteFile(v.dir+"/d/f", nil, 0o666)
	unix.Umask(old)
	check(t, "create", err)
	if st := must(os.Stat(v.dir + "/d/f")); st.Mode() != 0o660 {
		t.Errorf("mode %o, want 660", st.Mode())
	}
}
