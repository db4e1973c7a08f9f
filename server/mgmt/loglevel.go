package mgmt

import (
	"context"
	"os"
	"os/signal"
	"syscall"
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

// obeyHangup opens the log again at SIGHUP, as logrotate(8) wants, until ctx ends.
func (d *Daemon) obeyHangup(ctx context.Context) {
	if d.cfg.Reopen == nil {
		return
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP)
	defer signal.Stop(ch)
	for {
		select {
		case <-ch:
			if err := d.cfg.Reopen(); err != nil {
				d.cfg.Log.Warn("cannot open the log again", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
