package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A brick whose disk was restored from an old backup does not serve what was then, but says
// so; and can be filled anew from the other copies.
func TestOldBackup(t *testing.T) {
	t.Parallel()
	lay := arbiter
	lay.heals = true
	c := start(t, lay)
	c.must("volume", "set", c.vol, "storage.health-check-interval", "1")
	m := c.mount("")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(m.path("f"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	image := fmt.Sprintf("/dev/shm/%s-0.img", filepath.Base(c.dir))
	c.must("volume", "stop", c.vol)
	c.sh("umount %[1]s && cp --sparse=always %[2]s %[2]s.bak && mount -o loop,noatime,discard %[2]s %[1]s", c.disks[0], image)
	t.Cleanup(func() { os.Remove(image + ".bak") })
	c.must("volume", "start", c.vol)
	c.waitOnline()
	c.waitFor(20*time.Second, func() error { return os.WriteFile(m.path("f"), []byte("new"), 0o644) })
	// The record follows the disk within seconds.
	age := func() string {
		found, _ := filepath.Glob(c.dir + "/work/bricks/*d0-b.age")
		text, _ := os.ReadFile(strings.Join(found, ""))
		return string(text)
	}
	first := age()
	c.waitFor(20*time.Second, func() error {
		if now := age(); now == first || now == "" {
			return fmt.Errorf("the record stays %q", now)
		}
		return nil
	})
	c.must("volume", "stop", c.vol)
	c.sh("umount %[1]s && mv %[2]s.bak %[2]s && mount -o loop,noatime,discard %[2]s %[1]s", c.disks[0], image)
	if out, err := c.try("volume", "start", c.vol); err == nil || !strings.Contains(out, "restored from a backup") {
		t.Errorf("volume start with a brick from an old backup: %v %s", err, out)
	}
	c.must("volume", "start", c.vol, "force")
	if c.status()[0].Online {
		t.Fatal("a brick from an old backup serves")
	}
	c.waitFor(20*time.Second, func() error {
		got, err := readAll(m.path("f"))
		if err == nil && string(got) != "new" {
			t.Fatalf("the file says %q", got)
		}
		return err
	})
	brick := c.brickNames()[0]
	c.must("volume", "reset-brick", c.vol, brick, "start")
	c.sh("find %s -mindepth 1 -delete", c.bricks[0])
	c.must("volume", "reset-brick", c.vol, brick, brick, "commit", "force")
	c.waitOnline()
	c.waitFor(30*time.Second, c.unclean)
	c.sameData("f")
}
