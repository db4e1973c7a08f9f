package cluster

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a running volume can be asked, and told, while programs work on it.
func TestAsked(t *testing.T) {
	t.Parallel()
	c := start(t, replica3)
	m := c.mount("run-dir=" + c.dir + "/run")
	c.sh("mkdir %s/d && echo hello > %[1]s/d/f", m.dir)
	t.Run("profile and top", func(t *testing.T) { profileAndTop(t, c) })
	t.Run("views and dumps", func(t *testing.T) { viewsAndDumps(t, c, m) })
	t.Run("clear-locks", func(t *testing.T) { clearLocks(t, c, m) })
	t.Run("barrier", func(t *testing.T) { holdBack(t, c, m) })
	t.Run("metrics", func(t *testing.T) { scrapes(t, c, m) })
	t.Run("daemon-log-level", func(t *testing.T) { daemonLevel(t, c) })
	c.sh("echo again >> %s/d/f && cat %[1]s/d/f", m.dir) // it has survived all that
}

func profileAndTop(t *testing.T, c *cluster) {
	c.must("volume", "profile", c.vol, "start")
	out := c.must("volume", "profile", c.vol, "info")
	for _, want := range []string{"  4b+ ", "CREATE\n", "WRITE\n", "MKDIR\n", "Data Written: 6 bytes\n"} {
		if strings.Count(out, want) != 6 { // three bricks, each in total and in the interval
			t.Errorf("%q is not six times in\n%s", want, out)
		}
	}
	if out := c.must("volume", "top", c.vol, "write"); strings.Count(out, "1\t\t/d/f\n") != 3 {
		t.Errorf("top write:\n%s", out)
	}
	c.must("volume", "profile", c.vol, "stop")
}

func viewsAndDumps(t *testing.T, c *cluster, m *mounted) {
	f, err := os.OpenFile(m.path("d/f"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out := c.must("volume", "status", c.vol, "fd"); strings.Count(out, "Connection 1:") != 3 {
		t.Errorf("fd:\n%s", out)
	}
	// The heal daemon is a client, too, even if it is not to heal.
	c.waitFor(10*time.Second, func() error {
		out := c.must("volume", "status", c.vol, "client-list")
		for _, want := range []string{"fuse                                                           1\n", "glustershd                                                     1\n", "total clients for volume v : 2 "} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("no %q in client-list:\n%s", want, out)
			}
		}
		return nil
	})
	c.must("volume", "statedump", c.vol)
	c.must("volume", "statedump", c.vol, "client", c.addr+":"+strconv.Itoa(m.pid))
	c.pidSignal(m.pid, syscall.SIGUSR1)
	c.pidSignal(c.pid(0), syscall.SIGUSR1)
	c.pidSignal(c.daemon.Process.Pid, syscall.SIGUSR1)
	c.waitFor(10*time.Second, func() error {
		bricks, _ := filepath.Glob(c.dir + "/run/*-d?-b.*.dump.*")
		mounts, _ := filepath.Glob(c.dir + "/run/gofsdump.*")
		daemons, _ := filepath.Glob(c.dir + "/run/gofsd.*.dump.*")
		if len(bricks) != 4 || len(mounts) != 2 || len(daemons) != 1 {
			return fmt.Errorf("dumps of bricks %v, of the mount %v, of the daemon %v", bricks, mounts, daemons)
		}
		return nil
	})
	dumps, _ := filepath.Glob(c.dir + "/run/*-d0-b.*.dump.*")
	text, err := os.ReadFile(dumps[0])
	if err != nil || !strings.Contains(string(text), "path=/d/f") {
		t.Errorf("the dump does not show the open file, %v:\n%s", err, text)
	}
}

func (c *cluster) pidSignal(pid int, sig syscall.Signal) {
	c.t.Helper()
	if !ours(pid) {
		c.t.Fatalf("process %d is not one of this test's", pid)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		c.t.Fatal(err)
	}
}

