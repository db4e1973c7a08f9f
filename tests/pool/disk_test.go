package pool

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestStateDiskFull: a node whose disk with the state is full keeps nobody from changing the
// configuration, and follows when there is room again.
func TestStateDiskFull(t *testing.T) {
	p := newPool(t, 3)
	p.probeAll()
	p.create("vol")
	for _, full := range p.nodes {
		// A small disk of its own for the state from now on.
		full.kill()
		work := full.path("work")
		p.sh("mv %[1]s %[1]s.was && mkdir %[1]s && mount -t tmpfs -o size=1m none %[1]s && cp -a %[1]s.was/. %[1]s/", work)
		t.Cleanup(func() { full.kill(); p.sh("umount -l %s", work) })
		full.start()
	}
	p.connected()
	for i, full := range p.nodes {
		p.sh("head -c 2m /dev/zero > %s/filler || true", full.path("work"))
		for j, n := range p.nodes {
			value := fmt.Sprintf("%d%d", i, j)
			out, took, err := n.try("volume", "set", "vol", "user.k", value+strings.Repeat("x", 20000))
			if n == full {
				if err != nil && !strings.Contains(out, "failed: ") {
					t.Errorf("an order at node %d, whose disk is full: %v %s", n.number, err, out)
				}
			} else if err != nil {
				t.Errorf("an order at node %d while the disk of node %d is full: %v %s (%v)", n.number, full.number, err, out, took)
			}
		}
		if err := os.Remove(full.path("work/filler")); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("9%d", i)
		p.nodes[(i+1)%3].must("volume", "set", "vol", "user.k", want)
		p.eventually(30*time.Second, func() string {
			for _, n := range p.nodes {
				if out, _, err := n.try("volume", "info", "vol"); err != nil || !strings.Contains(out, "user.k: "+want) {
					return fmt.Sprintf("node %d after the disk of node %d has room again: %v\n%s", n.number, full.number, err, out)
				}
			}
			return ""
		})
	}
}
