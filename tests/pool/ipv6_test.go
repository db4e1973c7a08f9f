package pool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestIPv6: a pool whose nodes have nothing but IPv6 does what others do, whichever way
// addresses are written.
func TestIPv6(t *testing.T) {
	t.Run("one address", func(t *testing.T) { testIPv6(t, ipv6) })
	all := ipv6
	all.all = true
	t.Run("all addresses", func(t *testing.T) { testIPv6(t, all) })
}

func testIPv6(t *testing.T, net network) {
	p := newPoolIn(t, net, 3)
	p.probeAll()
	a := p.nodes
	a[0].must("volume", "create", "vol", "replica", "2", "arbiter", "1",
		"["+a[0].addr+"]:"+a[0].path("bricks/vol"), a[1].addr+":"+a[1].path("bricks/vol"), a[2].addr+":"+a[2].path("bricks/vol"), "force")
	a[1].must("volume", "start", "vol")
	a[2].must("volume", "set", "vol", "auth.allow", "10.*,fd00:99::1*")
	for i, source := range []string{
		"[" + a[0].addr + "]:/vol",
		a[1].addr + ":/vol",
		fmt.Sprintf("[%s],%s:/vol", a[2].addr, a[0].addr),
	} {
		p.mountFrom(source)
		name := fmt.Sprintf("f%d", i)
		if err := os.WriteFile(filepath.Join(p.mnt, name), []byte("content"), 0o644); err != nil {
			t.Fatalf("mounted from %s: %v", source, err)
		}
		for _, n := range a[:2] {
			if text, err := os.ReadFile(n.path("bricks/vol/" + name)); string(text) != "content" {
				t.Errorf("mounted from %s: the copy at %s: %q, %v", source, n.addr, text, err)
			}
		}
		if i < 2 {
			if err := syscall.Unmount(p.mnt, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	ipv6Answers(p)
	// A node that dies and comes back is found again, and its brick with it.
	a[0].kill()
	p.eventually(20*time.Second, func() string {
		if out, _, err := a[1].try("peer", "status"); err != nil || !strings.Contains(out, "Disconnected") {
			return fmt.Sprintf("with node 1 killed: %v\n%s", err, out)
		}
		return ""
	})
	a[1].must("volume", "set", "vol", "features.read-only", "on")
	p.eventually(10*time.Second, func() string {
		if err := os.WriteFile(p.mnt+"/ro", nil, 0o644); err == nil {
			return "the option did not reach the mount"
		}
		return ""
	})
	a[0].start()
	p.connected()
}

// ipv6Answers checks commands that show or take addresses.
func ipv6Answers(p *pool) {
	p.t.Helper()
	a := p.nodes
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"pool", "list"}, a[2].addr},
		{[]string{"peer", "status"}, "Hostname: " + a[2].addr},
		{[]string{"peer", "probe", a[2].addr}, "already in peer list"},
		{[]string{"volume", "info", "vol"}, "Brick1: " + a[0].addr + ":" + a[0].path("bricks/vol")},
		{[]string{"volume", "status", "vol", a[1].addr + ":" + a[1].path("bricks/vol")}, " Y "},
		{[]string{"volume", "status", "vol", "[" + a[1].addr + "]:" + a[1].path("bricks/vol")}, " Y "},
		{[]string{"volume", "status", "vol", "clients"}, "fd00:99::100"},
		{[]string{"volume", "log", "vol", "rotate", "[" + a[2].addr + "]:" + a[2].path("bricks/vol")}, "success"},
		{[]string{"volume", "top", "vol", "open", "brick", a[2].addr + ":" + a[2].path("bricks/vol")}, "Brick"},
	} {
		p.eventually(10*time.Second, func() string { // see showsBricks
			if out, _, err := a[0].try(c.args...); err != nil || !strings.Contains(out, c.want) {
				return fmt.Sprintf("gofs %s: %v\n%s", strings.Join(c.args, " "), err, out)
			}
			return ""
		})
	}
	a[0].showsBricks(3)
	remote, err := in(p.t.Context(), p.name+"-100", gofs, "--remote-host="+a[1].addr, "volume", "list").CombinedOutput()
	if err != nil || strings.TrimSpace(string(remote)) != "vol" {
		p.t.Errorf("--remote-host=%s: %v\n%s", a[1].addr, err, remote)
	}
}
