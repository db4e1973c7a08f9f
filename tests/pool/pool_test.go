// Package pool tests pools of several daemons from outside: processes in network
// namespaces of their own, one per node and one for a client, on a bridge in another.
//
// Each test makes its own namespaces and removes them, and ends only processes that it
// started. Waiting is asking again until a deadline.
package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var gofs string // the binary under test

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		fmt.Println("tests/pool: needs root, for namespaces and mounting; skipped")
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

// A pool is some nodes that can be cut from each other, with a client.
type pool struct {
	t     *testing.T
	name  string // of the namespaces
	net   network
	dir   string
	nodes []*node
	mnt   string // mount point of the client, once mounted
}

// A node is a machine: a namespace with an address, a daemon and its bricks.
type node struct {
	p      *pool
	number int
	addr   string
	ns     string
	daemon *exec.Cmd
	env    []string // of the daemon, besides this process's
	frozen bool
}

var pools atomic.Int32

// A network is how the nodes of a pool are numbered.
type network struct {
	addr string // of a node, by its number
	rest string // what "ip addr add" wants behind an address
	all  bool   // daemons listen on all addresses, as they do unless told otherwise
}

var (
	ipv4 = network{addr: "10.99.0.%d", rest: "/24"}
	ipv6 = network{addr: "fd00:99::%d", rest: "/64 nodad"} // at once, without asking around who else has it
)

// newPool makes n nodes, whose daemons are alone, and a client.
func newPool(t *testing.T, n int) *pool {
	t.Helper()
	return newPoolIn(t, ipv4, n)
}

// newPoolIn is newPool in a certain network.
func newPoolIn(t *testing.T, in network, n int) *pool {
	t.Helper()
	dir, err := os.MkdirTemp("", "gp") // not t.TempDir: its name is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{t: t, net: in, dir: dir, name: fmt.Sprintf("gofs%d-%d", os.Getpid(), pools.Add(1))}
	t.Cleanup(p.remove)
	p.sh("ip netns add %s-sw && ip -n %[1]s-sw link add sw0 type bridge && ip -n %[1]s-sw link set sw0 up", p.name)
	for i := range n {
		p.nodes = append(p.nodes, p.join(i+1))
	}
	p.join(100)
	for _, n := range p.nodes {
		n.start()
	}
	return p
}

// join makes a namespace with an address on the bridge.
func (p *pool) join(number int) *node {
	p.t.Helper()
	n := &node{p: p, number: number, addr: fmt.Sprintf(p.net.addr, number), ns: fmt.Sprintf("%s-%d", p.name, number)}
	p.sh("ip netns add %[1]s && ip -n %[1]s link set lo up && ip -n %[1]s link add eth0 type veth peer name v%[2]d netns %[3]s-sw && ip -n %[3]s-sw link set v%[2]d master sw0 up && ip -n %[1]s addr add %[4]s%[5]s dev eth0 && ip -n %[1]s link set eth0 up",
		n.ns, number, p.name, n.addr, p.net.rest)
	return n
}

// sh runs a shell command that must succeed.
func (p *pool) sh(format string, a ...any) {
	p.t.Helper()
	if out, err := exec.Command("bash", "-c", fmt.Sprintf(format, a...)).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", fmt.Sprintf(format, a...), err, out)
	}
}

// remove ends everything.
func (p *pool) remove() {
	if p.t.Failed() {
		p.t.Logf("log of the mount:\n%s", tail(p.dir+"/mnt.log"))
		for _, n := range p.nodes {
			p.t.Logf("log of node %d:\n%s", n.number, tail(n.path("log/gofsd.log")))
		}
	}
	if p.mnt != "" {
		exec.Command("umount", "-l", p.mnt).Run()
	}
	for _, n := range p.nodes {
		n.kill()
		for _, pid := range n.brickPids() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	spaces, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(spaces)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, p.name+"-") {
			exec.Command("ip", "netns", "del", name).Run()
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := os.RemoveAll(p.dir); err == nil || time.Now().After(end) {
			return
		}
	}
}

// tail returns the last lines of a file.
func tail(path string) string {
	text, _ := os.ReadFile(path)
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// path is a file of the node.
func (n *node) path(name string) string {
	return filepath.Join(n.p.dir, strconv.Itoa(n.number), name)
}

// in returns a command in a namespace.
func in(ctx context.Context, ns string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + ns}, args...)...)
}

// start starts the daemon.
func (n *node) start() {
	n.p.t.Helper()
	n.begin()
	n.p.eventually(20*time.Second, func() string {
		if out, _, err := n.try("pool", "list"); err != nil {
			return fmt.Sprintf("daemon %d does not answer: %v %s", n.number, err, out)
		}
		return ""
	})
}

