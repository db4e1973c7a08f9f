package mount

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/inspect"
	"github.com/gofs/gofs/logfile"
	"github.com/gofs/gofs/protocol/mgmt"
)

// DefaultRunDir is where mounts have their admin sockets and write their dumps, and where
// the daemon of the machine looks for them.
const DefaultRunDir = "/run/gofs"

// admin lets the machine's daemon ask this mount, and obeys signals: SIGUSR1 makes a
// dump, SIGHUP opens the log again.
type admin struct {
	o       *Options
	log     *slog.Logger
	file    *logfile.File // nil: the log is standard error
	started time.Time
}

func (a *admin) runDir() string {
	if a.o.RunDir != "" {
		return a.o.RunDir
	}
	return DefaultRunDir
}

// run serves until ctx ends. A mount that cannot have a socket, where it may not write for
// one, does without.
func (a *admin) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	// Before anybody can see the socket and believe that signals are obeyed.
	signals := make(chan os.Signal, 2) // room for one of each
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGHUP)
	wg.Go(func() {
		defer signal.Stop(signals)
		a.obeySignals(ctx, signals)
	})
	l, err := a.listen()
	if err != nil {
		a.log.Info("the daemon cannot ask this mount", "reason", err)
		return
	}
	mgmt.ServeAdmin(ctx, l, mgmt.AdminRoutes(nil, a.answer, mgmt.AskMetrics, mgmt.AskDump), a.log)
}

// listen makes the socket. This process has the number: what is there is a dead one's.
func (a *admin) listen() (net.Listener, error) {
	if err := os.MkdirAll(a.runDir(), 0o755); err != nil {
		return nil, err
	}
	return mgmt.ListenAdmin(filepath.Join(a.runDir(), mgmt.MountSocket(os.Getpid())))
}

func (a *admin) answer(_ context.Context, method string, args json.RawMessage) (any, error) {
	if method == mgmt.AskMetrics {
		return a.metrics(), nil
	}
	var q mgmt.DumpAsk
	if err := json.Unmarshal(args, &q); err != nil {
		return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("the request cannot be read: %v", err)}
	}
	file, err := a.dump(q.Parts)
	return &mgmt.DumpReport{File: file}, err
}

func (a *admin) metrics() *mgmt.ProcessMetrics {
	m := &mgmt.ProcessMetrics{PID: os.Getpid(), Volume: a.o.Volume, Mount: a.o.MountPoint, Serving: true, Started: a.started,
		Fops: inspect.Fops(&a.o.stats), Memory: inspect.Memory(), CPU: inspect.CPU()}
	m.Read, m.Written = a.o.stats.Bytes()
	m.Open, _, _ = a.o.stats.OpenFiles()
	return m
}

func (a *admin) dump(parts []string) (string, error) {
	return inspect.Write(a.runDir(), "gofsdump", parts, func(d *inspect.Dump) {
		if !d.Wants("priv") {
			return
		}
		d.Section("mount")
		d.Put("source", a.o.Source)
		d.Put("volume", a.o.Volume)
		d.Put("mountpoint", a.o.MountPoint)
		d.Put("since", a.started.Format(time.RFC3339))
		d.Stats(a.o.Volume, &a.o.stats)
	})
}

func (a *admin) obeySignals(ctx context.Context, ch <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-ch:
			if sig == syscall.SIGUSR1 {
				file, err := a.dump(nil)
				a.log.Info("dumped the state, as asked by a signal", "file", file, "reason", err)
			} else if a.file != nil {
				if err := a.file.Reopen(false); err != nil {
					a.log.Warn("cannot open the log again", "reason", err)
				}
			}
		}
	}
}
