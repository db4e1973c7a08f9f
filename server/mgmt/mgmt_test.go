package mgmt

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofs/gofs/server/mgmt/store"
)

func TestSplitBrick(t *testing.T) {
	for _, c := range []struct{ spec, host, dir, want string }{
		{"server1:/b", "server1", "/b", ""},
		{"server1:/b//c/", "server1", "/b/c", ""},
		{"[fe80::1]:/b", "fe80::1", "/b", ""},
		{"fe80::1:/b", "fe80::1", "/b", ""},
		{"server1", "", "", "Wrong brick type"},
		{":/b", "", "", "Wrong brick type"},
		{"server1:/", "", "", "not /"},
		{"server1:/a b", "", "", "no blanks"},
		{"server1:/a\nb", "", "", "no blanks"},
	} {
		host, dir, err := splitBrick(c.spec)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("splitBrick(%q) = %v, want ...%s...", c.spec, err, c.want)
			}
		} else if err != nil || host != c.host || dir != c.dir {
			t.Errorf("splitBrick(%q) = %q, %q, %v", c.spec, host, dir, err)
		}
	}
	for name, want := range map[string]string{"": "", "s:/b/": "s:/b", "[fe80::1]:/b": "fe80::1:/b", "nonsense": "nonsense"} {
		if got := brickCalled(name); got != want {
			t.Errorf("brickCalled(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCheckSpread(t *testing.T) {
	volume := func(replica int, nodes ...string) *store.Volume {
		v := &store.Volume{Replica: replica}
		for _, n := range nodes {
			v.Bricks = append(v.Bricks, store.Brick{Node: n})
		}
		return v
	}
	for _, c := range []struct {
		name string
		v    *store.Volume
		good bool
	}{
		{"spread", volume(3, "a", "b", "c"), true},
		{"two sets", volume(2, "a", "b", "a", "b"), true},
		{"one node twice", volume(3, "a", "b", "a"), false},
		{"in the second set", volume(2, "a", "b", "c", "c"), false},
		{"distribute", volume(1, "a", "a"), true},
	} {
		if err := checkSpread(c.v); (err == nil) != c.good {
			t.Errorf("%s: checkSpread = %v", c.name, err)
		}
	}
}

func TestMine(t *testing.T) {
	for _, c := range []struct {
		own, addr string
		want      bool
	}{
		{"127.0.0.2", "127.0.0.2", true},
		{"127.0.0.2", "127.0.0.1", false},
		{"", "127.0.0.1", false}, // others could not reach it
		{"", "192.0.2.77", false},
	} {
		d := &Daemon{cfg: Config{Address: c.own}}
		if got := d.mine(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("daemon on %q: mine(%s) = %v, want %v", c.own, c.addr, got, c.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gofsd.info")
	first, err := identity(file)
	if err != nil || !validUUID(first) {
		t.Fatalf("identity = %q, %v", first, err)
	}
	if again, err := identity(file); err != nil || again != first {
		t.Errorf("identity after a restart = %q, %v, want %q", again, err, first)
	}
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := identity(file); err == nil {
		t.Errorf("identity from rubbish = %q", id)
	}
}

func TestUnescape(t *testing.T) {
	if got := unescape(`/a\040b\134c\x`); got != `/a b\c\x` {
		t.Errorf("unescape = %q", got)
	}
}
