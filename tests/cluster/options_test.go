package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options act on a running mount, on running bricks, or from the bricks' next start.
func TestOptionsAct(t *testing.T) {
	t.Parallel()
	c := start(t, arbiter)
	m := c.mount("")
	t.Run("read-only", func(t *testing.T) { readOnly(t, c, m) })
	t.Run("client-log-level", func(t *testing.T) {
		log := c.dir + "/log/m0.log"
		c.must("volume", "set", c.vol, "diagnostics.client-log-level", "ERROR")
		// Told before the level is taken over, or not at all.
		quiet := func() error {
			before, _ := os.ReadFile(log)
			c.must("volume", "set", c.vol, "user.note", fmt.Sprint(len(before)), "cluster.read-hash-mode", fmt.Sprint(len(before)%3))
			time.Sleep(300 * time.Millisecond)
			if after, _ := os.ReadFile(log); len(after) != len(before) {
				return fmt.Errorf("the mount logs at ERROR: %s", after[len(before):])
			}
			return nil
		}
		c.waitFor(10*time.Second, quiet)
		c.must("volume", "reset", c.vol, "diagnostics.client-log-level")
		c.waitFor(5*time.Second, func() error { return hasLine(log, "the volume has changed") })
	})
	t.Run("owner", func(t *testing.T) {
		c.must("volume", "set", c.vol, "storage.owner-uid", "107", "storage.owner-gid", "36")
		c.must("volume", "stop", c.vol)
		c.must("volume", "start", c.vol)
		c.waitOnline()
		c.waitFor(20*time.Second, func() error {
			var st syscall.Stat_t
			if err := syscall.Stat(m.dir, &st); err != nil || st.Uid != 107 || st.Gid != 36 {
				return fmt.Errorf("the root belongs to %d:%d, %v", st.Uid, st.Gid, err)
			}
			return nil
		})
	})
	t.Run("auth.reject", func(t *testing.T) {
		c.must("volume", "set", c.vol, "auth.reject", "127.*")
		out, err := shell(30*time.Second, "mkdir %s/r && %s mount -o log-file=%s/log/r.log %s:/%s %s/r", c.dir, gofs, c.dir, c.addr, c.vol, c.dir)
		if err == nil {
			syscall.Unmount(c.dir+"/r", syscall.MNT_DETACH)
			t.Errorf("a client that auth.reject names can mount: %s", out)
		}
	})
}

// readOnly makes the volume read-only under a file that is written, and writable again.
func readOnly(t *testing.T, c *cluster, m *mounted) {
	f, err := os.Create(m.path("open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("before"); err != nil {
		t.Fatal(err)
	}
	is := func(want error, what string, do func() error) {
		c.waitFor(5*time.Second, func() error {
			if err := do(); !errors.Is(err, want) {
				return fmt.Errorf("%s: %v, want %v", what, err, want)
			}
			return nil
		})
	}
	write := func() error {
		if _, err := f.WriteAt([]byte("x"), 100); err != nil {
			return err
		}
		return f.Sync()
	}
	touch := func() error { return os.WriteFile(m.path("new"), nil, 0o644) }
	c.must("volume", "set", c.vol, "features.read-only", "on")
	is(syscall.EROFS, "create", touch)
	is(syscall.EROFS, "write to an open file", write)
	is(syscall.EROFS, "unlink", func() error { return os.Remove(m.path("open")) })
	if text, err := os.ReadFile(m.path("open")); err != nil || !strings.HasPrefix(string(text), "before") {
		t.Errorf("read %q, %v", text, err)
	}
	c.must("volume", "reset", c.vol, "features.read-only")
	is(nil, "create", touch)
	is(nil, "write to an open file", write)
}

func hasLine(path, part string) error {
	text, err := os.ReadFile(path)
	if err == nil && !strings.Contains(string(text), part) {
		err = fmt.Errorf("%s does not say %q", path, part)
	}
	return err
}
