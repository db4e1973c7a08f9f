package portmap

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

const host = "127.0.0.1"

func open(t *testing.T, file string, base int) *Map {
	t.Helper()
	m, err := Open(file, host, base)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func assign(t *testing.T, m *Map, path string) int {
	t.Helper()
	p, err := m.Assign(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// listen takes some port and returns it.
func listen(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func TestPortsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports")
	m := open(t, file, Base)
	a, b := assign(t, m, "/a"), assign(t, m, "/b")
	if a == b || a < Base {
		t.Errorf("ports = %d, %d", a, b)
	}
	m = open(t, file, Base)
	if got := assign(t, m, "/b"); got != b {
		t.Errorf("port of /b after a restart = %d, want %d", got, b)
	}
	if err := m.Forget("/a"); err != nil {
		t.Fatal(err)
	}
	if got := assign(t, m, "/c"); got != a {
		t.Errorf("port of /c = %d, want the one that /a gave up, %d", got, a)
	}
}

func TestOccupiedPortIsSkipped(t *testing.T) {
	busy := listen(t)
	m := open(t, filepath.Join(t.TempDir(), "ports"), busy)
	if got := assign(t, m, "/a"); got <= busy {
		t.Errorf("port = %d, want one above the occupied %d", got, busy)
	}
	if err := m.Keep("/a", busy); err != nil {
		t.Fatal(err)
	}
	if got := assign(t, m, "/a"); got == busy {
		t.Errorf("port = %d, which somebody else has taken", got)
	}
}

func TestReserveKeepsAnOccupiedPort(t *testing.T) {
	busy := listen(t)
	m := open(t, filepath.Join(t.TempDir(), "ports"), Base)
	if err := m.Keep("/a", busy); err != nil {
		t.Fatal(err)
	}
	// The brick itself may be what listens there.
	if err := m.Reserve("/a"); err != nil || m.ports["/a"] != busy {
		t.Errorf("port after Reserve = %d, %v, want %d", m.ports["/a"], err, busy)
	}
}

func TestNoPortLeft(t *testing.T) {
	m := open(t, filepath.Join(t.TempDir(), "ports"), 65536)
	if p, err := m.Assign("/a"); err == nil {
		t.Errorf("Assign = %s, want an error", strconv.Itoa(p))
	}
}

func TestDamagedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ports")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, host, Base); err == nil {
		t.Error("Open of a damaged file succeeded")
	}
}
