package pool

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNameWithSeveralAddresses: a name that stands for several servers leads to one that
// answers: to another one when it is mounted, and when the volume changes.
func TestNameWithSeveralAddresses(t *testing.T) {
	p := newPool(t, 3)
	p.probeAll()
	p.create("vol")
	hosts := filepath.Join(p.dir, "hosts")
	// The first address is nobody's, the second that of a daemon that will not answer.
	text := fmt.Sprintf("10.99.0.77 servers\n%s servers\n%s servers\n", p.nodes[0].addr, p.nodes[1].addr)
	if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p.nodes[0].freeze()
	p.eventually(20*time.Second, func() string { // the election is not what is tested
		if l := p.nodes[2].leader(); l == nil || l == p.nodes[0] {
			return "no new leader"
		}
		return ""
	})
	helper, mnt := filepath.Join(p.dir, "mount.gofs"), filepath.Join(p.dir, "mnt")
	os.Symlink(gofs, helper)
	os.Mkdir(mnt, 0o755)
	// The shell has a mount namespace of its own, for /etc/hosts; what it mounts ends with it. The
	// mounts of other tests must not live on in it.
	script := fmt.Sprintf(`awk '$2 ~ "^/tmp/" { print $2 }' /proc/mounts | while read -r m; do umount -l "$m"; done 2>/dev/null
set -e
mount --bind %s /etc/hosts
%s servers:/vol %s -o log-file=%s/mnt.log
trap 'umount -l %[3]s' EXIT
echo content >%[3]s/f
echo mounted
read -r changed
i=0
while echo content 2>/dev/null >%[3]s/g; do
	i=$((i+1)); [ $i -lt 100 ]; sleep 0.1
done
echo read-only
`, hosts, helper, mnt, p.dir)
	cmd := in(t.Context(), p.name+"-100", "unshare", "--mount", "sh", "-c", script)
	tell, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if last = lines.Text(); last == "mounted" {
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("mounting took %v", took)
			}
			p.nodes[2].must("volume", "set", "vol", "features.read-only", "on")
			fmt.Fprintln(tell)
		}
	}
	if err := cmd.Wait(); err != nil || last != "read-only" {
		t.Errorf("%v after %q: %s", err, last, complaints.String())
	}
	p.nodes[0].thaw()
}

// TestReadyWithoutPeers: a daemon tells systemd that it is ready although the other nodes of
// its pool are not there, and starts its bricks.
func TestReadyWithoutPeers(t *testing.T) {
	p := newPool(t, 3)
	p.probeAll()
	p.create("vol")
	for _, n := range p.nodes {
		n.kill()
		for _, pid := range n.brickPids() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.dir + "/notify", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	n := p.nodes[1]
	n.env = []string{"NOTIFY_SOCKET=" + p.dir + "/notify"}
	n.begin()
	socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 100)
	got, err := socket.Read(buf)
	if err != nil || string(buf[:got]) != "READY=1" {
		t.Fatalf("systemd was told %q, %v", buf[:got], err)
	}
	if out, _, err := n.try("volume", "list"); err != nil || out != "vol" {
		t.Errorf("after that it answers: %q, %v", out, err)
	}
	p.eventually(10*time.Second, func() string {
		if len(n.brickPids()) != 2 {
			return "its brick or its heal daemon does not run"
		}
		return ""
	})
}
