package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

func TestComplete(t *testing.T) {
	k := &cluster{peers: []string{"server2", "server3"}, volumes: []mgmt.Volume{
		{Name: "rep3", Bricks: []mgmt.Brick{{Host: "server1", Path: "/b/r1"}, {Host: "server2", Path: "/b/r2"}}},
		{Name: "dist", Bricks: []mgmt.Brick{{Host: "server1", Path: "/b/d"}}}}}
	for _, c := range []struct {
		line string // "|" is not needed: the last word is completed
		want string
		some bool // others may come too
	}{
		{"vol", "volume", false},
		{"volume sta", "start status", true},
		{"v sta", "start status", true},
		{"volume start ", "dist rep3", false},
		{"volume start r", "rep3", false},
		{"volume start rep3 ", "force", false},
		{"volume start rep3 force ", "", false},
		{"volume info ", "all dist rep3", false},
		{"volume info rep3 ", "", false},
		{"volume status ", "all detail dist rep3", true},
		{"volume status rep3 ", "detail server1:/b/r1 server2:/b/r2", true},
		{"volume status dist server", "server1:/b/d", false},
		{"volume set re", "rep3", false},
		{"volume set rep3 cluster.quorum-", "cluster.quorum-count cluster.quorum-type", false},
		{"volume set rep3 cluster.quorum-type ", "auto fixed none", false},
		{"volume set rep3 cluster.lookup-optimize on network.ping", "network.ping-timeout", false},
		{"volume set rep3 gr", "group", false},
		{"volume set rep3 group v", "virt", false},
		{"volume get rep3 cluster.min-free-", "cluster.min-free-disk cluster.min-free-inodes", false},
		{"volume get al", "all", false},
		{"volume create ", "", false},
		{"volume create x rep", "replica", false},
		{"volume replace-brick ", "dist rep3", false},
		{"volume replace-brick rep3 server1", "server1:/b/r1", false},
		{"volume replace-brick rep3 server1:/b/r1 server1:/b/n ", "commit force", true},
		{"volume reset-brick rep3 server2:/b/r2 ", "start commit", true},
		{"volume add-brick rep3 ", "replica", true},
		{"volume add-brick rep3 replica 3 ", "arbiter", true},
		{"volume remove-brick rep3 ", "replica server1:/b/r1 server2:/b/r2", true},
		{"volume remove-brick rep3 replica 1 server2:/b/r2 ", "force start", true},
		{"peer probe ", "server2 server3", false},
		{"peer detach server2 ", "force", false},
		{"get-state ", "detail file odir volumeoptions", false},
		{"volume sync ", "server2 server3", false},
		{"volume sync server2 ", "all dist rep3", false},
		{"completion ", "bash fish zsh", false},
		{"volume list --x", "--xml", false},
		{"nosuch ", "", false},
		{"volume nosuch x", "", false},
	} {
		words := strings.Split(c.line, " ")
		asked := 0
		got := complete(words[:len(words)-1], words[len(words)-1], func() *cluster { asked++; return k })
		want := strings.Fields(c.want)
		if c.some {
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("%q becomes %q, want %q among them", c.line, got, w)
				}
			}
		} else if !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q becomes %q, want %q", c.line, got, want)
		}
		if asked > 1 {
			t.Errorf("%q: the daemon was asked %d times", c.line, asked)
		}
	}
}

// Without a daemon words are completed and names are not, in no more than a second.
func TestCompleteWithoutDaemon(t *testing.T) {
	t.Setenv("GOFS_SOCK", t.TempDir()+"/none")
	from := time.Now()
	var out bytes.Buffer
	if runComplete(t.Context(), []string{"volume", "status", "rep3", "det"}, &out) != 0 || out.String() != "detail\n" {
		t.Errorf("printed %q, want detail", out.String())
	}
	if took := time.Since(from); took > completing+time.Second {
		t.Errorf("took %v", took)
	}
}

// A daemon that does not answer, being frozen perhaps, is waited for no longer than that.
func TestCompleteWithFrozenDaemon(t *testing.T) {
	sock := t.TempDir() + "/s"
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("GOFS_SOCK", sock)
	from := time.Now()
	var out bytes.Buffer
	if runComplete(t.Context(), []string{"volume", "info", ""}, &out) != 0 || out.String() != "all\n" {
		t.Errorf("printed %q, want all", out.String())
	}
	if took := time.Since(from); took > completing+time.Second {
		t.Errorf("took %v", took)
	}
}

// The shells that are here can read their scripts.
func TestCompletionScripts(t *testing.T) {
	for shell, text := range completions {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		file := t.TempDir() + "/script"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", shell, err, out)
		}
	}
}

func FuzzComplete(f *testing.F) {
	f.Add("volume set v k v")
	f.Add("volume status v ")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		last := words[len(words)-1]
		for _, s := range complete(words[:len(words)-1], last, func() *cluster { return &cluster{} }) {
			if !strings.HasPrefix(s, last) {
				t.Errorf("%q becomes %q", last, s)
			}
		}
	})
}
