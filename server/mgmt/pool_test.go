package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/server/mgmt/store"
)

// TestMain looks for goroutines that are left. memberlist does not wait for the last of its
// own, which end within a round of probes: so much time they get.
func TestMain(m *testing.M) {
	code := m.Run()
	for end := time.Now().Add(10 * time.Second); code == 0; {
		err := goleak.Find()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// memBricks are bricks that serve at once, without processes.
type memBricks struct {
	mu sync.Mutex
	on map[string]bool // guarded by mu; by path
	// answer is Ask; nil: nobody answers. Guarded by mu.
	answer func(path, method string, args json.RawMessage) (json.RawMessage, error)
}

func (b *memBricks) Want(specs []brickproc.Spec) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on = map[string]bool{}
	for _, s := range specs {
		b.on[s.Path] = true
	}
}

func (b *memBricks) StopStray(brickproc.Spec)             {}
func (b *memBricks) StopUnknown(string, []brickproc.Spec) {}
func (b *memBricks) Retry(string)                         {}
func (b *memBricks) Close()                               {}

func (b *memBricks) State(_ context.Context, path string) brickproc.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return brickproc.State{Online: b.on[path], PID: 1, Port: 49152}
}

func (b *memBricks) Started(ctx context.Context, path string) error {
	if !b.State(ctx, path).Online {
		return errors.New("not wanted")
	}
	return nil
}

func (b *memBricks) Ask(_ context.Context, path, method string, args json.RawMessage) (json.RawMessage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answer == nil {
		return nil, errors.New("a brick in memory answers nothing")
	}
	return b.answer(path, method, args)
}

func (b *memBricks) Gone(context.Context, string) error { return nil }

// testNode is a daemon in this process, with an address of its own.
type testNode struct {
	t      testing.TB
	host   string
	dir    string
	bricks *memBricks
	stop   func() error
}

// testNodes starts n daemons that are alone. Each test has a network of its own.
func testNodes(t *testing.T, net, n int) []*testNode {
	t.Helper()
	return testNodesIn(t, net, n, t.TempDir())
}

// testNodesIn is testNodes with their directories below dir.
func testNodesIn(t testing.TB, net, n int, dir string) []*testNode {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: bricks have trusted.* attributes")
	}
	out := make([]*testNode, n)
	var wg sync.WaitGroup
	for i := range out {
		out[i] = &testNode{t: t, host: fmt.Sprintf("127.%d.%d.%d", 100+os.Getpid()%100, net, i+1), dir: filepath.Join(dir, fmt.Sprint(i+1))}
		wg.Go(out[i].start)
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, n := range out {
			wg.Go(n.kill)
		}
		wg.Wait()
	})
	return out
}

// testPort is every test daemon's.
const testPort = 24107

func (n *testNode) start() {
	n.t.Helper()
	n.bricks = &memBricks{}
	ctx, cancel := context.WithCancel(context.Background()) // until kill
	ready, ended := make(chan struct{}), make(chan error, 1)
	var log io.Writer = io.Discard
	if testing.Verbose() {
		log = os.Stderr
	}
	cfg := Config{Address: n.host, Port: testPort, WorkDir: n.dir, RunDir: filepath.Join(n.dir, "run"), LogDir: n.dir, Version: "test",
		Log:    slog.New(slog.NewTextHandler(log, nil)).With("node", n.host),
		Bricks: func(brickproc.Config) Bricks { return n.bricks }, Ready: func() { close(ready) }}
	go func() { ended <- Run(ctx, cfg) }()
	select {
	case <-ready:
	case err := <-ended:
		n.t.Errorf("daemon %s: %v", n.host, err)
		ended <- nil
	}
	n.stop = func() error {
		cancel()
		return <-ended
	}
}

// kill ends the daemon; start may be called afterwards.
func (n *testNode) kill() {
	if n.stop == nil {
		return
	}
	if err := n.stop(); err != nil {
		n.t.Errorf("daemon %s ended with %v", n.host, err)
	}
	n.stop = nil
}

// do calls f with a connection to the daemon.
func (n *testNode) do(f func(context.Context, *mgmt.Client) error) error {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	c, err := mgmt.Dial(ctx, filepath.Join(n.dir, "run", SocketName))
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c)
}

func (n *testNode) probe(host string) (r *mgmt.ProbeReply, err error) {
	err = n.do(func(ctx context.Context, c *mgmt.Client) error {
		r, err = c.Probe(ctx, host)
		return err
	})
	return r, err
}

func (n *testNode) create(name string, replica int, bricks ...string) error {
	return n.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.Create(ctx, &mgmt.CreateReq{Name: name, Replica: replica, Bricks: bricks, Force: true})
		return err
	})
}

