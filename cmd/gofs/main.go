// Command gofs is every role of gofs in one binary: the command line, which talks to a
// daemon, and the processes themselves (daemon, brick, heald, mount).
//
// The first word decides: daemon, brick, heald and mount are processes with flags of their
// own; everything else is a command of GlusterFS's command line. Called as mount.gofs
// it is mount(8)'s helper.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// version of gofs, as printed by --version.
const version = "0.1.0"

func main() { os.Exit(run(os.Args)) }

// run does what the arguments say and returns the exit status.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if base := filepath.Base(args[0]); base == "mount.gofs" || base == "mount.glusterfs" {
		return runMount(ctx, args[1:])
	}
	if len(args) > 1 {
		switch args[1] {
		case "daemon":
			return runDaemon(ctx, args[2:])
		case "brick":
			return runBrick(ctx, args[2:])
		case "heald":
			return runHeald(ctx, args[2:])
		case "mount":
			return runMount(ctx, args[2:])
		case "__complete":
			return runComplete(ctx, args[2:], os.Stdout)
		}
	}
	c := &cli{stdin: newLines(os.Stdin), stdout: os.Stdout, stderr: os.Stderr}
	return c.main(ctx, args[1:])
}

// fail prints one sentence for the role and returns 1.
func fail(role string, err error) int {
	fmt.Fprintf(os.Stderr, "gofs %s: %v\n", role, err)
	return 1
}
