package brick

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAge(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "b/.glusterfs/health_check")
	if err := os.MkdirAll(filepath.Dir(disk), 0o700); err != nil {
		t.Fatal(err)
	}
	says := func(text string) {
		t.Helper()
		if err := os.WriteFile(disk, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &age{record: filepath.Join(dir, "state/b.age"), dir: filepath.Join(dir, "b"), brick: "volume v-client-0"}
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
	b := a.brick
	a.brick = "volume v-client-0#1"
	check("a brick that was filled anew", true)
	a.brick = b
	if err := os.WriteFile(a.record, []byte(`{"brick":"vol`), 0o600); err != nil {
		t.Fatal(err)
	}
	check("a torn record", true)
	a.record = ""
	check("no record", true)
	note()
}