func (n *testNode) startVolume(name string) (warning string, err error) {
	err = n.do(func(ctx context.Context, c *mgmt.Client) error {
		r, err := c.Start(ctx, &mgmt.VolumeReq{Name: name})
		if err == nil {
			warning = r.Warning
		}
		return err
	})
	return warning, err
}

func (n *testNode) set(name, key, value string) error {
	return n.do(func(ctx context.Context, c *mgmt.Client) error {
		return c.Set(ctx, &mgmt.SetReq{Name: name, Options: []mgmt.Option{{Key: key, Value: value}}})
	})
}

func (n *testNode) detach(host string, force bool) error {
	return n.do(func(ctx context.Context, c *mgmt.Client) error {
		return c.Detach(ctx, &mgmt.DetachReq{Host: host, Force: force})
	})
}

// pool returns who is in the pool of n, as "host up voter", the last octets only.
func (n *testNode) pool() (out string) {
	var peers []mgmt.Peer
	err := n.do(func(ctx context.Context, c *mgmt.Client) (err error) {
		peers, err = c.Pool(ctx)
		return err
	})
	if err != nil {
		return err.Error()
	}
	for _, p := range peers {
		out += p.Host[strings.LastIndex(p.Host, ".")+1:]
		if !p.Connected {
			out += " down"
		}
		if p.Voter {
			out += " voter"
		}
		out += "; "
	}
	return strings.TrimSuffix(out, "; ")
}

func (n *testNode) volumes() (out []string) {
	n.do(func(ctx context.Context, c *mgmt.Client) error {
		list, err := c.Info(ctx, "")
		for _, v := range list {
			out = append(out, v.Name)
		}
		return err
	})
	return out
}

// brick is a brick of n with this name.
func (n *testNode) brick(name string) string { return n.host + ":" + filepath.Join(n.dir, name) }

// eventually polls until ok, which returns what is wrong, returns "".
func eventually(t *testing.T, ok func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		wrong := ok()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func wantPool(t *testing.T, n *testNode, want string) {
	t.Helper()
	eventually(t, func() string {
		if got := n.pool(); got != want {
			return fmt.Sprintf("pool of %s is %q, want %q", n.host, got, want)
		}
		return ""
	})
}

func mustProbe(t testing.TB, a *testNode, others ...*testNode) {
	t.Helper()
	for _, b := range others {
		if _, err := a.probe(b.host); err != nil {
			t.Fatalf("probe of %s: %v", b.host, err)
		}
	}
}

func TestProbeAndDetach(t *testing.T) {
	n := testNodes(t, 1, 4)
	a, b, c, other := n[0], n[1], n[2], n[3]
	if r, err := a.probe(a.host); err != nil || r.Code != 1 {
		t.Errorf("probe of itself = %+v, %v", r, err)
	}
	if _, err := a.probe("127.255.255.1"); err == nil || err.Error() != "Probe returned with Transport endpoint is not connected" {
		t.Errorf("probe of nobody = %v", err)
	}
	mustProbe(t, a, b, c)
	wantPool(t, a, "2 voter; 3 voter; 1 voter")
	wantPool(t, c, "1 voter; 2 voter; 3 voter")
	if r, err := b.probe(a.host); err != nil || r.Code != 2 || r.Message != fmt.Sprintf("Host %s port %d already in peer list", a.host, testPort) {
		t.Errorf("probe of a peer = %+v, %v", r, err)
	}
	if err := other.create("o", 1, other.brick("o")); err != nil {
		t.Fatal(err)
	}
	want := other.host + " is either already part of another cluster or having volumes configured"
	if _, err := a.probe(other.host); err == nil || err.Error() != want {
		t.Errorf("probe of a node with volumes = %v", err)
	}
	want = a.host + " is either already part of another cluster or having volumes configured"
	if _, err := other.probe(a.host); err == nil || err.Error() != want {
		t.Errorf("probe of a node with peers = %v", err)
	}
	if err := b.create("v", 1, c.brick("v")); err != nil {
		t.Fatal(err)
	}
	if err := a.detach(c.host, false); mgmt.ErrorCode(err) != mgmt.CodeHasBricks {
		t.Errorf("detach of a node with bricks = %v", err)
	}
	if err := a.detach(b.host, false); err != nil {
		t.Fatal(err)
	}
	wantPool(t, b, "2 voter")
	if v := b.volumes(); v != nil {
		t.Errorf("a detached node knows %v", v)
	}
	// Two nodes: one decides, so that the other may fail.
	eventually(t, func() string {
		if p := a.pool(); strings.Count(p, "voter") != 1 || strings.Contains(p, "2") {
			return "pool is " + p
		}
		return ""
	})
	mustProbe(t, c, b)
	wantPool(t, b, "1 voter; 3 voter; 2 voter")
	if !reflect.DeepEqual(b.volumes(), []string{"v"}) {
		t.Errorf("volumes of the new node: %v", b.volumes())
	}
}

// sameAtOnce creates one volume on bricks of three nodes at all three at once; one must succeed.
func sameAtOnce(t *testing.T, n []*testNode, name string) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() { errs[i] = n[i].create(name, 3, n[0].brick(name), n[1].brick(name), n[2].brick(name)) })
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else if !strings.Contains(err.Error(), "already") && !strings.Contains(err.Error(), "not available") {
			t.Errorf("the reason of a refusal: %v", err)
		}
	}
	if done != 1 {
		t.Fatalf("%d of three creations of one volume succeeded: %v", done, errs)
	}
}

