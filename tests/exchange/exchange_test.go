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

func TestExchange(t *testing.T) {
	if _, err := exec.LookPath("glusterd"); err != nil {
		t.Skip("GlusterFS is not installed; dist/deps.sh does that")
	}
	gofs := filepath.Join(t.TempDir(), "gofs")
	if out, err := exec.Command("go", "build", "-o", gofs, "../../cmd/gofs").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script, err := filepath.Abs("exchange.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"transport tcp", "replica 3", "replica 2 arbiter 1"} {
		t.Run(typ, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, script, append([]string{gofs}, strings.Fields(typ)...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "exchanged") {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}
