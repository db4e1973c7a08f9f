package brick

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAge(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "b/.glusterfs/health_check")
	if err := os.MkdirAll(filepath.Dir(disk), 0o700); err != nil {
		t.Fatal(err)
	}
	mark := func() {
		t.Helper()
		if err := unix.Lsetxattr(filepath.Join(dir, "b"), "trusted.glusterfs.volume-id", []byte("0123456789abcdef"), 0); err != nil {
			t.Fatal(err)
		}
	}
	mark()
	says := func(text string) {
		t.Helper()
		if err := os.WriteFile(disk, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &age{record: filepath.Join(dir, "state/b.age"), dir: filepath.Join(dir, "b"), volume: "volume", id: "v-client-0"}
	check := func(what string, ok bool) {
		t.Helper()
		if err := a.check(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "restored from a backup") {
			t.Errorf("%s: %v", what, err)
		}
	}
	note := func() {
		t.Helper()
		if err := a.note(); err != nil {
			t.Fatal(err)
		}
	}
	check("a new brick", true)
	says("2026-11-21 10:00:00 +0000")
	note()
	check("the same disk", true)
	says("2026-11-21 10:00:30 +0000")
	check("a disk that served on after the last note", true)
	note()
	says("2026-11-20 10:00:00 +0000")
	check("yesterday's backup", false)
	os.Remove(disk)
	check("a backup from before the first check", false)
	a.id = "v-client-0#1"
	check("a brick that was filled anew", true)
	a.id = "v-client-0"
	if err := os.WriteFile(a.record, []byte(`{"brick":"vol`), 0o600); err != nil {
		t.Fatal(err)
	}
	check("a torn record", true)
	note()
	says("2026-11-20 10:00:00 +0000")
	if err := unix.Lremovexattr(filepath.Join(dir, "b"), "trusted.glusterfs.volume-id"); err != nil {
		t.Fatal(err)
	}
	check("a directory that is no brick: others say so", true)
	mark()
	a.record = ""
	check("no record", true)
	note()
}