// begin starts the daemon and does not wait for it.
func (n *node) begin() {
	n.p.t.Helper()
	os.MkdirAll(n.path("bricks"), 0o755)
	args := []string{gofs, "daemon", "--workdir", n.path("work"), "--rundir", n.path("run"), "--logdir", n.path("log")}
	if !n.p.net.all {
		args = append(args, "--address", n.addr)
	}
	n.daemon = in(context.Background(), n.ns, args...)
	out, err := os.OpenFile(n.path("out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.p.t.Fatal(err)
	}
	defer out.Close()
	n.daemon.Env = append(os.Environ(), n.env...)
	n.daemon.Stdout, n.daemon.Stderr = out, out
	n.daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := n.daemon.Start(); err != nil {
		n.p.t.Fatal(err)
	}
}

// kill ends the daemon at once; bricks go on.
func (n *node) kill() {
	if n.daemon == nil {
		return
	}
	n.daemon.Process.Kill()
	n.daemon.Wait()
	n.daemon, n.frozen = nil, false
}

func (n *node) freeze() { n.signal(syscall.SIGSTOP); n.frozen = true }
func (n *node) thaw()   { n.signal(syscall.SIGCONT); n.frozen = false }

func (n *node) signal(s syscall.Signal) {
	if n.daemon != nil {
		n.daemon.Process.Signal(s)
	}
}

// cut drops what the daemon of n sends to others, and the answers to what they send;
// bricks and mounts go on.
func (n *node) cut() { n.rules("add") }

// uncut undoes cut.
func (n *node) uncut() { n.rules("del") }

func (n *node) rules(verb string) {
	n.p.t.Helper()
	n.p.sh("for p in tcp udp; do for d in sport dport; do ip -n %s rule %s ipproto $p $d 24007 blackhole; done; done", n.ns, verb)
}

// brickPids are the processes of its bricks and its heal daemon.
func (n *node) brickPids() (out []int) {
	files, _ := filepath.Glob(n.path("run/vols/*/*.pid"))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); strings.HasPrefix(exe, gofs) {
				out = append(out, pid)
			}
		}
	}
	return out
}

// try gives an order at the node, and returns what was printed and how long it took.
func (n *node) try(args ...string) (string, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	begin := time.Now()
	out, err := exec.CommandContext(ctx, gofs, append([]string{"--gofsd-sock=" + n.path("run/gofsd.socket"), "--mode=script"}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), time.Since(begin), err
}

// must gives an order that must succeed.
func (n *node) must(args ...string) string {
	n.p.t.Helper()
	out, _, err := n.try(args...)
	if err != nil {
		n.p.t.Fatalf("node %d: gofs %s: %v\n%s", n.number, strings.Join(args, " "), err, out)
	}
	return out
}

// eventually asks ok, which returns what is wrong, until it returns "".
func (p *pool) eventually(limit time.Duration, ok func() string) {
	p.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		wrong := ok()
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			p.t.Fatal(wrong)
		}
	}
}

// probeAll makes the nodes one pool.
func (p *pool) probeAll() {
	p.t.Helper()
	for _, n := range p.nodes[1:] {
		p.nodes[0].must("peer", "probe", n.addr)
	}
	p.connected()
}

// connected waits until every node says that all are connected.
func (p *pool) connected() {
	p.t.Helper()
	for _, n := range p.nodes {
		p.eventually(30*time.Second, func() string {
			out, _, err := n.try("pool", "list")
			if err != nil || strings.Count(out, "\tConnected") != len(p.nodes) {
				return fmt.Sprintf("node %d: %v\n%s", n.number, err, out)
			}
			return ""
		})
	}
}

// create makes and starts replica 2 arbiter 1 on the first three nodes.
func (p *pool) create(vol string) {
	p.t.Helper()
	args := []string{"volume", "create", vol, "replica", "2", "arbiter", "1"}
	for _, n := range p.nodes[:3] {
		args = append(args, n.addr+":"+n.path("bricks/"+vol))
	}
	p.nodes[0].must(append(args, "force")...)
	p.nodes[1].must("volume", "start", vol)
}

// mount mounts a volume at the client.
func (p *pool) mount(vol string) {
	p.t.Helper()
	p.mountFrom(p.nodes[0].addr + "," + p.nodes[1].addr + "," + p.nodes[2].addr + ":/" + vol)
}

