package mount

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/logfile"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

// dialWhenUp connects to the socket of a mount that is starting.
func dialWhenUp(t *testing.T, path string) *mgmt.Client {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := mgmt.Dial(t.Context(), path)
		if err == nil {
			return c
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestAdmin(t *testing.T) {
	dir, err := os.MkdirTemp("", "mount") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	o := &Options{Volume: "v", MountPoint: "/mnt/v", RunDir: dir}
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Two graphs in the course of time, one count.
	for range 2 {
		x, err := iostats.Into(&o.stats)(xlator.Env{}, nil, []xlator.Xlator{m})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Stat(t.Context(), &fop.StatReq{Req: fop.Req{Caller: &fop.Caller{}}, GFID: fop.RootGFID}); err != nil {
			t.Fatal(err)
		}
	}
	log, err := logfile.Open(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		(&admin{o: o, log: slog.New(slog.DiscardHandler), file: log, started: time.Now()}).run(ctx)
	})
	socket := filepath.Join(dir, mgmt.MountSocket(os.Getpid()))
	c := dialWhenUp(t, socket)
	defer c.Close()
	body, err := c.Ask(t.Context(), mgmt.AskMetrics, nil)
	var p mgmt.ProcessMetrics
	if err != nil || json.Unmarshal(body, &p) != nil || p.Volume != "v" || p.Mount != "/mnt/v" || len(p.Fops) != 1 || p.Fops[0].Count != 2 {
		t.Errorf("metrics %s, %v", body, err)
	}
	body, err = c.Ask(t.Context(), mgmt.AskDump, nil)
	var d mgmt.DumpReport
	if err != nil || json.Unmarshal(body, &d) != nil {
		t.Fatalf("dump %s, %v", body, err)
	}
	if text, err := os.ReadFile(d.File); err != nil || !strings.Contains(string(text), "mountpoint=/mnt/v\n") || !strings.Contains(string(text), "STAT=2,") {
		t.Errorf("dump, %v:\n%s", err, text)
	}
	if _, err := c.Ask(t.Context(), mgmt.AskClear, nil); err == nil {
		t.Error("a mount cleared locks")
	}
	// The signals: a second dump, and a log that was moved away.
	if err := os.Rename(filepath.Join(dir, "log"), filepath.Join(dir, "log.1")); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGHUP)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		dumps, _ := filepath.Glob(filepath.Join(dir, "gofsdump.*"))
		_, err := os.Stat(filepath.Join(dir, "log"))
		if len(dumps) == 2 && err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("dumps %v, log %v", dumps, err)
		}
	}
	cancel()
	wg.Wait()
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is left behind")
	}
}
