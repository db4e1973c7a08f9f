package brickid

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadAndWrite(t *testing.T) {
	dir := t.TempDir()
	if id, err := Read(dir); id != "" || err != nil {
		t.Errorf("of a directory without .glusterfs: %q, %v", id, err)
	}
	if err := Write(dir, "v-client-0"); err == nil {
		t.Error("a directory without .glusterfs was named")
	}
	if err := os.Mkdir(filepath.Join(dir, ".glusterfs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"v-client-0", "v-client-0#3", ""} {
		if err := Write(dir, want); err != nil {
			t.Fatal(err)
		}
		if id, err := Read(dir); id != want || err != nil {
			t.Errorf("after writing %q: %q, %v", want, id, err)
		}
	}
	// What is not what Write wrote is at least no end of memory.
	if err := os.WriteFile(filepath.Join(dir, ".glusterfs", File), []byte(strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := Read(dir); len(id) > longest || err != nil {
		t.Errorf("a long one: %d bytes, %v", len(id), err)
	}
}
