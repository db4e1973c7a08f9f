package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServerIsLate: an entry of fstab is mounted although the server comes up after the
// mount was asked for; what cannot be is refused at once.
func TestServerIsLate(t *testing.T) {
	c := start(t, replica3)
	c.reboot(func(done <-chan error) {
		select {
		case err := <-done:
			t.Fatalf("mounted without a server: %v", err)
		case <-time.After(3 * time.Second):
		}
	})
	c.mounts[0].umount()
	for _, f := range []struct {
		source, opts, want string
		least, most        time.Duration
	}{
		{c.addr + ":/nosuch", "_netdev", "Volume nosuch does not exist", 0, 3 * time.Second},
		{"127.0.0.1:/v", "defaults", "127.0.0.1 does not answer", 0, 3 * time.Second},
		{"127.0.0.1:/v", "_netdev,retry=2", "127.0.0.1 does not answer", 2 * time.Second, 10 * time.Second},
	} {
		c.refused(f.source, f.opts, f.want, f.least, f.most)
	}
	c.must("volume", "stop", c.vol)
	c.refused(c.addr+":/"+c.vol, "_netdev", "Volume v is not started", 0, 6*time.Second)
	c.must("volume", "start", c.vol)
}

// reboot ends all processes of the server, asks for a mount as mount(8) does at boot, starts
// the server when late returns, and waits for the mount.
func (c *cluster) reboot(late func(done <-chan error)) {
	c.t.Helper()
	var pids []int
	for i := range c.bricks {
		pids = append(pids, c.pid(i))
	}
	c.killDaemon()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	m := &mounted{c: c, dir: c.dir + "/boot", opts: "_netdev"}
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.mounts = append(c.mounts, m)
	done := make(chan error, 1)
	go func() {
		out, err := exec.Command(gofs, "mount", "-o", "rw,_netdev,log-file="+c.dir+"/log/boot.log", c.addr+":/"+c.vol, m.dir).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		done <- err
	}()
	late(done)
	c.startDaemon()
	if err := <-done; err != nil {
		c.t.Fatal(err)
	}
	m.findPid()
	if err := os.WriteFile(m.dir+"/f", []byte("x"), 0o644); err != nil {
		c.t.Error(err)
	}
}

// refused asks for a mount that must fail with a sentence, in a certain time.
func (c *cluster) refused(source, opts, want string, least, most time.Duration) {
	c.t.Helper()
	begin := time.Now()
	out, err := exec.Command(gofs, "mount", source, c.dir+"/boot", "-o", opts+",log-file="+c.dir+"/log/refused.log").CombinedOutput()
	took := time.Since(begin)
	if err == nil || !strings.Contains(string(out), want) || took < least || took > most {
		c.t.Errorf("mounting %s with %s: %v after %v: %s", source, opts, err, took, out)
	}
}

// TestStopBricks: what systemd runs at shutdown ends all bricks; a daemon that is there
// starts them again.
func TestStopBricks(t *testing.T) {
	c := start(t, replica3)
	var before []int
	for i := range c.bricks {
		before = append(before, c.pid(i))
	}
	stop := func() { c.sh("../../dist/stop-bricks %s/run", c.dir) }
	c.daemon.Process.Signal(syscall.SIGSTOP)
	stop()
	for _, pid := range before {
		if err := alive(pid); err != nil {
			t.Error(err)
		}
	}
	stop() // the files of dead bricks name no process to end
	c.daemon.Process.Signal(syscall.SIGCONT)
	c.waitOnline()
}
