package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTwoMountsLock: locks exclude between mounts, and go with their holder.
func TestTwoMountsLock(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	a, b := c.mount(""), c.mount("")
	if err := os.WriteFile(a.path("f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	kinds := []struct {
		name string
		lock func(f *os.File, wait bool) error
	}{
		{"fcntl", func(f *os.File, wait bool) error {
			cmd := unix.F_OFD_SETLK
			if wait {
				cmd = unix.F_OFD_SETLKW
			}
			return unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: unix.F_WRLCK, Start: 5, Len: 10})
		}},
		{"flock", func(f *os.File, wait bool) error {
			how := unix.LOCK_EX
			if !wait {
				how |= unix.LOCK_NB
			}
			return unix.Flock(int(f.Fd()), how)
		}},
	}
	open := func(m *mounted) *os.File {
		var f *os.File
		c.waitFor(5*time.Second, func() (err error) { f, err = os.OpenFile(m.path("f"), os.O_RDWR, 0); return err })
		return f
	}
	for _, k := range kinds {
		fa, fb := open(a), open(b)
		if err := k.lock(fa, false); err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		if err := k.lock(fb, false); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("%s: the second lock: %v, want EAGAIN", k.name, err)
		}
		got := make(chan error, 1)
		go func() { got <- k.lock(fb, true) }()
		select {
		case err := <-got:
			t.Errorf("%s: the second lock came at once: %v", k.name, err)
		case <-time.After(200 * time.Millisecond):
		}
		fa.Close()
		waitLock(t, k.name+", after close", got)
		fb.Close()
	}
	// A mount process that is killed leaves no locks.
	fa, fb := open(a), open(b)
	defer fb.Close()
	if err := kinds[0].lock(fa, false); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- kinds[0].lock(fb, true) }()
	syscall.Kill(a.pid, syscall.SIGKILL)
	waitLock(t, "after the holder's mount was killed", got)
	fa.Close()
	syscall.Unmount(a.dir, syscall.MNT_DETACH)
	if _, err := fb.WriteAt([]byte("y"), 0); err != nil {
		t.Error(err)
	}
}

func waitLock(t *testing.T, what string, got chan error) {
	t.Helper()
	select {
	case err := <-got:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: the lock never came", what)
	}
}

