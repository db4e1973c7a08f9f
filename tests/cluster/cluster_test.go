// Package cluster tests gofs from outside: daemons, bricks and mounts as processes of
// their own, bricks on XFS in loop devices, and what programs see when some of these
// are killed, frozen or full.
//
// Each test has a daemon on an address of its own and directories of its own, and ends
// only processes that it started. Waiting is asking again until a deadline.
package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/tests/copies"
)

var gofs string // the binary under test

var keepLogs = flag.String("logs", "", "copy the logs of tests that fail to this directory")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		fmt.Println("tests/cluster: needs root, for mounting; skipped")
		return 0
	}
	dir, err := os.MkdirTemp("", "gofsbin")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	gofs = filepath.Join(dir, "gofs")
	build := exec.Command("go", "build", "-o", gofs, "github.com/gofs/gofs/cmd/gofs")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("building gofs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A cluster is a daemon with one volume.
type cluster struct {
	t      *testing.T
	dir    string
	addr   string
	vol    string
	disks  []string // mount points of the bricks' filesystems
	bricks []string
	layout layout
	daemon *exec.Cmd
	mounts []*mounted
}

// layout is a volume's shape.
type layout struct {
	words  string // "replica 2 arbiter 1"
	bricks int
	data   func(i int) bool // brick i stores data; nil: all do
	set    int              // bricks per replica set, 0 or 1: none
	size   string           // of each disk
	heals  bool             // the heal daemon runs
}

var (
	arbiter     = layout{words: "replica 2 arbiter 1", bricks: 3, set: 3, data: func(i int) bool { return i%3 != 2 }}
	twoArbiters = layout{words: "replica 2 arbiter 1", bricks: 6, set: 3, data: func(i int) bool { return i%3 != 2 }}
	plain3      = layout{bricks: 3, set: 1}
	replica3    = layout{words: "replica 3", bricks: 3, set: 3}
)

var clusters atomic.Int32

// start makes disks, a daemon and a started volume "v".
func start(t *testing.T, lay layout) *cluster {
	t.Helper()
	// Not t.TempDir: its name is too long for a socket.
	dir, err := os.MkdirTemp("", "gc")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dir: dir, vol: "v", layout: lay, addr: fmt.Sprintf("127.%d.%d.1", 30+os.Getpid()%200, clusters.Add(1))}
	t.Cleanup(c.remove)
	os.Chmod(dir, 0o755)
	size := lay.size
	if size == "" {
		size = "2G"
	}
	for i := range lay.bricks {
		c.addDisk(i, size)
	}
	c.startDaemon()
	c.must(append(append([]string{"volume", "create", c.vol}, strings.Fields(lay.words)...), append(c.brickNames(), "force")...)...)
	if !lay.heals {
		c.must("volume", "set", c.vol, "cluster.self-heal-daemon", "off")
	}
	c.must("volume", "start", c.vol)
	return c
}

// addDisk makes an XFS filesystem in a file in memory, for brick i.
func (c *cluster) addDisk(i int, size string) {
	c.t.Helper()
	img := fmt.Sprintf("/dev/shm/%s-%d.img", filepath.Base(c.dir), i)
	mnt := fmt.Sprintf("%s/d%d", c.dir, i)
	c.sh("truncate -s %s %s && mkfs.xfs -q -f %[2]s && mkdir -p %s && mount -o loop,noatime,discard %[2]s %[3]s", size, img, mnt)
	c.disks = append(c.disks, mnt)
	c.bricks = append(c.bricks, mnt+"/b")
}

func (c *cluster) brickNames() []string {
	var names []string
	for _, b := range c.bricks {
		names = append(names, c.addr+":"+b)
	}
	return names
}

// remove ends everything: the daemon first, since it would start bricks again.
func (c *cluster) remove() {
	if c.t.Failed() {
		c.saveLogs()
	}
	for _, m := range c.mounts {
		m.end()
	}
	if c.daemon != nil {
		c.killDaemon()
	}
	files, _ := filepath.Glob(c.dir + "/run/vols/*/*.pid")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		var pid int
		if n, _ := fmt.Sscan(string(text), &pid); n == 1 && ours(pid) {
			syscall.Kill(pid, syscall.SIGKILL)
			syscall.Kill(pid, syscall.SIGCONT)
			eventually(30*time.Second, func() error { return alive(pid) })
		}
	}
	for i, d := range c.disks {
		err := eventually(10*time.Second, func() error { return syscall.Unmount(d, 0) })
		if err != nil {
			c.t.Errorf("%s cannot be unmounted: %v", d, err)
			syscall.Unmount(d, syscall.MNT_DETACH)
		}
		os.Remove(fmt.Sprintf("/dev/shm/%s-%d.img", filepath.Base(c.dir), i))
	}
	if mounts, _ := os.ReadFile("/proc/mounts"); strings.Contains(string(mounts), c.dir+"/") {
		c.t.Errorf("something is still mounted below %s", c.dir)
		return
	}
	os.RemoveAll(c.dir)
}