func TestChangesAnywhere(t *testing.T) {
	n := testNodes(t, 2, 3)
	mustProbe(t, n[0], n[1], n[2])
	for i := range 10 {
		sameAtOnce(t, n, fmt.Sprint("same", i))
	}
	sameAtOnce(t, n, "same")
	if warning, err := n[1].startVolume("same"); err != nil || warning != "" {
		t.Fatalf("start = %q, %v", warning, err)
	}
	for _, m := range n {
		path := strings.SplitN(m.brick("same"), ":", 2)[1]
		if !m.bricks.State(t.Context(), path).Online {
			t.Errorf("brick of %s does not run after volume start", m.host)
		}
		id, err := getxattr(path, volumeIDAttr)
		if err != nil || len(id) != 16 {
			t.Errorf("volume id of the brick of %s: %x, %v", m.host, id, err)
		}
		r := (*mgmt.StatusReply)(nil)
		err = m.do(func(ctx context.Context, c *mgmt.Client) (err error) {
			r, err = c.Status(ctx, &mgmt.StatusReq{Name: "same"})
			return err
		})
		if err != nil || len(r.Volumes) != 1 || len(r.Volumes[0].Bricks) != 3 {
			t.Errorf("status at %s = %+v, %v", m.host, r, err)
		}
	}
}

func TestMajority(t *testing.T) {
	n := testNodes(t, 3, 3)
	mustProbe(t, n[0], n[1], n[2])
	if err := n[0].create("v", 3, n[0].brick("b"), n[1].brick("b"), n[2].brick("b")); err != nil {
		t.Fatal(err)
	}
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	n[0].kill()
	if warning, err := n[1].startVolume("v"); err != nil || !strings.Contains(warning, n[0].host+" is not connected") {
		t.Fatalf("start without one node = %q, %v", warning, err)
	}
	n[2].kill()
	err := n[1].set("v", "network.ping-timeout", "9")
	if err == nil || !strings.HasPrefix(err.Error(), "Quorum not met. Volume operation not allowed.") {
		t.Errorf("set without a majority = %v", err)
	}
	if !reflect.DeepEqual(n[1].volumes(), []string{"v"}) {
		t.Errorf("volumes without a majority: %v", n[1].volumes())
	}
	// Nor does a restart need one.
	n[1].kill()
	n[1].start()
	path := strings.SplitN(n[1].brick("b"), ":", 2)[1]
	eventually(t, func() string {
		if !n[1].bricks.State(t.Context(), path).Online {
			return "the brick does not run after a restart without a majority"
		}
		return ""
	})
	n[0].start()
	eventually(t, func() string {
		if err := n[0].set("v", "network.ping-timeout", "9"); err != nil {
			return fmt.Sprintf("set with a majority again: %v", err)
		}
		return ""
	})
	if !n[0].bricks.State(t.Context(), strings.SplitN(n[0].brick("b"), ":", 2)[1]).Online {
		t.Error("the node that was away has not started its brick")
	}
}

// TestProbeWithoutMajority: who cannot take a node in leaves it as it was.
func TestProbeWithoutMajority(t *testing.T) {
	n := testNodes(t, 10, 6)
	mustProbe(t, n[0], n[1], n[2])
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	n[1].kill()
	n[2].kill()
	if _, err := n[0].probe(n[3].host); err == nil || !strings.HasPrefix(err.Error(), "Quorum not met") {
		t.Errorf("probe without a majority = %v", err)
	}
	if p := n[3].pool(); p != "4 voter" {
		t.Errorf("the node that was probed: %s", p)
	}
	// A pool of two and the rest of a pool of three do not mix, whoever asks.
	mustProbe(t, n[4], n[3])
	n[1].start()
	wantPool(t, n[1], "1 voter; 3 down voter; 2 voter")
	for _, c := range [][2]*testNode{{n[0], n[4]}, {n[3], n[1]}} {
		want := c[1].host + " is either already part of another cluster or having volumes configured"
		if _, err := c[0].probe(c[1].host); err == nil || err.Error() != want {
			t.Errorf("probe of a member of another pool = %v", err)
		}
	}
}

