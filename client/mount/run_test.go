package mount

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

// TestMain is the mount helper when a test started it as that.
func TestMain(m *testing.M) {
	if os.Getenv("GOFS_TEST_HELPER") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o, err := ParseHelperArgs(os.Args[1:])
	if err == nil {
		err = Run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(err.(*Exit).Code)
	}
}

// daemon is what a mount asks: one volume, "demo", with one brick.
type daemon struct {
	mgmt.Service
	port    int // of the brick; 0: it is not running
	bricked *server.Server
}

func (d *daemon) Volfile(_ context.Context, volume string) (string, error) {
	if volume != "demo" {
		return "", &mgmt.Error{Code: mgmt.CodeNoVolume, Message: "Volume " + volume + " does not exist"}
	}
	return `volume demo-client-0
    type protocol/client
    option remote-host 127.0.0.1
    option remote-subvolume /brick
    option volume demo
end-volume

volume demo
    type debug/io-stats
    subvolumes demo-client-0
end-volume
`, nil
}

// Node is what a mount asks to see whether the daemon is alive.
func (d *daemon) Node(context.Context) (*mgmt.Node, error) { return &mgmt.Node{}, nil }

func (d *daemon) Portmap(context.Context, string) (*mgmt.Place, error) {
	if d.port == 0 {
		return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "brick /brick is not running"}
	}
	return &mgmt.Place{Port: d.port}, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// start runs a daemon, and its brick if running, and returns the daemon's port.
func start(t *testing.T, running bool) int {
	t.Helper()
	d := &daemon{}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	if running {
		env := xlator.Env{Name: "b", Log: slog.New(slog.DiscardHandler)}
		m, err := mem.New(env, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		brick, err := locks.New(env, xlator.Options{}, []xlator.Xlator{m})
		if err != nil {
			t.Fatal(err)
		}
		d.bricked = server.New(brick, server.Config{Volume: "demo", Brick: "/brick"})
		ln := listen(t)
		d.port = ln.Addr().(*net.TCPAddr).Port
		go d.bricked.Serve(ctx, ln)
		t.Cleanup(func() { d.bricked.Close() })
	}
	ln := listen(t)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if _, err := mgmt.ReadKind(c); err != nil {
				c.Close()
				continue
			}
			go mgmt.Serve(ctx, c, mgmt.DaemonRoutes(d, false), nil)
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// helper runs mount.gofs as mount(8) would.
func helper(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "GOFS_TEST_HELPER=1")
	var out bytes.Buffer
	cmd.Stderr = &out
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode(), out.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, out.String()
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
}

func TestMount(t *testing.T) {
	needRoot(t)
	port := start(t, true)
	dir, log := t.TempDir(), t.TempDir()+"/log"
	opts := fmt.Sprintf("rw,_netdev,server-port=%d,log-file=%s", port, log)
	code, stderr := helper(t, "127.0.0.1:/demo", dir, "-o", opts)
	if code != 0 || stderr != "" {
		text, _ := os.ReadFile(log)
		t.Fatalf("exit %d: %s\n%s", code, stderr, text)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/sub/f", []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, stderr := helper(t, "127.0.0.1:/demo", dir, "-o", opts); code != ExitMounted || !strings.Contains(stderr, "is already mounted on "+dir) {
		t.Errorf("second mount: exit %d: %s", code, stderr)
	}

	sub := t.TempDir()
	if code, stderr := helper(t, "nosuch.invalid,127.0.0.1:/demo/sub", sub, "-o", opts+",ro"); code != 0 {
		t.Fatalf("subdirectory: exit %d: %s", code, stderr)
	}
	t.Cleanup(func() { syscall.Unmount(sub, syscall.MNT_DETACH) })
	if got, err := os.ReadFile(sub + "/f"); string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := os.WriteFile(sub+"/g", nil, 0o644); err == nil {
		t.Error("wrote to a read-only mount")
	}
	table, _ := os.ReadFile("/proc/mounts")
	if want := "nosuch.invalid:/demo/sub " + sub + " fuse.gofs ro,"; !strings.Contains(string(table), want) {
		t.Errorf("no %q in\n%s", want, table)
	}
	if err := syscall.Unmount(sub, 0); err != nil {
		t.Errorf("umount: %v", err)
	}
	if code, stderr := helper(t, "127.0.0.1:/demo/nosuchdir", sub, "-o", opts); code != 1 || !strings.Contains(stderr, "Directory /nosuchdir does not exist in volume demo") {
		t.Errorf("missing subdirectory: exit %d: %s", code, stderr)
	}
	endBySignal(t, dir, log)
}

// endBySignal ends a mount's process with SIGTERM and waits until it said so.
func TestLogLevel(t *testing.T) {
	text := "volume demo\n    type debug/io-stats\n    option log-level WARNING\nend-volume\n"
	for _, c := range []struct {
		own, text string
		want      slog.Level
	}{
		{"", text, slog.LevelWarn},
		{"", "volume demo\n    type debug/io-stats\nend-volume\n", slog.LevelInfo},
		{"DEBUG", text, slog.LevelDebug},
	} {
		o := &Options{LogLevel: c.own, Foreground: true}
		log, file, err := o.openLog()
		if err != nil || file != nil {
			t.Fatal(file, err)
		}
		o.setLevel(c.text)
		if !log.Enabled(t.Context(), c.want) || log.Enabled(t.Context(), c.want-1) {
			t.Errorf("own %q, %s: the level is %v, want %v", c.own, c.text, o.level.Level(), c.want)
		}
	}
}

func endBySignal(t *testing.T, dir, log string) {
	pids, err := exec.Command("pgrep", "-f", os.Args[0]+" 127.0.0.1:/demo "+dir+" ").Output()
	if err != nil {
		t.Skip("no pgrep:", err)
	}
	var pid int
	fmt.Sscan(string(pids), &pid)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if text, _ := os.ReadFile(log); strings.Contains(string(text), "msg=unmounted mountpoint="+dir) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the mount process does not end")
		}
	}
	if mountedHere(dir) {
		t.Error("still mounted")
	}
}

func TestMountFails(t *testing.T) {
	needRoot(t)
	stopped := start(t, false)
	dir, log := t.TempDir(), t.TempDir()+"/log"
	for _, c := range []struct {
		name, spec string
		port       int
		want       string
	}{
		{"unknown volume", "127.0.0.1:/nosuch", stopped, "Mounting glusterfs on " + dir + " failed. Volume nosuch does not exist."},
		{"server down", "127.0.0.1:/demo", 1, "Mounting glusterfs on " + dir + " failed. 127.0.0.1 does not answer:"},
		{"volume stopped", "127.0.0.1:/demo", stopped, "Mount failed. The volume is not started, or none of its bricks can be reached. Check the log file " + log + " for more details."},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stderr := helper(t, c.spec, dir, "-o", fmt.Sprintf("server-port=%d,log-file=%s", c.port, log))
			if code != ExitFailure || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d: %s, want %s", code, stderr, c.want)
			}
			if mountedHere(dir) {
				t.Error("it is mounted")
			}
		})
	}
}