func (c *cluster) saveLogs() {
	logs, _ := filepath.Glob(c.dir + "/log/*.log")
	bricks, _ := filepath.Glob(c.dir + "/log/bricks/*.log")
	for _, f := range append(logs, bricks...) {
		text, _ := os.ReadFile(f)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "level=INFO") })
		if len(lines) > 0 {
			c.t.Logf("%s, without what is normal:\n%s", f, strings.Join(lines[max(0, len(lines)-12):], "\n"))
		}
		if *keepLogs != "" {
			name := strings.ReplaceAll(c.t.Name(), "/", "-") + "-" + filepath.Base(f)
			os.WriteFile(filepath.Join(*keepLogs, name), text, 0o644)
		}
	}
}

// ours reports whether pid runs the binary under test.
func ours(pid int) bool {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return exe == gofs
}

// alive is an error while pid runs.
func alive(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || bytes.Contains(stat, []byte(") Z ")) {
		return nil
	}
	return fmt.Errorf("process %d still runs", pid)
}

func (c *cluster) socket() string { return c.dir + "/run/gofsd.socket" }

func (c *cluster) startDaemon() {
	c.t.Helper()
	out, err := os.OpenFile(c.dir+"/daemon.out", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	c.daemon = exec.Command(gofs, "daemon", "--address", c.addr, "--workdir", c.dir+"/work", "--rundir", c.dir+"/run", "--logdir", c.dir+"/log")
	c.daemon.Stdout, c.daemon.Stderr = out, out
	c.daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.daemon.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.waitFor(20*time.Second, func() error { _, err := c.try("pool", "list"); return err })
}

// killDaemon kills the daemon and leaves its bricks alone.
func (c *cluster) killDaemon() {
	c.daemon.Process.Kill()
	c.daemon.Wait()
	c.daemon = nil
}

// try runs a command of the command line.
func (c *cluster) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, gofs, append([]string{"--glusterd-sock=" + c.socket(), "--mode=script"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("gofs %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func (c *cluster) must(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// sh runs a line of shell, which must succeed.
func (c *cluster) sh(format string, args ...any) string {
	c.t.Helper()
	out, err := shell(time.Minute, format, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func shell(limit time.Duration, format string, args ...any) (string, error) {
	line := fmt.Sprintf(format, args...)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out), nil
}

// brick is a brick's row in the status table.
type brick struct {
	Path   string `json:"path"`
	Online bool   `json:"online"`
	Port   int    `json:"port"`
	Pid    int    `json:"pid"`
	Reason string `json:"reason"`
}

// status returns what "volume status" says of each brick.
func (c *cluster) status() []brick {
	c.t.Helper()
	var answer struct {
		Result struct {
			Volumes []struct {
				Bricks []brick `json:"bricks"`
			} `json:"volumes"`
		} `json:"result"`
	}
	out := c.must("volume", "status", c.vol, "--json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Result.Volumes) != 1 {
		c.t.Fatalf("volume status --json: %v\n%s", err, out)
	}
	return answer.Result.Volumes[0].Bricks
}

// kill ends brick i without a word and returns its process.
func (c *cluster) kill(i int) int {
	c.t.Helper()
	pid := c.pid(i)
	syscall.Kill(pid, syscall.SIGKILL)
	return pid
}

// pid returns the process of brick i, which must run.
func (c *cluster) pid(i int) int {
	c.t.Helper()
	b := c.status()[i]
	if !b.Online || !ours(b.Pid) {
		c.t.Fatalf("brick %d does not run: %+v", i, b)
	}
	return b.Pid
}

// hold kills brick i and keeps it down, until the function it returns is called: its
// pid file's place is taken by nothing, but the daemon is frozen meanwhile.
func (c *cluster) hold(is ...int) (release func()) {
	c.t.Helper()
	var pids []int
	for _, i := range is {
		pids = append(pids, c.pid(i))
	}
	d := c.daemon.Process
	d.Signal(syscall.SIGSTOP)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	return func() { d.Signal(syscall.SIGCONT) }
}

// waitOnline waits until all bricks run.
func (c *cluster) waitOnline() {
	c.t.Helper()
	c.waitFor(20*time.Second, func() error {
		for _, b := range c.status() {
			if !b.Online || !ours(b.Pid) {
				return fmt.Errorf("brick %s is not online", b.Path)
			}
		}
		return nil
	})
}

// eventually tries until f succeeds, and returns its last error.
func eventually(limit time.Duration, f func() error) error {
	end := time.Now().Add(limit)
	for {
		err := f()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *cluster) waitFor(limit time.Duration, f func() error) {
	c.t.Helper()
	if err := eventually(limit, f); err != nil {
		c.t.Fatalf("after %v: %v", limit, err)
	}
}

// mounted is one mount.
type mounted struct {
	c    *cluster
	dir  string
	opts string
	pid  int
}

// mount mounts the volume (or what source says) once more.
func (c *cluster) mount(opts string) *mounted {
	c.t.Helper()
	m := &mounted{c: c, dir: fmt.Sprintf("%s/m%d", c.dir, len(c.mounts)), opts: opts}
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.mounts = append(c.mounts, m)
	m.attach("")
	return m
}

// attach mounts the volume, or a directory of it, at m.dir.
func (m *mounted) attach(subdir string) {
	m.c.t.Helper()
	opts := "log-file=" + m.c.dir + "/log/" + filepath.Base(m.dir) + ".log"
	if m.opts != "" {
		opts += "," + m.opts
	}
	cmd := exec.Command(gofs, "mount", "-o", opts, m.c.addr+":/"+m.c.vol+subdir, m.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.c.t.Fatalf("mount: %v: %s", err, out)
	}
	m.findPid()
}

// findPid finds the process that serves the mount.
func (m *mounted) findPid() {
	m.pid = 0
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range all {
		text, _ := os.ReadFile(f)
		args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if len(args) > 2 && args[0] == gofs && args[1] == "mount" && args[len(args)-1] == m.dir {
			fmt.Sscanf(f, "/proc/%d/", &m.pid)
		}
	}
	if m.pid == 0 {
		m.c.t.Fatalf("no process serves %s", m.dir)
	}
}

// umount unmounts as a person would and waits until the process is gone.
func (m *mounted) umount() {
	m.c.t.Helper()
	m.c.sh("umount %s", m.dir)
	m.c.waitFor(60*time.Second, func() error { return alive(m.pid) })
}

func (m *mounted) remount() {
	m.c.t.Helper()
	m.umount()
	m.attach("")
}

// end leaves nothing of the mount, whatever state it is in.
func (m *mounted) end() {
	if m.pid != 0 && ours(m.pid) {
		if err := syscall.Unmount(m.dir, 0); err != nil {
			syscall.Unmount(m.dir, syscall.MNT_DETACH)
			syscall.Kill(m.pid, syscall.SIGKILL)
		}
		eventually(5*time.Second, func() error { return alive(m.pid) })
		if ours(m.pid) {
			syscall.Kill(m.pid, syscall.SIGKILL)
		}
	}
	syscall.Unmount(m.dir, syscall.MNT_DETACH)
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

// pending returns what brick i says against brick j of its set about a file.
func (c *cluster) pending(i, j int, name string) copies.Marks {
	return copies.ReadMarks(filepath.Join(c.bricks[i], name), fmt.Sprintf("trusted.afr.%s-client-%d", c.vol, j))
}

func (c *cluster) dirty(i int, name string) copies.Marks {
	return copies.ReadMarks(filepath.Join(c.bricks[i], name), "trusted.afr.dirty")
}

// checkClean checks a volume that nothing happened to: the copies are equal, and there
// are no marks and nothing in the indices.
func (c *cluster) checkClean() {
	c.t.Helper()
	err := eventually(8*time.Second, c.unclean)
	if err != nil {
		c.t.Errorf("after all that, without faults: %v", err)
	}
}

// unclean says what is not as it should be on the bricks.
func (c *cluster) unclean() error {
	var errs []error
	for set := range slices.Chunk(c.copies(), max(c.layout.set, 1)) {
		errs = append(errs, copies.Differ(set, false))
	}
	return errors.Join(errs...)
}

// copies are the bricks.
func (c *cluster) copies() (out []copies.Brick) {
	for i, dir := range c.bricks {
		out = append(out, copies.Brick{Dir: dir, Arbiter: c.layout.data != nil && !c.layout.data(i)})
	}
	return out
}

// sameData compares the contents of the copies on the data bricks.
func (c *cluster) sameData(rel string) {
	c.t.Helper()
	var first []byte
	var from int = -1
	for i, b := range c.bricks {
		if c.layout.data != nil && !c.layout.data(i) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(b, rel))
		if err != nil {
			c.t.Error(err)
		} else if from < 0 {
			first, from = data, i
		} else if !bytes.Equal(first, data) {
			c.t.Errorf("%s differs on bricks %d and %d", rel, from, i)
		}
	}
}
