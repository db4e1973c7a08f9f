// Package demo runs what "make demo" and "make demo-stop" run, beside a demo that may
// be running: in a directory and on an address of its own.
package demo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for mounting")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("needs /dev/fuse")
	}
	bin := filepath.Join(t.TempDir(), "gofs")
	build := exec.Command("go", "build", "-o", bin, "github.com/gofs/gofs/cmd/gofs")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building gofs: %v\n%s", err, out)
	}
	top, err := os.MkdirTemp("", "demo") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	dir := filepath.Join(top, "d")
	demo := func(verb string) string {
		t.Helper()
		cmd := exec.Command("../../dist/demo.sh", verb)
		cmd.Env = append(os.Environ(), "GOFS_DEMO="+dir, "GOFS_BIN="+bin, fmt.Sprintf("GOFS_DEMO_NETWORK=127.19.%d", os.Getpid()%250))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("demo %s: %v\n%s", verb, err, out)
		}
		return string(out)
	}
	defer demo("stop") // harmless when it is stopped already
	demo("start")
	again := demo("start")
	for _, want := range []string{"GlusterFS ist cool", "Status: Started", "19 bytes  2 links  " + dir + "/b1/", "19 bytes  2 links  " + dir + "/b2/", "0 bytes  2 links  " + dir + "/b3/"} {
		if !strings.Contains(again, want) {
			t.Errorf("the demo, started twice, does not show %q:\n%s", want, again)
		}
	}
	gfids := map[string]bool{}
	for line := range strings.Lines(again) {
		if strings.HasPrefix(line, "trusted.gfid=") {
			gfids[line] = true
		}
	}
	if len(gfids) != 1 {
		t.Errorf("the bricks have GFIDs %v, want the same one", gfids)
	}
	demo("stop")
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left behind", dir)
	}
	if mounts, _ := os.ReadFile("/proc/mounts"); strings.Contains(string(mounts), dir) {
		t.Errorf("a mount is left behind:\n%s", mounts)
	}
}
