package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cutPower takes the power from bricks and mounts at the same moment: what is not on the disks
// is gone. The disks are mounted again then; the daemon, which would start the bricks, sleeps
// until the function that it returns is called.
func (c *cluster) cutPower(mounts []*mounted, is ...int) (restore func()) {
	c.t.Helper()
	var pids []int
	for _, m := range mounts {
		pids = append(pids, m.pid)
	}
	for _, i := range is {
		pids = append(pids, c.pid(i))
	}
	c.daemon.Process.Signal(syscall.SIGSTOP)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP) // so that nobody sees the others end
	}
	for _, i := range is {
		c.sh("xfs_io -x -c shutdown %s", c.disks[i]) // without writing the log
	}
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range pids {
		c.waitFor(10*time.Second, func() error { return alive(pid) })
	}
	for _, m := range mounts {
		m.end()
	}
	for _, i := range is {
		c.sh("umount %[2]s && mount -o loop,noatime,discard /dev/shm/%[1]s-%[3]d.img %[2]s", filepath.Base(c.dir), c.disks[i], i)
	}
	return func() { c.daemon.Process.Signal(syscall.SIGCONT) }
}

// logged returns the lines of logs that contain a text.
func (c *cluster) logged(log, text string) (lines []string) {
	c.t.Helper()
	files, _ := filepath.Glob(c.dir + "/log/" + log)
	for _, f := range files {
		all, err := os.ReadFile(f)
		if err != nil {
			c.t.Fatal(err)
		}
		for line := range strings.Lines(string(all)) {
			if strings.Contains(line, text) {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// writeSynced makes a file, and makes it durable.
func writeSynced(path string, text []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// TestPowerLoss: a brick and a mount lose power together. Nobody is left who could blame the
// brick for what it forgot; it is vouched for before clients come to it, and healed. What
// programs were told is done is there for a new mount, whether they had synced it or not.
func TestPowerLoss(t *testing.T) {
	for _, k := range []struct {
		name   string
		lay    layout
		victim int
	}{{"replica 3", replica3, 0}, {"arbiter", arbiter, 1}, {"the arbiter", arbiter, 2}} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			k.lay.heals = true
			c := start(t, k.lay)
			m := c.mount("")
			before := bytes.Repeat([]byte("before"), 20000)
			after := bytes.Repeat([]byte("after "), 20000)
			do := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"changed", "moved", "removed"} {
				do(writeSynced(m.path(name), before))
			}
			do(os.WriteFile(m.path("changed"), after, 0o644))
			do(os.Mkdir(m.path("dir"), 0o755))
			do(os.WriteFile(m.path("dir/new"), after, 0o600))
			do(os.Rename(m.path("moved"), m.path("dir/moved")))
			do(os.Remove(m.path("removed")))
			restore := c.cutPower([]*mounted{m}, k.victim)
			if _, err := os.Stat(filepath.Join(c.bricks[k.victim], "dir/new")); err == nil {
				t.Error("the brick has forgotten nothing: the test shows nothing")
			}
			restore()
			c.waitOnline()
			m = c.mount("")
			for name, want := range map[string][]byte{"changed": after, "dir/new": after, "dir/moved": before} {
				if got, err := readAll(m.path(name)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes that begin with %.6q, %v; want %.6q", name, len(got), got, err, want)
				}
			}
			for _, name := range []string{"moved", "removed"} {
				if _, err := os.Stat(m.path(name)); !os.IsNotExist(err) {
					t.Errorf("%s is there again: %v", name, err)
				}
			}
			c.waitFor(30*time.Second, c.unclean)
			if got := c.logged("heald.log", "is vouched for"); len(got) != 1 {
				t.Errorf("vouched for: %q", got)
			}
			if got := c.logged("bricks/*.log", "nobody has vouched"); len(got) != 0 {
				t.Errorf("let clients in by itself: %q", got)
			}
		})
	}
}

// TestAllLosePower: bricks that lose power together do not wait for each other, and have what
// was synced.
func TestAllLosePower(t *testing.T) {
	t.Parallel()
	lay := replica3
	lay.heals = true
	c := start(t, lay)
	m := c.mount("")
	if err := writeSynced(m.path("synced"), []byte("synced")); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := os.WriteFile(m.path(fmt.Sprint("f", i)), []byte("not synced"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.cutPower([]*mounted{m}, 0, 1, 2)()
	c.waitOnline()
	m = c.mount("")
	c.waitFor(20*time.Second, func() error {
		got, err := readAll(m.path("synced"))
		if err == nil && string(got) != "synced" {
			t.Fatalf("what was synced says %q", got)
		}
		return err
	})
	if err := os.WriteFile(m.path("after"), []byte("after"), 0o644); err != nil {
		t.Error(err)
	}
	c.waitFor(30*time.Second, func() error {
		// Nobody blames anybody; what is only dirty, and was in use when the healer came by, is
		// looked at again after cluster.heal-timeout, or now.
		if _, err := c.try("volume", "heal", c.vol); err != nil {
			return err
		}
		return c.unclean()
	})
	if got := c.logged("bricks/*.log", "nobody has vouched"); len(got) != 0 {
		t.Errorf("waited for somebody to vouch: %q", got)
	}
}

// TestPowerLossWithoutHealing: with healing off, a brick that lost power is still vouched for:
// nobody reads what it forgot. One that was only killed never waits.
func TestPowerLossWithoutHealing(t *testing.T) {
	t.Parallel()
	c := start(t, replica3)
	c.kill(1)
	c.waitOnline()
	if got := c.logged("bricks/*.log", "lost power"); len(got) != 0 {
		t.Errorf("a brick that was killed: %q", got)
	}
	m := c.mount("")
	if err := os.WriteFile(m.path("f"), []byte("not synced"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.cutPower([]*mounted{m}, 1)()
	c.waitOnline()
	m = c.mount("")
	c.waitFor(15*time.Second, func() error {
		if why := c.reason(1); why != "" {
			return fmt.Errorf("%s", why)
		}
		return nil
	})
	if got, err := readAll(m.path("f")); err != nil || string(got) != "not synced" {
		t.Errorf("the file says %q, %v", got, err)
	}
	if got := c.logged("bricks/*.log", "nobody has vouched"); len(got) != 0 {
		t.Errorf("let clients in by itself: %q", got)
	}
}

// TestPowerLossWithoutHealer: if nobody vouches, the brick comes back by itself.
func TestPowerLossWithoutHealer(t *testing.T) {
	t.Parallel()
	c := start(t, replica3)
	var healer int
	text, err := os.ReadFile(c.dir + "/run/vols/heald/heald.pid")
	if err == nil {
		_, err = fmt.Sscan(string(text), &healer)
	}
	if err != nil || !ours(healer) {
		t.Fatalf("the heal daemon's process: %d, %v", healer, err)
	}
	syscall.Kill(healer, syscall.SIGSTOP)
	t.Cleanup(func() { syscall.Kill(healer, syscall.SIGCONT) })
	c.cutPower(nil, 1)()
	c.waitOnline()
	if why := c.reason(1); !strings.Contains(why, "lost power") {
		t.Errorf("volume status says %q", why)
	}
	c.waitFor(50*time.Second, func() error {
		if why := c.reason(1); why != "" {
			return fmt.Errorf("%s", why)
		}
		return nil
	})
	if got := c.logged("bricks/*.log", "nobody has vouched"); len(got) != 1 {
		t.Errorf("the log says %q", got)
	}
}

// reason is why brick i lets no clients in, as volume status says; "": it does.
func (c *cluster) reason(i int) string {
	c.t.Helper()
	return c.status()[i].Reason
}
