package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "b.log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	say := func(s string) {
		t.Helper()
		if _, err := l.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	say("one\n")
	for _, s := range []string{"two\n", "three\n"} {
		if err := l.Reopen(true); err != nil {
			t.Fatal(err)
		}
		say(s)
	}
	if err := os.Rename(path, path+".moved"); err != nil { // as logrotate(8) does
		t.Fatal(err)
	}
	say("four\n")
	if err := l.Reopen(false); err != nil {
		t.Fatal(err)
	}
	say("five\n")
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 {
		t.Fatalf("files %v, %v", files, err)
	}
	var all []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.ReplaceAll(string(text), "\n", " "))
	}
	if got := strings.Join(all, "|"); got != "five |one |two |three four " {
		t.Errorf("files hold %q", got)
	}
}

// Nothing that is written while the file changes is lost.
func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const writers, lines = 4, 200
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range lines {
				l.Write([]byte("line\n"))
			}
		})
	}
	for range 5 {
		if err := l.Reopen(true); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	files, _ := filepath.Glob(path + "*")
	n := 0
	for _, f := range files {
		text, _ := os.ReadFile(f)
		n += strings.Count(string(text), "line\n")
	}
	if n != writers*lines {
		t.Errorf("%d lines, want %d", n, writers*lines)
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "b.log")); err == nil {
		t.Error("a log below a file was opened")
	}
}
