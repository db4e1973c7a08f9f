// Package exchange hands bricks from real GlusterFS to gofs and back, and compares what
// users see: the format on disk is the same.
package exchange

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build makes the binary that the scripts run.
func build(t *testing.T) string {
	if _, err := exec.LookPath("glusterd"); err != nil {
		t.Skip("GlusterFS is not installed; dist/deps.sh does that")
	}
	gofs := filepath.Join(t.TempDir(), "gofs")
	if out, err := exec.Command("go", "build", "-o", gofs, "../../cmd/gofs").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return gofs
}

// run runs a script in namespaces of its own; its last line is to be end.
func run(t *testing.T, end, script string, args ...string) {
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), end) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestExchange(t *testing.T) {
	gofs := build(t)
	for _, typ := range []string{"transport tcp", "replica 3", "replica 2 arbiter 1"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel() // they wait, mostly
			run(t, "exchanged", "exchange.sh", append([]string{gofs}, strings.Fields(typ)...)...)
		})
	}
}

// TestUnhealed: what a brick missed under one, the other heals, and the first agrees.
func TestUnhealed(t *testing.T) {
	gofs := build(t)
	for _, c := range []struct{ granular, brick, typ string }{
		{"enable", "1", "replica 3"},
		{"disable", "0", "replica 3"},
		{"enable", "0", "replica 2 arbiter 1"},
		{"disable", "1", "replica 2 arbiter 1"},
		{"enable", "2", "replica 2 arbiter 1"},
	} {
		t.Run(c.typ+", brick "+c.brick+", granular "+c.granular, func(t *testing.T) {
			t.Parallel()
			run(t, "healed", "unhealed.sh", append([]string{gofs, c.granular, c.brick}, strings.Fields(c.typ)...)...)
		})
	}
}

// TestReplaced: a disk that was emptied and reset under one, the other fills.
func TestReplaced(t *testing.T) {
	gofs := build(t)
	for _, typ := range []string{"replica 3", "replica 2 arbiter 1"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			run(t, "replaced", "replaced.sh", append([]string{gofs}, strings.Fields(typ)...)...)
		})
	}
}
