package brickproc

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/portmap"
	"go.uber.org/goleak"
)

// The test binary is also the brick that the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "brick" {
		if err := fakeBrick(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "gofs brick:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// fakeBrick does what a brick does for its supervisor, until SIGTERM. One whose path ends
// in "bad" cannot start, one whose ends in "taken" finds its first two ports taken.
func fakeBrick(args []string) error {
	f := flag.NewFlagSet("brick", flag.ContinueOnError)
	v := map[string]*string{}
	for _, name := range []string{"daemon", "volfile-id", "volume", "volume-id", "brick-path", "listen", "pid-file", "socket", "log-file"} {
		v[name] = f.String(name, "", "")
	}
	port := f.Int("port", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	pid, err := Lock(*v["pid-file"])
	if err != nil {
		return err
	}
	defer pid.Close()
	if strings.HasSuffix(*v["brick-path"], "bad") {
		return fmt.Errorf("there is no disk")
	}
	if strings.HasSuffix(*v["brick-path"], "taken") && countStarts(*v["pid-file"]+".starts") < 3 {
		return fmt.Errorf("cannot listen for clients: %w", syscall.EADDRINUSE)
	}
	os.Remove(*v["socket"])
	l, err := net.Listen("unix", *v["socket"])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { l.Close() })
	routes := mgmt.BrickRoutes(func() *mgmt.BrickStatus {
		return &mgmt.BrickStatus{PID: os.Getpid(), Volume: *v["volume"], VolumeID: *v["volume-id"], Path: *v["brick-path"], Port: *port, Serving: true}
	})
	for {
		nc, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			io.ReadFull(nc, make([]byte, 5))
			mgmt.Serve(ctx, nc, routes, nil)
		}()
	}
}

// countStarts adds one to the number in a file.
func countStarts(file string) int {
	text, _ := os.ReadFile(file)
	os.WriteFile(file, append(text, '+'), 0o600)
	return len(text) + 1
}

// site is a place for supervisors, one after the other.
type site struct {
	t     *testing.T
	cfg   Config
	specs []Spec
}

func newSite(t *testing.T) *site {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "brick") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ports, err := portmap.Open(filepath.Join(dir, "ports"), "127.0.0.1", 40000)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, cfg: Config{Exe: exe, RunDir: dir, LogDir: dir, Listen: "127.0.0.1", Ports: ports, Log: slog.New(slog.DiscardHandler)}}
}

func spec(path string) Spec {
	return Spec{Volume: "v", VolumeID: "id", Host: "h", Path: path, VolfileID: "v.h." + dashed(path)}
}

// supervise starts a supervisor that wants bricks at paths. At the test's end it stops
// them all.
func (s *site) supervise(paths ...string) *Supervisor {
	s.t.Helper()
	sup := New(s.cfg)
	var specs []Spec
	for _, p := range paths {
		specs = append(specs, spec(p))
	}
	sup.Want(specs)
	s.t.Cleanup(func() {
		sup.Want(nil)
		for _, p := range paths {
			sup.Gone(context.Background(), p)
		}
		sup.Close()
	})
	return sup
}

func started(t *testing.T, sup *Supervisor, path string) State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := sup.Started(ctx, path); err != nil {
		t.Fatal(err)
	}
	st := sup.State(ctx, path)
	if !st.Online || st.PID == 0 || st.Port == 0 {
		t.Fatalf("state of a started brick = %+v", st)
	}
	return st
}

func TestStartAndStop(t *testing.T) {
	s := newSite(t)
	sup := s.supervise("/a", "/b")
	a, b := started(t, sup, "/a"), started(t, sup, "/b")
	if a.Port == b.Port || a.PID == b.PID {
		t.Errorf("two bricks have states %+v and %+v", a, b)
	}
	sup.Want([]Spec{spec("/b")})
	if err := sup.Gone(t.Context(), "/a"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(a.PID, 0); err == nil {
		t.Error("the brick that is not wanted still has a process")
	}
	if got := started(t, sup, "/b"); got.PID != b.PID {
		t.Errorf("the other brick has process %d, was %d", got.PID, b.PID)
	}
}

func TestDeadBrickIsStartedAgain(t *testing.T) {
	s := newSite(t)
	sup := s.supervise("/a")
	before := started(t, sup, "/a")
	k := sup.keeper("/a")
	_, changed := k.now()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-changed
	if st := sup.State(t.Context(), "/a"); st.Online {
		t.Errorf("state of a dead brick = %+v", st)
	}
	sup.Retry("/a")
	after := started(t, sup, "/a")
	if after.PID == before.PID || after.Port != before.Port {
		t.Errorf("state after the restart = %+v, before = %+v", after, before)
	}
}

func TestFoundAgain(t *testing.T) {
	s := newSite(t)
	first := New(s.cfg)
	first.Want([]Spec{spec("/a")})
	before := started(t, first, "/a")
	first.Close()
	// The brick is this process's child, but the next supervisor does not know that.
	t.Cleanup(func() { syscall.Wait4(before.PID, nil, 0, nil) })
	second := s.supervise("/a")
	if after := started(t, second, "/a"); after.PID != before.PID || after.Port != before.Port {
		t.Errorf("state after the daemon's restart = %+v, before = %+v", after, before)
	}
}

func TestBrickThatCannotStart(t *testing.T) {
	s := newSite(t)
	sup := s.supervise("/bad")
	err := sup.Started(t.Context(), "/bad")
	if err == nil || err.Error() != "there is no disk" {
		t.Errorf("Started = %v, want the brick's own words", err)
	}
}

// A port that another program took after it was given does not fail the start.
func TestPortTaken(t *testing.T) {
	s := newSite(t)
	started(t, s.supervise("/taken"), "/taken")
}

func TestStray(t *testing.T) {
	s := newSite(t)
	first := New(s.cfg)
	first.Want([]Spec{spec("/a")})
	before := started(t, first, "/a")
	first.Close()
	second := New(s.cfg)
	defer second.Close()
	second.StopStray(spec("/a"))
	second.StopStray(spec("/never"))
	if err := second.Gone(t.Context(), "/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(before.PID, nil, 0, nil); err != nil {
		t.Errorf("the stray brick: %v", err)
	}
}

// A brick that left its volume is stopped, those that are in it and other volumes' are not.
func TestUnknown(t *testing.T) {
	s := newSite(t)
	first := New(s.cfg)
	first.Want([]Spec{spec("/left"), spec("/stays")})
	left, stays := started(t, first, "/left"), started(t, first, "/stays")
	first.Close()
	t.Cleanup(func() { syscall.Wait4(stays.PID, nil, 0, nil) }) // after second has stopped it
	second := s.supervise("/stays")
	second.StopUnknown("w", nil)
	second.StopUnknown("v", []Spec{spec("/stays")})
	if _, err := syscall.Wait4(left.PID, nil, 0, nil); err != nil {
		t.Errorf("the brick that left: %v", err)
	}
	if now := started(t, second, "/stays"); now.PID != stays.PID {
		t.Errorf("the other has process %d, was %d", now.PID, stays.PID)
	}
}

func TestSecondProcessOfABrick(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	f, err := Lock(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(file); err == nil {
		t.Error("a locked pid file was locked again")
	}
	if pid, err := holder(file); pid != os.Getpid() || err != nil {
		t.Errorf("holder = %d, %v", pid, err)
	}
	f.Close()
	if pid, err := holder(file); pid != 0 || err != nil {
		t.Errorf("holder after the process ended = %d, %v", pid, err)
	}
}
