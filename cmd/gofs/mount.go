package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/gofs/gofs/client/mount"
)

const mountHelp = `Usage: mount.gofs SERVER[,SERVER...]:/VOLUME[/SUBDIR] DIRECTORY [-o OPTIONS]
       mount -t gofs [-o OPTIONS] SERVER:/VOLUME DIRECTORY
Options are those of mount.glusterfs; --foreground stays in the foreground.
To display the version number of the mount helper: mount.gofs -V
`

// runMount is mount(8)'s helper, and the process that serves the mount.
func runMount(ctx context.Context, args []string) int {
	signal.Ignore(syscall.SIGHUP) // as in runDaemon; mounting may take a minute at boot
	o, err := mount.ParseHelperArgs(args)
	switch {
	case err != nil:
	case o.Version:
		fmt.Printf(versionText, version)
		return 0
	case o.Help:
		fmt.Print(mountHelp)
		return 0
	default:
		defer runtime.KeepAlive(tuneData())
		err = mount.Run(ctx, o)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	var exit *mount.Exit
	if errors.As(err, &exit) {
		return exit.Code
	}
	return 1
}
