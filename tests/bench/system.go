package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A system is what is measured: something that shows a directory.
type system interface {
	name() string
	start(d *disks) error
	dir() string        // where programs work
	remount() error     // forget everything that a client may have cached
	commands() []string // names of its processes, for the use of CPU and memory
	stop()
}

const (
	work    = "/run/gofs-bench"
	address = "10.99.0.1" // exists only in this network namespace
)

func sh(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	out, err := exec.Command("bash", "-c", line).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %v\n%s", line, err, out)
	}
	return nil
}

// isolate prepares the namespaces: private mounts, an address, room in memory.
func isolate() error {
	return sh(`set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p %[1]s /run/gluster /run/lock
mount -t tmpfs -o mode=755,size=16G tmpfs %[1]s
hostname benchhost
ip link set lo up
ip addr add %[2]s/32 dev lo
for d in /var/lib/glusterd /var/log/glusterfs /var/lib/gofs /var/log/gofs; do mkdir -p $d; mount -t tmpfs tmpfs $d; done
mkdir -p %[1]s/mnt`, work, address)
}

// disks are three XFS filesystems in memory.
type disks struct{ mounts []string }

func makeDisks() (*disks, error) {
	d := &disks{}
	for i := range 3 {
		img, mnt := fmt.Sprintf("%s/disk%d.img", work, i), fmt.Sprintf("%s/b%d", work, i)
		if err := sh("truncate -s 4G %[1]s && mkfs.xfs -q -f -i size=512 %[1]s && mkdir -p %[2]s && mount -o loop,noatime %[1]s %[2]s", img, mnt); err != nil {
			d.remove()
			return nil, err
		}
		d.mounts = append(d.mounts, mnt)
	}
	return d, nil
}

