package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/tests/copies"
)

// gfid returns the GFID of a file of brick i, as text.
func (c *cluster) gfid(i int, name string) string {
	c.t.Helper()
	g := fmt.Sprintf("%x", copies.Xattr(filepath.Join(c.bricks[i], name), "trusted.gfid"))
	if len(g) != 32 {
		c.t.Fatalf("%s on brick %d has the GFID %q", name, i, g)
	}
	return strings.Join([]string{g[:8], g[8:12], g[12:16], g[16:20], g[20:]}, "-")
}

// handle is the path of a GFID's handle on brick i.
func (c *cluster) handle(i int, g string) string {
	return filepath.Join(c.bricks[i], ".glusterfs", g[:2], g[2:4], g)
}

// harm does to the stopped brick 1 what a bad disk, or a person with good intentions, does: each
// name tells what was done to it.
func (c *cluster) harm() {
	t, b := c.t, c.bricks[1]
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mark := func(name, key string, v []byte) {
		t.Helper()
		do(unix.Setxattr(filepath.Join(b, name), "trusted.afr."+key, v, 0))
	}
	for j := range 3 {
		key := fmt.Sprintf("%s-client-%d", c.vol, j)
		mark("mark-text", key, []byte("not a mark"))
		mark("mark-large", key, bytes.Repeat([]byte{1}, 64<<10-512))
		mark("mark-max", key, bytes.Repeat([]byte{0xff}, 12))
		mark("dir-mark", key, []byte{0, 0})
	}
	mark("mark-empty", "dirty", nil)

	do(unix.Setxattr(b+"/gfid-strange", "trusted.gfid", bytes.Repeat([]byte{7}, 16), 0))
	do(unix.Setxattr(b+"/gfid-short", "trusted.gfid", []byte("short"), 0))
	do(unix.Removexattr(b+"/gfid-none", "trusted.gfid"))
	do(unix.Setxattr(b+"/gfid-twice", "trusted.gfid", copies.Xattr(b+"/good", "trusted.gfid"), 0))
	do(os.Remove(c.handle(1, c.gfid(1, "handle-none"))))
	h := c.handle(1, c.gfid(1, "handle-wrong"))
	do(os.Remove(h))
	do(os.Link(b+"/good", h))
	h = c.handle(1, c.gfid(1, "removed"))
	do(os.Remove(h))
	do(os.Remove(b + "/removed"))

	index := b + "/.glusterfs/indices/"
	do(os.WriteFile(index+"xattrop/01234567-89ab-4cde-8f01-23456789abcd", nil, 0))
	do(os.WriteFile(index+"xattrop/not a GFID", nil, 0))
	do(os.Mkdir(index+"dirty/11234567-89ab-4cde-8f01-23456789abcd", 0o700))
	do(os.WriteFile(index+"entry-changes/"+c.gfid(1, "dir-mark"), nil, 0))
	do(os.MkdirAll(index+"entry-changes/21234567-89ab-4cde-8f01-23456789abcd/a name", 0o700))
	do(os.WriteFile(index+"xattrop/"+c.gfid(1, "good"), nil, 0))
	future := time.Now().Add(time.Hour)
	do(os.Chtimes(b+"/clock", future, future))
}

// What is wrong on one brick's disk is recognised and healed, or said and left to a person; what
// is good is read all the time and stays as it is.
func TestBadDisk(t *testing.T) {
	t.Parallel()
	lay := replica3
	lay.heals = true
	c := start(t, lay)
	m := c.mount("")
	names := []string{"good", "mark-text", "mark-large", "mark-max", "mark-empty", "gfid-strange", "gfid-short", "gfid-none", "gfid-twice",
		"handle-none", "handle-wrong", "removed", "clock", "dir-mark/inside"}
	if err := os.Mkdir(m.path("dir-mark"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := os.WriteFile(m.path(n), []byte("content of "+n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.waitFor(30*time.Second, c.unclean)
	release := c.hold(1)
	text := func(n string) string { return "content of " + n }
	for _, n := range []string{"mark-text", "mark-large", "clock"} { // brick 1 misses this, and is blamed
		c.waitFor(20*time.Second, func() error { return os.WriteFile(m.path(n), []byte("newer "+text(n)), 0o644) })
	}
	want := func(n string) string {
		if n == "mark-text" || n == "mark-large" || n == "clock" {
			return "newer " + text(n)
		}
		return text(n)
	}
	check := func(when string) {
		t.Helper()
		for _, n := range names {
			if got, err := readAll(m.path(n)); err != nil || string(got) != want(n) {
				t.Errorf("%s: %s is %q, %v", when, n, got, err)
			}
			for _, i := range []int{0, 2} {
				if got, err := os.ReadFile(filepath.Join(c.bricks[i], n)); err != nil || string(got) != want(n) {
					t.Errorf("%s: the good copy of %s on brick %d is %q, %v", when, n, i, got, err)
				}
			}
		}
	}
	c.harm()
	release()
	c.waitOnline()
	m.remount()
	check("when the brick is back")
	pids := []int{c.pid(0), c.pid(1), c.pid(2)}

	full := func() { // when the heal daemon has found the brick
		t.Helper()
		c.waitFor(20*time.Second, func() error {
			out, err := c.try("volume", "heal", c.vol, "full")
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	full()
	left := func() string { return c.must("volume", "heal", c.vol, "info") }
	c.waitFor(90*time.Second, func() error {
		for _, n := range names {
			if got, err := os.ReadFile(filepath.Join(c.bricks[1], n)); n != "gfid-twice" && (err != nil || string(got) != want(n)) {
				return fmt.Errorf("brick 1 has %q of %s, %v\n%s", got, n, err, left())
			}
		}
		// That one brick cannot tell two files apart is left to a person, and said.
		if out := left(); strings.Count(out, "\n/") != 2 || strings.Count(out, "\n/ ") != 2 {
			return fmt.Errorf("heal info: %s", out)
		}
		return nil
	})
	check("after healing")

	if err := os.Remove(c.bricks[1] + "/gfid-twice"); err != nil {
		t.Fatal(err)
	}
	// What is no mark of gofs's stays where it is, and is in nobody's way.
	for _, foreign := range []string{"xattrop/not a GFID", "entry-changes/" + c.gfid(1, "dir-mark")} {
		if err := os.Remove(c.bricks[1] + "/.glusterfs/indices/" + foreign); err != nil {
			t.Error(err)
		}
	}
	full()
	c.waitFor(60*time.Second, c.unclean)
	check("when the last is mended")
	c.sameData("gfid-twice")
	for i, pid := range pids {
		if now := c.pid(i); now != pid {
			t.Errorf("brick %d was process %d and is %d", i, pid, now)
		}
	}
}
