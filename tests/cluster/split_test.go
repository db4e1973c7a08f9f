package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/tests/copies"
)

var replica2 = layout{words: "replica 2", bricks: 2, set: 2}

// split makes, behind gofs's back, what old data may bring along: two copies of a file that
// accuse each other and differ.
func (c *cluster) split(name string, contents [2]string) {
	c.t.Helper()
	for i, b := range c.bricks {
		p := filepath.Join(b, name)
		if err := os.WriteFile(p, []byte(contents[i]), 0o644); err != nil {
			c.t.Fatal(err)
		}
		accusation := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		if err := unix.Setxattr(p, fmt.Sprintf("trusted.afr.%s-client-%d", c.vol, 1-i), accusation, 0); err != nil {
			c.t.Fatal(err)
		}
		g := fmt.Sprintf("%x", copies.Xattr(p, "trusted.gfid"))
		g = strings.Join([]string{g[:8], g[8:12], g[12:16], g[16:20], g[20:]}, "-")
		if err := os.WriteFile(filepath.Join(b, ".glusterfs/indices/xattrop", g), nil, 0); err != nil {
			c.t.Fatal(err)
		}
	}
}

// A split-brain is looked at and ended from a mount, by GlusterFS's attributes, and from the
// command line, with both versions kept.
func TestSplitBrain(t *testing.T) {
	t.Parallel()
	c := start(t, replica2)
	m := c.mount("")
	for _, name := range []string{"f", "g"} {
		if err := os.WriteFile(m.path(name), []byte("before"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.umount()
	c.must("volume", "stop", c.vol)
	c.split("f", [2]string{"first's version", "second's"})
	c.split("g", [2]string{"one", "the other"})
	c.must("volume", "start", c.vol)
	c.waitOnline()
	m.attach("")

	// Who heals by hand sees what is pending, although the heal daemon is off.
	for what, want := range map[string]string{"": "/f - Is in split-brain\n", "split-brain": "Number of entries in split-brain: 2\n",
		"summary": "Total Number of entries: 2\nNumber of entries in heal pending: 0\nNumber of entries in split-brain: 2\n"} {
		c.waitFor(20*time.Second, func() error {
			if out := c.must(append([]string{"volume", "heal", c.vol, "info"}, strings.Fields(what)...)...); strings.Count(out, want) != 2 {
				return fmt.Errorf("heal info %s: %s", what, out)
			}
			return nil
		})
	}
	if out, err := c.try("volume", "heal", c.vol); err == nil || !strings.Contains(out, "Self-heal-daemon is disabled") {
		t.Errorf("heal with the daemon off: %v %s", err, out)
	}

	f := m.path("f")
	status := func() string {
		b := make([]byte, 256)
		n, err := unix.Getxattr(f, "replica.split-brain-status", b)
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	choose := func(what, value string) error { return unix.Setxattr(f, "replica.split-brain-"+what, []byte(value), 0) }
	if got := status(); got != "data-split-brain:yes    metadata-split-brain:no    Choices:v-client-0,v-client-1" {
		t.Errorf("status: %s", got)
	}
	if got, err := os.ReadFile(f); !errors.Is(err, syscall.EIO) {
		t.Errorf("reading: %q, %v, want an I/O error", got, err)
	}
	for i, want := range []string{"first's version", "second's"} {
		if err := choose("choice", fmt.Sprint("v-client-", i)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(f); string(got) != want || err != nil {
			t.Errorf("with choice %d: %q, %v", i, got, err)
		}
	}
	if err := os.WriteFile(f, []byte("x"), 0o644); !errors.Is(err, syscall.EIO) {
		t.Errorf("writing: %v, want an I/O error", err)
	}
	if err := choose("choice", "v-client-7"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("choosing a brick that there is not: %v", err)
	}
	if err := choose("choice", "none"); err != nil {
		t.Error(err)
	}
	if _, err := os.ReadFile(f); !errors.Is(err, syscall.EIO) {
		t.Errorf("reading without a choice: %v", err)
	}
	if err := choose("heal-finalize", "v-client-1"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(f); string(got) != "second's" || err != nil {
		t.Errorf("when it is ended: %q, %v", got, err)
	}
	if got := status(); got != "The file is not under data or metadata split-brain" {
		t.Errorf("status when it is ended: %s", got)
	}

	out := c.must("volume", "heal", c.vol, "split-brain", "keep-both", c.brickNames()[0], "/g")
	if !strings.Contains(out, "g.v-client-1") {
		t.Errorf("keep-both says %s", out)
	}
	sameContent(t, m.path("g"), []byte("one"))
	sameContent(t, m.path("g.v-client-1"), []byte("the other"))
	if out, err := c.try("volume", "heal", c.vol, "split-brain", "keep-both", c.brickNames()[0], "/g"); err == nil || !strings.Contains(out, "not in split-brain") {
		t.Errorf("keep-both again: %v %s", err, out)
	}
	c.checkClean()
}
