package brick

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/volfile/volgen"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const volumeID = "3bc3bed0-d02d-4ad2-a877-13068e2904ac"

// newConfig makes a brick's directory and volfile. options are those of volume set.
func newConfig(t *testing.T, options map[string]string) Config {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: bricks have trusted.* attributes")
	}
	dir, err := os.MkdirTemp("", "brick") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "b")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	id := []byte{0x3b, 0xc3, 0xbe, 0xd0, 0xd0, 0x2d, 0x4a, 0xd2, 0xa8, 0x77, 0x13, 0x06, 0x8e, 0x29, 0x04, 0xac}
	if err := unix.Setxattr(path, "trusted.glusterfs.volume-id", id, 0); err != nil {
		t.Skipf("no trusted.* attributes in %s: %v", dir, err)
	}
	v := &volgen.Volume{Name: "v", ID: volumeID, Replica: 3, Arbiter: 1, Options: options,
		Bricks: []volgen.Brick{{ID: "v-client-0", Path: path}, {ID: "v-client-1", Path: path}, {ID: "v-client-2", Path: path}}}
	cfg := Config{VolfilePath: filepath.Join(dir, "volfile"), Volume: "v", VolumeID: volumeID, Path: path, Listen: "127.0.0.1",
		PidFile: filepath.Join(dir, "pid"), Socket: filepath.Join(dir, "socket"), Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)}
	writeVolfile(t, cfg, volgen.BrickGraph(v, 2))
	return cfg
}

func writeVolfile(t *testing.T, cfg Config, g *volfile.Graph) {
	t.Helper()
	if err := os.WriteFile(cfg.VolfilePath, []byte(g.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs the brick until the test ends, and returns when it serves.
func run(t *testing.T, cfg Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		if _, err := os.Stat(cfg.Socket); err == nil {
			t.Error("the admin socket is left behind")
		}
	})
	await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving })
}

// await asks the brick until what it says is good.
func await(t *testing.T, cfg Config, good func(*mgmt.BrickStatus) bool) *mgmt.BrickStatus {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		c, err := mgmt.Dial(t.Context(), cfg.Socket)
		if err != nil {
			continue
		}
		s, err := c.Brick(t.Context())
		c.Close()
		if err == nil && good(s) {
			return s
		}
	}
	t.Fatal("the brick never said what was expected")
	return nil
}

func TestServes(t *testing.T) {
	cfg := newConfig(t, map[string]string{"diagnostics.brick-log-level": "WARNING"})
	run(t, cfg)
	s := await(t, cfg, func(*mgmt.BrickStatus) bool { return true })
	if s.PID != os.Getpid() || s.Path != cfg.Path || s.VolumeID != volumeID || s.Port == 0 {
		t.Errorf("status = %+v", s)
	}
	if cfg.Level.Level() != slog.LevelWarn {
		t.Errorf("log level = %v, want WARN", cfg.Level.Level())
	}
	if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "served by another process") {
		t.Errorf("a second process: %v", err)
	}
}

func TestCannotStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, cfg *Config)
		want  string
	}{
		{"another volume's", func(t *testing.T, cfg *Config) {
			if err := unix.Setxattr(cfg.Path, "trusted.glusterfs.volume-id", make([]byte, 16), 0); err != nil {
				t.Fatal(err)
			}
		}, "volume"},
		{"missing", func(t *testing.T, cfg *Config) { os.Remove(cfg.Path) }, "no such file"},
		{"port taken", func(t *testing.T, cfg *Config) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			cfg.Port = l.Addr().(*net.TCPAddr).Port
		}, "address already in use"},
		{"no daemon", func(t *testing.T, cfg *Config) { cfg.VolfilePath, cfg.Daemon = "", cfg.Socket }, "cannot fetch the volfile"},
		{"no server on top", func(t *testing.T, cfg *Config) {
			writeVolfile(t, *cfg, &volfile.Graph{Nodes: []*volfile.Node{{Name: "p", Type: "storage/posix"}}})
		}, "and not a protocol/server"},
		{"unknown translator", func(t *testing.T, cfg *Config) {
			writeVolfile(t, *cfg, &volfile.Graph{Nodes: []*volfile.Node{{Name: "p", Type: "storage/bd"}, {Name: "s", Type: "protocol/server", Subvolumes: []string{"p"}}}})
		}, "storage/bd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := newConfig(t, nil)
			c.spoil(t, &cfg)
			if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run = %v, want ...%s...", err, c.want)
			}
		})
	}
}

// A disk that fails its check takes the brick down, with the reason, until it is well.
func TestSickDisk(t *testing.T) {
	cfg := newConfig(t, map[string]string{"storage.health-check-interval": "1"})
	run(t, cfg)
	file := filepath.Join(cfg.Path, ".glusterfs", "health_check")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o755); err != nil {
		t.Fatal(err)
	}
	s := await(t, cfg, func(s *mgmt.BrickStatus) bool { return !s.Serving })
	if !strings.Contains(s.Reason, "health_check") {
		t.Errorf("reason = %q", s.Reason)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving })
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		list, host string
		want       bool
	}{
		{"*", "10.0.0.1", true},
		{"10.0.0.*", "10.0.0.7", true},
		{"10.0.0.*", "10.0.1.7", false},
		{"10.0.0.1,10.0.0.2", "10.0.0.2", true},
		{"10.0.0.0/8", "10.9.9.9", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"::1", "0:0:0:0:0:0:0:1", true},
		{"localhost", "127.0.0.1", true},
		{"10.0.0.1", "nonsense", false},
	} {
		if got := matches(c.list, c.host); got != c.want {
			t.Errorf("matches(%q, %q) = %v, want %v", c.list, c.host, got, c.want)
		}
	}
}
