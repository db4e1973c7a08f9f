package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/tests/copies"
)

// TestClassic is what everybody tries first.
func TestClassic(t *testing.T) {
	c := start(t, arbiter)
	m := c.mount("")
	c.sh("echo 'GlusterFS ist cool' > %s", m.path("gluster.txt"))
	if got := c.sh("cat %s", m.path("gluster.txt")); got != "GlusterFS ist cool\n" {
		t.Errorf("the file says %q", got)
	}
	var gfids []string
	for i, want := range []int64{19, 19, 0} {
		p := filepath.Join(c.bricks[i], "gluster.txt")
		var st unix.Stat_t
		if err := unix.Stat(p, &st); err != nil {
			t.Fatal(err)
		}
		if st.Size != want || st.Nlink != 2 {
			t.Errorf("brick %d: %d bytes and %d links, want %d and 2", i, st.Size, st.Nlink, want)
		}
		gfids = append(gfids, fmt.Sprintf("%x", copies.Xattr(p, "trusted.gfid")))
	}
	if gfids[0] != gfids[1] || gfids[0] != gfids[2] || len(gfids[0]) != 32 {
		t.Errorf("GFIDs are %v", gfids)
	}
	if out := c.sh("mount"); !strings.Contains(out, c.addr+":/v on "+m.dir+" type fuse.gofs (") {
		t.Errorf("mount does not show it:\n%s", out)
	}
	var vol, disk syscall.Statfs_t
	if err := syscall.Statfs(m.dir, &vol); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Statfs(c.disks[0], &disk); err != nil {
		t.Fatal(err)
	}
	if a, b := vol.Blocks*uint64(vol.Bsize), disk.Blocks*uint64(disk.Bsize); a != b {
		t.Errorf("df shows %d bytes, one brick has %d", a, b)
	}
	m.remount()
	if got, _ := os.ReadFile(m.path("gluster.txt")); string(got) != "GlusterFS ist cool\n" {
		t.Errorf("after mounting again, the file says %q", got)
	}
	c.checkClean()
}