// mountFrom mounts what source says at the client.
func (p *pool) mountFrom(source string) {
	p.t.Helper()
	p.mnt = filepath.Join(p.dir, "mnt")
	os.Mkdir(p.mnt, 0o755)
	helper := filepath.Join(p.dir, "mount.gofs")
	os.Symlink(gofs, helper)
	out, err := in(p.t.Context(), p.name+"-100", helper, source, p.mnt, "-o", "log-file="+p.dir+"/mnt.log").CombinedOutput()
	if err != nil {
		p.t.Fatalf("mount: %v\n%s", err, out)
	}
}

// leader is the node that leads, as node n sees it; nil if there is none.
func (n *node) leader() *node {
	out, _, err := n.try("--json", "pool", "list")
	var r struct {
		Result []struct {
			Hostname string
			Leader   bool
		}
	}
	if err != nil || json.Unmarshal([]byte(out), &r) != nil {
		return nil
	}
	for _, peer := range r.Result {
		for _, m := range n.p.nodes {
			if peer.Leader && peer.Hostname == m.addr {
				return m
			}
		}
	}
	return nil
}

func TestThreeServersAndAClient(t *testing.T) {
	p := newPool(t, 3)
	p.probeAll()
	p.create("vol")
	p.mount("vol")
	if err := os.WriteFile(p.mnt+"/gluster.txt", []byte("GlusterFS ist cool\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{19, 19, 0} {
		st, err := os.Stat(p.nodes[i].path("bricks/vol/gluster.txt"))
		if err != nil || st.Size() != want {
			t.Errorf("the file on brick %d: %v, %v, want %d bytes", i+1, st, err, want)
		}
	}
	p.nodes[2].showsBricks(3)
}

// showsBricks waits until the node's status shows so many bricks as online: a status leaves
// out nodes that do not answer at once, which on a busy machine may be any.
func (n *node) showsBricks(want int) {
	n.p.t.Helper()
	n.p.eventually(10*time.Second, func() string {
		if status := n.must("volume", "status", "vol"); running(status) != want {
			return fmt.Sprintf("status at node %d:\n%s", n.number, status)
		}
		return ""
	})
}

// TestOptionsReachTheMount: an option set anywhere reaches running mounts, also after the
// server that the mount watched has died.
func TestOptionsReachTheMount(t *testing.T) {
	p := newPool(t, 3)
	p.probeAll()
	p.create("vol")
	p.mount("vol")
	write := func() error { return os.WriteFile(p.mnt+"/f", []byte("x"), 0o644) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"all servers are there", "the first is killed", "the second is frozen"} {
		switch how[4:9] {
		case "first":
			p.nodes[0].kill()
		case "secon":
			p.nodes[0].start()
			p.connected()
			p.nodes[1].freeze()
		}
		for _, value := range []string{"on", "off"} {
			p.nodes[2].must("volume", "set", "vol", "features.read-only", value)
			p.eventually(10*time.Second, func() string {
				if err := write(); (err == nil) != (value == "off") {
					return fmt.Sprintf("with features.read-only %s a write gives %v; %s", value, err, how)
				}
				return ""
			})
		}
	}
}

// TestLeaderDiesDuringStart: whoever was told that a volume is started is right, whatever
// happens to the node that decided it.
func TestLeaderDiesDuringStart(t *testing.T) {
	p := newPool(t, 3)
	p.probeAll()
	for round, pause := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond} {
		vol := fmt.Sprintf("v%d", round)
		args := []string{"volume", "create", vol, "replica", "3"}
		for _, n := range p.nodes {
			args = append(args, n.addr+":"+n.path("bricks/"+vol))
		}
		p.nodes[0].must(append(args, "force")...)
		var leader *node
		p.eventually(10*time.Second, func() string {
			if leader = p.nodes[0].leader(); leader == nil {
				return "no leader"
			}
			return ""
		})
		other := p.nodes[leader.number%3]
		var out string
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			out, _, err = other.try("volume", "start", vol)
		}()
		time.Sleep(pause)
		leader.kill()
		<-done
		if err != nil {
			t.Errorf("start with the leader killed after %v: %v %s", pause, err, out)
		}
		leader.start()
		p.eventually(20*time.Second, func() string {
			for _, n := range p.nodes {
				if status, _, err := n.try("volume", "status", vol); err != nil || running(status) != 3 {
					return fmt.Sprintf("leader killed after %v; at node %d: %v\n%s", pause, n.number, err, status)
				}
			}
			return ""
		})
	}
}

// running counts the bricks that a status shows as online.
func running(status string) (n int) {
	for line := range strings.Lines(status) {
		// A long name is on a line of its own, before its columns.
		if !strings.HasPrefix(line, "Self-heal") && strings.Contains(line, " Y ") {
			n++
		}
	}
	return n
}
