package cluster

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rubbish is size bytes that depend on seed.
func rubbish(seed int64, size int) []byte {
	b := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// readAll reads a file past the kernel's cache.
func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return io.ReadAll(f)
}

func sameContent(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := readAll(path)
	if err != nil {
		t.Errorf("reading %s: %v", path, err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes with sum %x, want %d with %x", path, len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
}

// TestKilledBrick kills one brick after the other while files are being copied.
func TestKilledBrick(t *testing.T) {
	for victim, name := range []string{"first data brick", "second data brick", "arbiter"} {
		t.Run(name, func(t *testing.T) { killedBrick(t, victim) })
	}
}

func killedBrick(t *testing.T, victim int) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	data := rubbish(int64(victim), 200<<20)
	f, err := os.Create(m.path("big"))
	if err != nil {
		t.Fatal(err)
	}
	const piece = 1 << 20
	for off := 0; off < len(data); off += piece {
		if off == 50*piece {
			c.kill(victim)
		}
		if _, err := f.Write(data[off : off+piece]); err != nil {
			t.Fatalf("write at %d: %v", off, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	c.waitOnline()
	sameContent(t, m.path("big"), data)
	c.waitFor(8*time.Second, func() error {
		for i := range c.bricks {
			if d := c.dirty(i, "big"); i != victim && !d.Zero() {
				return fmt.Errorf("brick %d still has dirty=%v", i, d)
			}
		}
		return nil
	})
	for i := range c.bricks {
		for j := range c.bricks {
			p := c.pending(i, j, "big")
			switch {
			case j == victim && i != victim && p[0] == 0:
				t.Errorf("brick %d does not accuse the killed one: %v", i, p)
			case j == victim && i != victim:
			case !p.Zero():
				t.Errorf("brick %d accuses %d: %v", i, j, p)
			}
		}
	}
	// The stale copy is spoilt further: whoever reads it is found out.
	if victim != 2 {
		stale := filepath.Join(c.bricks[victim], "big")
		if err := os.WriteFile(stale, bytes.Repeat([]byte("STALE!"), 1000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		sameContent(t, m.path("big"), data)
		if st, err := os.Stat(m.path("big")); err != nil || st.Size() != int64(len(data)) {
			t.Errorf("stat: %v, %v", st, err)
		}
		m.remount()
	}
	sameContent(t, m.path("big"), data)
	if victim == 2 {
		return
	}
	onlyStaleIsUp(t, c, m, victim, data)
}

// onlyStaleIsUp kills the good copy's brick: the stale one must not be used instead.
func onlyStaleIsUp(t *testing.T, c *cluster, m *mounted, stale int, data []byte) {
	release := c.hold(1 - stale)
	defer release()
	name := m.path("big")
	c.waitFor(10*time.Second, func() error { // the stop is noticed
		if _, err := readAll(name); !errors.Is(err, syscall.ENOTCONN) {
			return fmt.Errorf("reading while only the stale copy is up: %v, want ENOTCONN", err)
		}
		return nil
	})
	if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
		if _, err = f.WriteAt([]byte("x"), 0); err == nil {
			err = f.Close()
		} else {
			f.Close()
		}
		if !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("writing while only the stale copy is up: %v, want ENOTCONN", err)
		}
	} else if !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("opening while only the stale copy is up: %v, want ENOTCONN", err)
	}
	release()
	c.waitOnline()
	c.waitFor(10*time.Second, func() error {
		got, err := readAll(name)
		if err == nil && !bytes.Equal(got, data) {
			t.Fatalf("other content when the good copy is back")
		}
		return err
	})
	data = bytes.Clone(data)
	copy(data, "new")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("new"), 0); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	sameContent(t, name, data)
}

// TestKilledDaemon: mounts and bricks do not need it.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	before := c.status()
	c.killDaemon()
	data := rubbish(1, 1<<20)
	if err := os.WriteFile(m.path("f"), data, 0o644); err != nil {
		t.Error(err)
	}
	sameContent(t, m.path("f"), data)
	c.startDaemon()
	c.waitOnline()
	for i, b := range c.status() {
		if b != before[i] {
			t.Errorf("brick %d was %+v, is %+v", i, before[i], b)
		}
	}
	sameContent(t, m.path("f"), data)
	c.mount("").umount()
	c.checkClean()
}

// TestAllBricksKilled: programs get errors while there is nothing, and go on after.
func TestAllBricksKilled(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	f, err := os.Create(m.path("f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("before")); err != nil {
		t.Fatal(err)
	}
	locked, err := os.Create(m.path("locked"))
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	lk := unix.Flock_t{Type: unix.F_WRLCK, Len: 10}
	if err := unix.FcntlFlock(locked.Fd(), unix.F_OFD_SETLK, &lk); err != nil {
		t.Fatal(err)
	}
	release := c.hold(0, 1, 2)
	defer release()
	c.waitFor(10*time.Second, func() error {
		if _, err := f.WriteAt([]byte("x"), 6); !errors.Is(err, syscall.ENOTCONN) {
			return fmt.Errorf("writing without bricks: %v, want ENOTCONN", err)
		}
		return nil
	})
	if _, err := os.Stat(m.path("nosuch")); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("stat without bricks: %v, want ENOTCONN", err)
	}
	release()
	c.waitOnline()
	back := time.Now()
	c.waitFor(5*time.Second, func() error { _, err := f.WriteAt([]byte(" and after"), 6); return err })
	c.waitFor(5*time.Second, func() error { _, err := readAll(m.path("f")); return err })
	t.Logf("the file could be used %v after the bricks were back", time.Since(back))
	sameContent(t, m.path("f"), []byte("before and after"))
	if err := os.Mkdir(m.path("dir"), 0o755); err != nil {
		t.Error(err)
	}
	// The lock is there again, or the file says that it is lost.
	_, err = locked.WriteAt([]byte("x"), 0)
	other := c.mount("")
	f2, err2 := os.OpenFile(other.path("locked"), os.O_RDWR, 0)
	if err2 != nil {
		t.Fatal(err2)
	}
	defer f2.Close()
	lk = unix.Flock_t{Type: unix.F_WRLCK, Len: 10}
	err2 = unix.FcntlFlock(f2.Fd(), unix.F_OFD_SETLK, &lk)
	if !errors.Is(err, unix.EBADFD) && err2 == nil {
		t.Errorf("the lock is lost, and its holder can write: %v", err)
	}
	t.Logf("holder's write: %v; another's lock: %v", err, err2)
}

// TestFrozenBrick: a brick that does not answer stops the mount for about as long as
// network.ping-timeout, 5 s.
func TestFrozenBrick(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	data := rubbish(3, 4<<20)
	if err := os.WriteFile(m.path("f"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	pid := c.pid(1)
	syscall.Kill(pid, syscall.SIGSTOP)
	defer syscall.Kill(pid, syscall.SIGCONT)
	var longest time.Duration
	begin := time.Now()
	for k := 0; time.Since(begin) < 9*time.Second; k++ {
		at := time.Now()
		if err := os.WriteFile(m.path(fmt.Sprint("w", k%50)), data[:4096], 0o644); err != nil {
			t.Errorf("write: %v", err)
		}
		if err := os.Mkdir(m.path(fmt.Sprint("d", k)), 0o755); err != nil {
			t.Errorf("mkdir: %v", err)
		}
		sameContent(t, m.path("f"), data)
		longest = max(longest, time.Since(at))
	}
	t.Logf("the longest stall was %v", longest)
	if longest > 8*time.Second {
		t.Errorf("a frozen brick stops everything for %v", longest)
	}
	syscall.Kill(pid, syscall.SIGCONT)
	c.waitOnline()
	for k := range 20 {
		if err := os.WriteFile(m.path(fmt.Sprint("a", k)), data[:4096], 0o644); err != nil {
			t.Errorf("write when all is well again: %v", err)
		}
	}
	// What came after the brick was back is on it, soon.
	c.waitFor(5*time.Second, func() error {
		if err := os.WriteFile(m.path("last"), data, 0o644); err != nil {
			return err
		}
		defer os.Remove(m.path("last"))
		got, err := os.ReadFile(filepath.Join(c.bricks[1], "last"))
		if err != nil || !bytes.Equal(got, data) {
			return fmt.Errorf("the brick that is back gets no new files: %v", err)
		}
		return nil
	})
	sameContent(t, m.path("f"), data)
}
