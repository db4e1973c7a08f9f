package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/gofs/gofs/server/brick"
	daemon "github.com/gofs/gofs/server/mgmt"
)

// Where a daemon keeps things unless told otherwise.
const (
	defaultPort        = 24007
	defaultMetricsPort = 24009
	defaultWorkDir     = "/var/lib/gofs"
	defaultRunDir      = "/run/gofs"
	defaultLogDir      = "/var/log/gofs"
)

// metricsAddress is where the metrics are served; "": nowhere. A daemon whose port is any free
// one has no place for them that others could know.
func metricsAddress(cfg *daemon.Config) string {
	switch {
	case cfg.Metrics == "none" || cfg.Metrics == "" && cfg.Port == 0:
		return ""
	case cfg.Metrics == "":
		return net.JoinHostPort(cfg.Address, strconv.Itoa(defaultMetricsPort))
	}
	return cfg.Metrics
}

// daemonFlags are the flags of gofs daemon: they set cfg and the level of its log.
func daemonFlags(cfg *daemon.Config) (f *flag.FlagSet, level *string) {
	f = flag.NewFlagSet("gofs daemon", flag.ContinueOnError)
	f.StringVar(&cfg.Address, "address", "", "`address` to listen on and to be known by (default: all of the machine's)")
	f.StringVar(&cfg.WorkDir, "workdir", defaultWorkDir, "`directory` of the configuration")
	f.StringVar(&cfg.RunDir, "rundir", defaultRunDir, "`directory` of sockets and pid files")
	f.StringVar(&cfg.LogDir, "logdir", defaultLogDir, "`directory` of logs")
	f.IntVar(&cfg.Port, "port", defaultPort, "management `port`; 0 for any free one")
	f.IntVar(&cfg.BrickPorts, "brick-ports", 49152, "where the ports of bricks begin")
	f.StringVar(&cfg.Metrics, "metrics-address", "", "`address:port` of http://.../metrics for Prometheus; none for no metrics (default: port 24009 of --address)")
	level = f.String("log-level", "INFO", "`level` of the log: DEBUG, INFO, WARNING, ERROR, CRITICAL or NONE")
	f.Bool("no-daemon", true, "stay in the foreground, which is always so")
	return f, level
}

// runDaemon runs the management daemon in the foreground until SIGTERM.
func runDaemon(ctx context.Context, args []string) int {
	signal.Ignore(syscall.SIGHUP) // logrotate(8) may send it before the log can be opened again
	var cfg daemon.Config
	f, level := daemonFlags(&cfg)
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if f.NArg() > 0 {
		return fail("daemon", fmt.Errorf("unknown argument %q", f.Arg(0)))
	}
	if cfg.Port < 0 || cfg.Port > 65535 || cfg.BrickPorts < 1 || cfg.BrickPorts > 65535 {
		return fail("daemon", fmt.Errorf("a port is a number from 1 to 65535"))
	}
	for _, dir := range []*string{&cfg.WorkDir, &cfg.RunDir, &cfg.LogDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fail("daemon", err)
		}
		*dir = abs
	}
	exe, err := os.Executable()
	if err != nil {
		return fail("daemon", err)
	}
	cfg.Exe, cfg.Version = exe, version
	cfg.Metrics = metricsAddress(&cfg)
	log, err := openLog(filepath.Join(cfg.LogDir, "gofsd.log"), *level)
	if err != nil {
		return fail("daemon", err)
	}
	defer log.Close()
	cfg.Log, cfg.Reopen = slog.New(log.handler), func() error { return log.reopen(false) }
	cfg.SetLevel = func(name string) {
		if name == "" {
			name = *level
		}
		log.level.Set(brick.Level(name))
	}
	tune(50, 60)
	cfg.Ready = notifySystemd
	if err := daemon.Run(ctx, cfg); err != nil {
		cfg.Log.Error("the daemon cannot run", "error", err)
		return fail("daemon", err)
	}
	return 0
}