// TestTwoMountsAppend: records appended from two mounts stay whole, and none is lost.
func TestTwoMountsAppend(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	ms := []*mounted{c.mount(""), c.mount("")}
	const each, size = 200, 100
	if err := os.WriteFile(ms[0].path("log"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.waitFor(5*time.Second, func() error { _, err := os.Stat(ms[1].path("log")); return err })
	var wg sync.WaitGroup
	for k, m := range ms {
		wg.Go(func() {
			f, err := os.OpenFile(m.path("log"), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for i := range each {
				if _, err := f.WriteString(fmt.Sprintf("%-*s\n", size-1, fmt.Sprintf("%d %d", k, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, m := range append(ms, c.mount("")) {
		var data []byte
		c.waitFor(5*time.Second, func() (err error) {
			if data, err = readAll(m.path("log")); err == nil && len(data) != 2*each*size {
				err = fmt.Errorf("%d bytes, want %d", len(data), 2*each*size)
			}
			return err
		})
		next := map[string]int{}
		for line := range bytes.Lines(data) {
			var i int
			who, rest, _ := strings.Cut(string(line), " ")
			fmt.Sscan(rest, &i)
			if len(line) != size || i != next[who] {
				for j := range 2 {
					onDisk, _ := os.ReadFile(c.bricks[j] + "/log")
					t.Logf("brick %d has the same: %t", j, bytes.Equal(onDisk, data))
				}
				t.Fatalf("a record is %q (%d bytes), want number %d of its writer", line, len(line), next[who])
			}
			next[who]++
		}
	}
	c.checkClean()
	c.sameData("log")
}

// TestTwoMountsCreate: many files made in one directory from two mounts at once.
func TestTwoMountsCreate(t *testing.T) {
	t.Parallel()
	for _, lay := range []layout{arbiter, plain3} {
		c := start(t, lay)
		ms := []*mounted{c.mount(""), c.mount("")}
		if err := os.Mkdir(ms[0].path("d"), 0o755); err != nil {
			t.Fatal(err)
		}
		c.waitFor(5*time.Second, func() error { _, err := os.Stat(ms[1].path("d")); return err })
		const each = 300
		begin := time.Now()
		var wg sync.WaitGroup
		for k, m := range ms {
			wg.Go(func() {
				for i := range each {
					if err := os.WriteFile(m.path(fmt.Sprintf("d/%d-%d", k, i)), []byte{byte(i)}, 0o644); err != nil {
						t.Error(err)
						return
					}
					if i%10 == 0 {
						if err := os.Rename(m.path(fmt.Sprintf("d/%d-%d", k, i)), m.path(fmt.Sprintf("d/%d-%d.x", k, i))); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(begin)
		t.Logf("%d bricks: %d files from two mounts in %v", lay.bricks, 2*each, took)
		if took > 30*time.Second {
			t.Errorf("that is too slow")
		}
		for _, m := range ms {
			c.waitFor(5*time.Second, func() error {
				list, err := os.ReadDir(m.path("d"))
				if err == nil && len(list) != 2*each {
					err = fmt.Errorf("%d files, want %d", len(list), 2*each)
				}
				return err
			})
		}
		c.checkClean()
	}
}

// TestFullDisk: ENOSPC reaches the program, and nothing that was there is lost.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	lay := arbiter
	lay.size = "330M"
	c := start(t, lay)
	m := c.mount("")
	keep := rubbish(9, 1<<20)
	if err := os.WriteFile(m.path("keep"), keep, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(m.path("big"))
	if err != nil {
		t.Fatal(err)
	}
	piece := rubbish(10, 1<<20)
	var written int64
	for range 1000 {
		var n int
		n, err = f.Write(piece)
		written += int64(n)
		if err != nil {
			break
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("writing more than there is room: %v, want ENOSPC", err)
	}
	sameContent(t, m.path("keep"), keep)
	whole := written / int64(len(piece))
	big, err := readAll(m.path("big"))
	if err != nil || int64(len(big)) < whole*int64(len(piece)) {
		t.Errorf("%d pieces were written, %d bytes are there: %v", whole, len(big), err)
	}
	for i := range whole {
		if at := int(i) * len(piece); at+len(piece) <= len(big) && !bytes.Equal(big[at:at+len(piece)], piece) {
			t.Fatalf("piece %d is damaged", i)
		}
	}
	if err := os.Remove(m.path("big")); err != nil {
		t.Errorf("removing a file on a full volume: %v", err)
	}
	c.waitFor(10*time.Second, func() error { return os.WriteFile(m.path("after"), keep, 0o644) })
	sameContent(t, m.path("after"), keep)
	sameContent(t, m.path("keep"), keep)
	c.sameData("after")
}

// TestReadOnlyBrick: a brick whose disk turns read-only must not make writes fail.
func TestReadOnlyBrick(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	data := rubbish(11, 1<<20)
	if err := os.WriteFile(m.path("f"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	c.waitFor(8*time.Second, c.unclean)
	// The disk as it is after an error: nothing can be written any more.
	c.sh("xfs_io -x -c 'shutdown' %s", c.disks[1])
	fresh := rubbish(12, 1<<20)
	c.waitFor(15*time.Second, func() error { return os.WriteFile(m.path("g"), fresh, 0o644) })
	if err := os.WriteFile(m.path("f"), fresh, 0o644); err != nil {
		t.Errorf("with one disk gone: %v", err)
	}
	sameContent(t, m.path("f"), fresh)
	sameContent(t, m.path("g"), fresh)
	m.remount()
	sameContent(t, m.path("f"), fresh)
	sameContent(t, m.path("g"), fresh)
}

// TestRubbish: bytes that make no sense on the daemon's and a brick's port hurt nobody.
func TestRubbish(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	pids := c.status()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	data := rubbish(13, 300<<10)
	wg.Go(func() {
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			default:
			}
			name := m.path(fmt.Sprint("f", k%20))
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Error(err)
			}
			sameContent(t, name, data)
		}
	})
	for k := range 60 {
		for _, port := range []int{24007, 49152, 49153, 49154} {
			junk := rubbish(int64(k), 1+k*k*7%5000)
			cmd := exec.Command("bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d && cat >&3", c.addr, port))
			cmd.Stdin = bytes.NewReader(junk)
			cmd.Run()
		}
	}
	close(stop)
	wg.Wait()
	for i, b := range c.status() {
		if b != pids[i] {
			t.Errorf("brick %d was %+v, is %+v", i, pids[i], b)
		}
	}
	c.checkClean()
}
