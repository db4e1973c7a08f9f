package brick

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// obeySignals writes a dump at SIGUSR1 and opens the log again at SIGHUP, until ctx ends.
func (b *process) obeySignals(ctx context.Context) {
	ch := make(chan os.Signal, 2) // room for one of each
	signal.Notify(ch, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(ch)
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-ch:
			if sig == syscall.SIGUSR1 {
				file, err := b.dump(nil)
				b.cfg.Log.Info("dumped the state, as asked by a signal", "file", file, "error", err)
			} else if err := b.rotate(false); err != nil {
				b.cfg.Log.Warn("cannot open the log again", "error", err)
			}
		}
	}
}
