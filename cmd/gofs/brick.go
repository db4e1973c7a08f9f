package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/gofs/gofs/server/brick"
)

// runBrick serves one brick until SIGTERM. The daemon starts it; by hand it serves
// what a volfile says.
func runBrick(ctx context.Context, args []string) int {
	signal.Ignore(syscall.SIGHUP) // as in runDaemon
	f := flag.NewFlagSet("gofs brick", flag.ContinueOnError)
	var cfg brick.Config
	f.StringVar(&cfg.Daemon, "daemon", "", "`address` or socket of the daemon to get the volfile from")
	f.StringVar(&cfg.VolfileID, "volfile-id", "", "which volfile to ask for")
	f.StringVar(&cfg.VolfilePath, "volfile", "", "`file` with the volfile, instead of asking the daemon")
	f.StringVar(&cfg.Volume, "volume", "", "`name` of the volume")
	f.StringVar(&cfg.VolumeID, "volume-id", "", "`uuid` of the volume")
	f.StringVar(&cfg.Path, "brick-path", "", "`directory` of the brick")
	f.StringVar(&cfg.Listen, "listen", "", "`address` to listen on (default: all)")
	f.IntVar(&cfg.Port, "port", 0, "`port` to listen on; 0 for any free one")
	f.StringVar(&cfg.PidFile, "pid-file", "", "`file` that is locked and holds the process number")
	f.StringVar(&cfg.Socket, "socket", "", "admin `socket` for the daemon")
	f.StringVar(&cfg.AgeFile, "age-file", "", "`file` that keeps until when the brick served")
	logPath := f.String("log-file", "-", "`file` of the log; - for standard error")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if f.NArg() > 0 || cfg.VolfilePath == "" && (cfg.Daemon == "" || cfg.VolfileID == "") {
		return fail("brick", errors.New("need --volfile, or --daemon and --volfile-id"))
	}
	syscall.Umask(0) // objects get the modes that clients ask for
	log, err := openLog(*logPath, "INFO")
	if err != nil {
		return fail("brick", err)
	}
	defer log.Close()
	cfg.Log, cfg.Level, cfg.Rotate = slog.New(log.handler), log.level, log.reopen
	defer runtime.KeepAlive(tuneData())
	if err := brick.Run(ctx, cfg); err != nil {
		cfg.Log.Error("the brick cannot serve", "vol", cfg.Volume, "brick", cfg.Path, "error", err)
		return fail("brick", err)
	}
	return 0
}
