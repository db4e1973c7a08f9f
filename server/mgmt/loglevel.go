package mgmt

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/gofs/gofs/inspect"
)

// levelOption is the option of the whole pool that its daemons' logs obey.
const levelOption = "cluster.daemon-log-level"

// followLevel keeps the log's level at what the pool's option says, until ctx ends.
func (d *Daemon) followLevel(ctx context.Context) {
	if d.cfg.SetLevel == nil {
		return
	}
	for last := ""; ; {
		changed := d.store.Changed()
		if level := d.globals()[levelOption]; level != last {
			d.cfg.SetLevel(level)
			last = level
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// obeySignals opens the log again at SIGHUP, as logrotate(8) wants, and writes a dump at
// SIGUSR1, until ctx ends.
func (d *Daemon) obeySignals(ctx context.Context) {
	if d.cfg.Reopen == nil {
		return
	}
	ch := make(chan os.Signal, 2) // room for one of each
	signal.Notify(ch, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(ch)
	for {
		select {
		case sig := <-ch:
			if sig == syscall.SIGUSR1 {
				file, err := inspect.Write(d.cfg.RunDir, "gofsd", nil, func(*inspect.Dump) {})
				d.cfg.Log.Info("dumped the state, as asked by a signal", "file", file, "error", err)
			} else if err := d.cfg.Reopen(); err != nil {
				d.cfg.Log.Warn("cannot open the log again", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