// clearLocks takes a program's lock away: another one gets it.
func clearLocks(t *testing.T, c *cluster, m *mounted) {
	open := func() *os.File {
		f, err := os.OpenFile(m.path("d/f"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	holder, other := open(), open()
	defer holder.Close()
	defer other.Close()
	if err := syscall.Flock(int(holder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatalf("a second lock: %v", err)
	}
	out := c.must("volume", "clear-locks", c.vol, "/d/f", "kind", "granted", "posix")
	if strings.Count(out, "/b/: posix blocked locks=0 granted locks=1\n") != 3 {
		t.Errorf("clear-locks:\n%s", out)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("the cleared lock is still held: %v", err)
	}
	// A translator's: the mount loses the connection, and with it what it believes to hold.
	for range 3 {
		c.sh("echo more >> %s/d/f", m.dir)
		c.must("volume", "clear-locks", c.vol, "/d/f", "kind", "all", "inode")
	}
	c.waitFor(20*time.Second, func() error {
		f, err := os.OpenFile(m.path("d/f"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("after\n")
		return errors.Join(err, f.Close())
	})
}

// holdBack raises the barrier: a removal is answered when it is lowered.
func holdBack(t *testing.T, c *cluster, m *mounted) {
	if err := os.WriteFile(m.path("d/gone"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.must("volume", "barrier", c.vol, "enable")
	done := make(chan error, 1)
	go func() { done <- os.Remove(m.path("d/gone")) }()
	select {
	case err := <-done:
		t.Errorf("the removal was answered: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	c.must("volume", "barrier", c.vol, "disable")
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the removal: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the removal is never answered")
	}
}

// scrapes asks for metrics, often, and looks at what that costs the daemon.
func scrapes(t *testing.T, c *cluster, m *mounted) {
	var text []byte
	for range 50 {
		r, err := http.Get("http://" + c.addr + ":24009/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 {
			t.Fatalf("status %d, %v", r.StatusCode, err)
		}
	}
	for _, want := range []string{
		fmt.Sprintf(`gofs_brick_up{brick="%s:%s",volume="v"} 1`, c.addr, c.bricks[2]),
		fmt.Sprintf(`gofs_brick_clients{brick="%s:%s",volume="v"} 2`, c.addr, c.bricks[0]),
		fmt.Sprintf(`mount="%s %d",op="write",side="mount",volume="v"} `, m.dir, m.pid),
		`fop="WRITE"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.daemon.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb int
	if fmt.Sscan(rest, &kb); kb == 0 || kb > 60<<10 {
		t.Errorf("the daemon has %d KiB resident", kb)
	}
}

// daemonLevel makes the daemon log less, and as before, while it runs.
func daemonLevel(t *testing.T, c *cluster) {
	dumped := func() (n int) { // what the daemon says at INFO
		text, err := os.ReadFile(c.dir + "/log/gofsd.log")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "dumped the state")
	}
	dump := func() {
		t.Helper()
		before, _ := filepath.Glob(c.dir + "/run/gofsd.*.dump.*")
		c.pidSignal(c.daemon.Process.Pid, syscall.SIGUSR1)
		c.waitFor(10*time.Second, func() error {
			if now, _ := filepath.Glob(c.dir + "/run/gofsd.*.dump.*"); len(now) == len(before) {
				return errors.New("no dump")
			}
			return nil
		})
	}
	c.must("volume", "set", "all", "cluster.daemon-log-level", "ERROR")
	c.waitFor(10*time.Second, func() error { // it takes a moment
		before := dumped()
		dump()
		time.Sleep(100 * time.Millisecond)
		if dumped() != before {
			return errors.New("it logs as before")
		}
		return nil
	})
	c.must("volume", "reset", "all", "cluster.daemon-log-level")
	c.waitFor(10*time.Second, func() error {
		before := dumped()
		dump()
		time.Sleep(100 * time.Millisecond)
		if dumped() == before {
			return errors.New("it still logs little")
		}
		return nil
	})
}
