package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/heald"
)

// runHeald runs a node's heal daemon.
func runHeald(ctx context.Context, args []string) int {
	f := flag.NewFlagSet("gofs heald", flag.ContinueOnError)
	var cfg heald.Config
	f.StringVar(&cfg.Daemon, "daemon", "", "`socket` of the daemon to get the volfile from")
	f.StringVar(&cfg.VolfileID, "volfile-id", "", "which volfile to ask for")
	f.StringVar(&cfg.PidFile, "pid-file", "", "`file` that is locked and holds the process number")
	f.StringVar(&cfg.Socket, "socket", "", "admin `socket` for the daemon")
	port := f.Int("port", defaultPort, "`port` of the daemons beside the bricks")
	logPath := f.String("log-file", "-", "`file` of the log; - for standard error")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if f.NArg() > 0 || cfg.Daemon == "" || cfg.VolfileID == "" || cfg.PidFile == "" || cfg.Socket == "" {
		return fail("heald", errors.New("need --daemon, --volfile-id, --pid-file and --socket: the daemon starts it"))
	}
	log, err := openLog(*logPath, "INFO")
	if err != nil {
		return fail("heald", err)
	}
	defer log.Close()
	cfg.Log = slog.New(log.handler)
	cfg.Client = client.New(func(ctx context.Context, host, brick string) (client.Place, error) {
		return askPlace(ctx, net.JoinHostPort(host, strconv.Itoa(*port)), brick)
	})
	cfg.Engine = heald.NewEngine
	tuneData()
	if err := heald.Run(ctx, cfg); err != nil {
		cfg.Log.Error("the heal daemon cannot run", "error", err)
		return fail("heald", err)
	}
	return 0
}

// askPlace asks the daemon at addr where the brick beside it is.
func askPlace(ctx context.Context, addr, brick string) (client.Place, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := mgmt.Dial(ctx, addr)
	if err != nil {
		return client.Place{}, err
	}
	defer c.Close()
	found, err := c.Portmap(ctx, brick)
	if err != nil {
		return client.Place{}, err
	}
	return client.Place{Port: found.Port, Socket: found.Socket}, nil
}