func (d *disks) remove() {
	for _, m := range d.mounts {
		for range 100 {
			if syscall.Unmount(m, 0) == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		os.Remove(strings.Replace(m, "/b", "/disk", 1) + ".img")
	}
}

func newSystem(name, bin, profile string) (system, error) {
	switch name {
	case "xfs":
		return &bare{}, nil
	case "gluster":
		return &gluster{}, nil
	case "gofs":
		return &gofsSystem{bin: bin, profile: profile}, nil
	}
	return nil, fmt.Errorf("no such system: %s", name)
}

// bare is the disk itself.
type bare struct{ d *disks }

func (b *bare) name() string         { return "xfs" }
func (b *bare) start(d *disks) error { b.d = d; return nil }
func (b *bare) dir() string          { return b.d.mounts[0] }
func (b *bare) commands() []string   { return nil }
func (b *bare) stop()                {}
func (b *bare) remount() error {
	return sh("umount %[1]s && mount -o loop,noatime %[2]s/disk0.img %[1]s", b.d.mounts[0], work)
}

// server is a process that a system runs in the foreground.
type server struct{ cmd *exec.Cmd }

func startServer(log string, args ...string) (*server, error) {
	f, err := os.OpenFile(filepath.Join(work, log), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	return &server{cmd}, cmd.Start()
}

func (s *server) stop() {
	if s != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
	}
}

// eventually runs a command until it succeeds.
func eventually(format string, args ...any) error {
	var err error
	for range 200 {
		if err = sh(format, args...); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

type gluster struct{ daemon *server }

func (g *gluster) name() string       { return "gluster" }
func (g *gluster) dir() string        { return work + "/mnt" }
func (g *gluster) commands() []string { return []string{"glusterd", "glusterfsd", "glusterfs"} }
func (g *gluster) cli() string        { return "gluster --mode=script" }
func (g *gluster) healer() []string   { return []string{"--process-name", "glustershd"} }

func (g *gluster) start(d *disks) (err error) {
	if _, err := exec.LookPath("glusterd"); err != nil {
		if err := sh("apt-get install -y -qq glusterfs-server glusterfs-client"); err != nil {
			return fmt.Errorf("GlusterFS is not installed and could not be: %w", err)
		}
	}
	if err := sh("rm -rf /var/lib/glusterd/*"); err != nil {
		return err
	}
	if g.daemon, err = startServer("glusterd.log", "glusterd", "-N"); err != nil {
		return err
	}
	if err := eventually("gluster --mode=script pool list"); err != nil {
		return err
	}
	bricks := ""
	for _, m := range d.mounts {
		bricks += fmt.Sprintf(" %s:%s/brick", address, m)
	}
	if err := sh("gluster --mode=script volume create v replica 2 arbiter 1 %s force && gluster --mode=script volume start v", bricks); err != nil {
		return err
	}
	return eventually("mount -t glusterfs %s:/v %s && stat %[2]s >/dev/null", address, g.dir())
}

func (g *gluster) remount() error {
	if err := eventually("umount %s", g.dir()); err != nil {
		return err
	}
	return eventually("mount -t glusterfs %s:/v %s", address, g.dir())
}

func (g *gluster) stop() {
	sh("umount -l %s", g.dir())
	sh("gluster --mode=script volume stop v force; gluster --mode=script volume delete v")
	g.daemon.stop()
	endAll(g.commands())
}

type gofsSystem struct {
	bin, profile string
	daemon       *server
}

func (g *gofsSystem) name() string       { return "gofs" }
func (g *gofsSystem) dir() string        { return work + "/mnt" }
func (g *gofsSystem) commands() []string { return []string{"gofs", "mount.gofs"} }
func (g *gofsSystem) cli() string {
	return g.bin + " --remote-host=" + address + " --mode=script"
}
func (g *gofsSystem) healer() []string { return []string{"heald"} }

func (g *gofsSystem) start(d *disks) (err error) {
	if err := sh("rm -rf %s/gofs-state; mkdir -p %[1]s/gofs-state", work); err != nil {
		return err
	}
	g.daemon, err = startServer("gofsd.log", g.bin, "daemon", "--address", address,
		"--workdir", work+"/gofs-state", "--rundir", work+"/gofs-run", "--logdir", work+"/gofs-log")
	if err != nil {
		return err
	}
	cli := g.cli()
	if err := eventually("%s pool list", cli); err != nil {
		return err
	}
	bricks := ""
	for _, m := range d.mounts {
		bricks += fmt.Sprintf(" %s:%s/brick", address, m)
	}
	if err := sh("%s volume create v replica 2 arbiter 1 %s force && %[1]s volume start v", cli, bricks); err != nil {
		return err
	}
	return eventually("%s mount %s:/v %s && stat %[3]s >/dev/null", g.bin, address, g.dir())
}

func (g *gofsSystem) remount() error {
	if err := eventually("umount %s", g.dir()); err != nil {
		return err
	}
	return eventually("%s mount %s:/v %s", g.bin, address, g.dir())
}

func (g *gofsSystem) stop() {
	sh("umount -l %s", g.dir())
	sh("%s --remote-host=%s --mode=script volume stop v force", g.bin, address)
	g.daemon.stop()
	endAll(g.commands())
}

// endAll ends what is left of a system. All processes seen here are in the pid
// namespace that this program made.
func endAll(names []string) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for range 30 {
			pids := pidsOf(names)
			if len(pids) == 0 {
				return
			}
			for _, p := range pids {
				syscall.Kill(p, sig)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func pidsOf(names []string) []int {
	var out []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		comm, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "comm"))
		for _, n := range names {
			if strings.TrimSpace(string(comm)) == n {
				out = append(out, pid)
			}
		}
	}
	return out
}

// usage returns the CPU seconds used and MiB resident of all processes so named.
func usage(names []string) (cpu, rss float64) {
	for _, pid := range pidsOf(names) {
		c, r := usageOf(pid)
		cpu, rss = cpu+c, rss+r
	}
	return cpu, rss
}

// usageOf is usage of one process, 0 if it is gone.
func usageOf(pid int) (cpu, rss float64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	if len(f) < 22 {
		return 0, 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	pages, _ := strconv.ParseFloat(f[21], 64)
	return (user + system) / 100, pages * float64(os.Getpagesize()) / (1 << 20)
}