// TestProbeEachOther: two nodes that probe each other at the same time end in one pool or
// none.
func TestProbeEachOther(t *testing.T) {
	n := testNodes(t, 11, 2)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range n {
		wg.Go(func() { _, errs[i] = n[i].probe(n[1-i].host) })
	}
	wg.Wait()
	if errs[0] != nil && errs[1] != nil {
		mustProbe(t, n[0], n[1]) // as they were told: try again
	}
	eventually(t, func() string {
		if a, b := n[0].pool(), n[1].pool(); strings.Count(a, ";") != 1 || strings.Count(b, ";") != 1 || strings.Contains(a+b, "down") {
			return fmt.Sprintf("pools %q and %q after probes with %v", a, b, errs)
		}
		return ""
	})
}

func TestServerQuorum(t *testing.T) {
	n := testNodes(t, 9, 3)
	mustProbe(t, n[0], n[1], n[2])
	for _, v := range []string{"v", "w"} {
		if err := n[0].create(v, 3, n[0].brick(v), n[1].brick(v), n[2].brick(v)); err != nil {
			t.Fatal(err)
		}
		if _, err := n[0].startVolume(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := n[0].set("v", "cluster.server-quorum-type", "server"); err != nil {
		t.Fatal(err)
	}
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	running := func(want string) {
		t.Helper()
		eventually(t, func() string {
			got := ""
			for _, v := range []string{"v", "w"} {
				if n[0].bricks.State(t.Context(), strings.SplitN(n[0].brick(v), ":", 2)[1]).Online {
					got += v
				}
			}
			if got != want {
				return fmt.Sprintf("bricks of %q run, want %q", got, want)
			}
			return ""
		})
	}
	n[1].kill()
	n[2].kill()
	running("w")
	n[1].start()
	running("vw")
}

func TestEnough(t *testing.T) {
	for _, c := range []struct {
		ratio      string
		alive, all int
		want       bool
	}{{"", 1, 1, true}, {"", 1, 2, false}, {"", 2, 3, true}, {"", 1, 3, false}, {"51", 1, 2, false}, {"50%", 1, 2, true}, {"100", 2, 3, false}, {"0", 1, 9, true}} {
		if got := enough(c.ratio, c.alive, c.all); got != c.want {
			t.Errorf("enough(%q, %d, %d) = %v", c.ratio, c.alive, c.all, got)
		}
	}
}

func TestRestoredFromBackup(t *testing.T) {
	n := testNodes(t, 4, 3)
	mustProbe(t, n[0], n[1], n[2])
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	n[2].kill()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(n[2].dir)); err != nil {
		t.Fatal(err)
	}
	n[2].start()
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	if err := n[0].create("v", 3, n[0].brick("b"), n[1].brick("b"), n[2].brick("b")); err != nil {
		t.Fatal(err)
	}
	n[2].kill()
	for _, name := range []string{"raft.db", "state.json", "pool.json"} {
		text, err := os.ReadFile(filepath.Join(backup, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(n[2].dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n[2].start()
	eventually(t, func() string {
		if v := n[2].volumes(); !reflect.DeepEqual(v, []string{"v"}) {
			return fmt.Sprintf("volumes of the restored node: %v", v)
		}
		return ""
	})
	if _, err := os.Stat(filepath.Join(n[2].dir, "raft.db.old")); err != nil {
		t.Errorf("the old log was not set aside: %v", err)
	}
	wantPool(t, n[2], "1 voter; 2 voter; 3 voter")
}

func TestLostState(t *testing.T) {
	n := testNodes(t, 5, 3)
	mustProbe(t, n[0], n[1], n[2])
	if err := n[0].create("v", 1, n[0].brick("b")); err != nil {
		t.Fatal(err)
	}
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	n[2].kill()
	for _, name := range []string{"raft.db", "state.json", "pool.json"} {
		if err := os.Remove(filepath.Join(n[2].dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	info := filepath.Join(n[2].dir, "gofsd.info")
	uuid, err := os.ReadFile(info)
	if err != nil || os.Remove(info) != nil {
		t.Fatal(err)
	}
	n[2].start()
	if _, err := n[0].probe(n[2].host); err == nil || !strings.Contains(err.Error(), "Write UUID=") {
		t.Errorf("probe of a node that has lost its identity = %v", err)
	}
	n[2].kill()
	if err := os.WriteFile(info, uuid, 0o600); err != nil {
		t.Fatal(err)
	}
	n[2].start()
	mustProbe(t, n[0], n[2])
	if v := n[2].volumes(); !reflect.DeepEqual(v, []string{"v"}) {
		t.Errorf("volumes of the node that was taken in anew: %v", v)
	}
	wantPool(t, n[2], "1 voter; 2 voter; 3 voter")
}

func TestDetachedWhileAway(t *testing.T) {
	n := testNodes(t, 6, 3)
	mustProbe(t, n[0], n[1], n[2])
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	n[2].kill()
	if err := n[0].detach(n[2].host, false); err != nil {
		t.Fatal(err)
	}
	n[2].start()
	wantPool(t, n[2], "3 voter")
	mustProbe(t, n[2], n[2])
	if err := n[2].create("own", 1, n[2].brick("own")); err != nil {
		t.Errorf("a detached node on its own: %v", err)
	}
}

func TestRecover(t *testing.T) {
	n := testNodes(t, 7, 3)
	mustProbe(t, n[0], n[1], n[2])
	if err := n[0].create("v", 1, n[0].brick("b")); err != nil {
		t.Fatal(err)
	}
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	recoverPool := func() error {
		return n[0].do(func(ctx context.Context, c *mgmt.Client) error { return c.Recover(ctx) })
	}
	if err := recoverPool(); err == nil {
		t.Error("recovered a pool that has a leader")
	}
	n[1].kill()
	n[2].kill()
	eventually(t, func() string {
		if err := recoverPool(); err != nil {
			return fmt.Sprintf("recover: %v", err)
		}
		return ""
	})
	if err := n[0].set("v", "network.ping-timeout", "9"); err != nil {
		t.Fatal(err)
	}
	if err := n[0].detach(n[2].host, true); err != nil {
		t.Errorf("detach of a node that is gone: %v", err)
	}
	// One that was not gone takes over what the recovered pool says.
	n[1].start()
	eventually(t, func() string {
		if err := n[1].set("v", "network.ping-timeout", "8"); err != nil {
			return fmt.Sprintf("set at a node that came back: %v", err)
		}
		return ""
	})
	eventually(t, func() string {
		if p := n[0].pool(); p != "2; 1 voter" {
			return "pool is " + p
		}
		return ""
	})
}

// hundredNodes makes a pool of a hundred nodes in this process, and a volume of 300 bricks
// that is started. Their state is in memory, or the disk's syncs are what is tested.
func hundredNodes(t testing.TB, net int) []*testNode {
	memory, err := os.MkdirTemp("/dev/shm", "gofs-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(memory) })
	n := testNodesIn(t, net, hundred, memory)
	var bricks []string
	for i := range 3 {
		for _, m := range n {
			bricks = append(bricks, m.brick(fmt.Sprintf("b%d", i)))
		}
	}
	mustProbe(t, n[0], n[1:]...)
	if err := n[1].create("big", 3, bricks...); err != nil {
		t.Fatal(err)
	}
	if _, err := n[hundred-1].startVolume("big"); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestHundredNodes(t *testing.T) {
	n := hundredNodes(t, 8)
	for _, m := range n {
		eventually(t, func() string {
			var v []mgmt.Volume
			err := m.do(func(ctx context.Context, c *mgmt.Client) (err error) {
				v, err = c.Info(ctx, "big")
				return err
			})
			if err != nil || len(v[0].Bricks) != 3*hundred || v[0].Status != string(store.Started) {
				return fmt.Sprintf("the volume at %s: %v", m.host, err)
			}
			return ""
		})
	}
	eventually(t, func() string {
		if voters := strings.Count(n[0].pool(), "voter"); voters != 5 {
			return fmt.Sprintf("%d voters, want 5", voters)
		}
		return ""
	})
}

// BenchmarkHundredNodes reports, for a pool of a hundred nodes with a volume of 300 bricks,
// what a node's daemon has in memory and on disk, and the time of a change.
func BenchmarkHundredNodes(b *testing.B) {
	n := hundredNodes(b, 12)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for i := 0; b.Loop(); i++ {
		if err := n[i%hundred].set("big", "user.k", fmt.Sprint(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(m.HeapAlloc+m.StackInuse)/hundred, "bytes/node")
	for _, name := range []string{"state.json", "raft.db"} {
		if st, err := os.Stat(filepath.Join(n[0].dir, name)); err == nil {
			b.ReportMetric(float64(st.Size()), name+"-bytes")
		}
	}
}
