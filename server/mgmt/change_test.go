package mgmt

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/brickid"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// asked plays the brick processes of a node while its volumes' bricks are changed.
type asked struct {
	mu     sync.Mutex
	blames map[string][]mgmt.Blame // guarded by mu; by name of the brick's directory
	older  []string                // guarded by mu; clients of every brick that have an old graph
	graph  uint64                  // guarded by mu; that all bricks have heard of
	refuse string                  // guarded by mu; why nothing is marked
	silent bool                    // guarded by mu; nobody says which clients there are
	marks  []string                // guarded by mu; "a v-client-2": a was told that v-client-2 has nothing
}

func (a *asked) answer(path, method string, args json.RawMessage) (json.RawMessage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := filepath.Base(path)
	switch method {
	case mgmt.AskBlame:
		return json.Marshal(mgmt.BlameReport{Inodes: a.blames[name]})
	case mgmt.AskMissed:
		if a.refuse != "" {
			return nil, mgmt.Errorf("%s", a.refuse)
		}
		var q mgmt.MissedAsk
		err := json.Unmarshal(args, &q)
		a.marks = append(a.marks, name+" "+q.Brick)
		return json.RawMessage("{}"), err
	case mgmt.AskGraph:
		if a.silent {
			return nil, context.DeadlineExceeded
		}
		return json.Marshal(mgmt.GraphReport{Graph: a.graph, Older: a.older})
	}
	return nil, mgmt.Errorf("%s was not expected", method)
}

func (a *asked) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// changing starts a node with a started volume v of bricks a, b, c.
func changing(t *testing.T, net, replica, arbiter int) (*testNode, *asked) {
	t.Helper()
	n := testNodes(t, net, 1)[0]
	bricks := []string{n.brick("a"), n.brick("b"), n.brick("c")}[:replica]
	err := n.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.Create(ctx, &mgmt.CreateReq{Name: "v", Replica: replica, Arbiter: arbiter, Bricks: bricks, Force: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.startVolume("v"); err != nil {
		t.Fatal(err)
	}
	a := &asked{blames: map[string][]mgmt.Blame{}}
	n.use(a)
	return n, a
}

func (n *testNode) use(a *asked) {
	n.bricks.mu.Lock()
	defer n.bricks.mu.Unlock()
	n.bricks.answer = func(path, method string, args json.RawMessage) (json.RawMessage, error) {
		if !n.bricks.on[path] {
			return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "the brick is not running"}
		}
		return a.answer(path, method, args)
	}
}

// running lists the bricks that run, by directory.
func (n *testNode) running() string {
	n.bricks.mu.Lock()
	defer n.bricks.mu.Unlock()
	var out []string
	for path, on := range n.bricks.on {
		if on && path != "heald" {
			out = append(out, filepath.Base(path))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// layout is the volume's bricks with their IDs.
func (n *testNode) layout(t *testing.T) string {
	t.Helper()
	var out []string
	err := n.do(func(ctx context.Context, c *mgmt.Client) error {
		list, err := c.Info(ctx, "v")
		for _, b := range list[0].Bricks {
			out = append(out, filepath.Base(b.Path)+" "+b.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, ", ")
}

func (n *testNode) want(t *testing.T, layout, running string) {
	t.Helper()
	if got := n.layout(t); got != layout {
		t.Errorf("bricks are %s, want %s", got, layout)
	}
	eventually(t, func() string {
		if got := n.running(); got != running {
			return "running are " + got + ", want " + running
		}
		return ""
	})
}

func (n *testNode) replace(what, old, fresh string, force bool) error {
	return n.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.Replace(ctx, &mgmt.ReplaceReq{Name: "v", What: what, Brick: n.brick(old), New: n.brick(fresh), Force: force})
		return err
	})
}

func (n *testNode) add(replica int, bricks ...string) error {
	for i := range bricks {
		bricks[i] = n.brick(bricks[i])
	}
	return n.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.AddBricks(ctx, &mgmt.AddReq{Name: "v", Replica: replica, Bricks: bricks, Force: true})
		return err
	})
}

func (n *testNode) remove(replica int, bricks ...string) error {
	for i := range bricks {
		bricks[i] = n.brick(bricks[i])
	}
	return n.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.RemoveBricks(ctx, &mgmt.RemoveReq{Name: "v", What: "force", Replica: replica, Bricks: bricks})
		return err
	})
}

func wantRefusal(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

func TestReplaceBrick(t *testing.T) {
	n, a := changing(t, 20, 3, 0)
	if err := n.replace("replace", "b", "new", true); err != nil {
		t.Fatal(err)
	}
	n.want(t, "a v-client-0, new v-client-1, c v-client-2", "a c new")
	if got := strings.Join(a.marks, ", "); got != "a v-client-1, c v-client-1" {
		t.Errorf("marked were %s", got)
	}
	dir := filepath.Join(n.dir, "new")
	for name, want := range map[string]string{"trusted.afr.dirty": "000000000001", "trusted.afr.v-client-1": "000100010001"} {
		got, err := getxattr(dir, name)
		text := ""
		for _, b := range got {
			text += string('0' + b)
		}
		if text != want || err != nil {
			t.Errorf("%s of the new brick is %s, %v", name, text, err)
		}
	}
	if id, err := brickid.Read(dir); id != "v-client-1#1" || err != nil {
		t.Errorf("the new brick is %q, %v", id, err)
	}
	if _, err := os.Stat(filepath.Join(n.dir, "b", ".glusterfs")); err != nil {
		t.Errorf("the old brick's directory: %v", err)
	}
}

// What fails on the way leaves all as it was.
func TestReplaceThatFails(t *testing.T) {
	n, a := changing(t, 21, 3, 0)
	a.set(func() { a.refuse = "the disk is full" })
	wantRefusal(t, n.replace("replace", "b", "new", true), "does not record what the new brick misses: the disk is full")
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a b c")
	if _, err := os.Stat(filepath.Join(n.dir, "new")); !os.IsNotExist(err) {
		t.Errorf("the new directory is left: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(n.dir, "full", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, n.replace("replace", "b", "full", true), "holds x: a brick that is to be filled has to be empty")
	if _, err := getxattr(filepath.Join(n.dir, "full"), volumeIDAttr); err != unix.ENODATA {
		t.Errorf("a refused directory was marked: %v", err)
	}
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a b c")
}

// The only good copy is not given away, whatever the words.
func TestOnlyGoodCopy(t *testing.T) {
	n, a := changing(t, 22, 3, 1)
	a.set(func() { a.blames["c"] = []mgmt.Blame{{GFID: "g", Bricks: []string{"v-client-0"}}} })
	const only = "The only good copy of 1 or more files would go: what stays has missed changes of them; wait until they are healed: gofs volume heal v info"
	wantRefusal(t, n.replace("replace", "b", "new", true), only)
	wantRefusal(t, n.replace("start", "b", "b", false), only)
	wantRefusal(t, n.remove(1, "b", "c"), only)
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a b c")
	// That copy which missed something may go, and so may the arbiter.
	if err := n.replace("replace", "a", "new", true); err != nil {
		t.Error(err)
	}
	if err := n.replace("replace", "c", "arbiter", true); err != nil {
		t.Error(err)
	}
	n.want(t, "new v-client-0, b v-client-1, arbiter v-client-2", "arbiter b new")
	// With one data brick stopped the other is the only one.
	if err := n.replace("start", "new", "new", false); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, n.replace("start", "b", "b", false), "No other brick of the same replica set that holds data is running")
}

func TestOnlyCopies(t *testing.T) {
	report := func(more bool, blames ...mgmt.Blame) *mgmt.BlameReport {
		return &mgmt.BlameReport{Inodes: blames, More: more}
	}
	x := mgmt.Blame{GFID: "1", Bricks: []string{"x"}}
	y := mgmt.Blame{GFID: "1", Bricks: []string{"y"}}
	other := mgmt.Blame{GFID: "2", Bricks: []string{"y"}}
	for _, c := range []struct {
		name    string
		reports []*mgmt.BlameReport
		n       int
		more    bool
	}{
		{"nobody accuses", []*mgmt.BlameReport{report(false), nil, report(false)}, 0, false},
		{"one of two is accused", []*mgmt.BlameReport{report(false, x), nil}, 0, false},
		{"different inodes", []*mgmt.BlameReport{report(false, x, other)}, 0, false},
		{"both are, by different bricks", []*mgmt.BlameReport{report(false, x), report(false, y)}, 1, false},
		{"too many", []*mgmt.BlameReport{report(true, x)}, 0, true},
	} {
		if n, more := onlyCopies(c.reports, []string{"x", "y"}); n != c.n || more != c.more {
			t.Errorf("%s: %d, %v", c.name, n, more)
		}
	}
}

func TestResetBrick(t *testing.T) {
	n, a := changing(t, 23, 3, 0)
	wantRefusal(t, n.replace("commit", "b", "b", false), "Source brick must be stopped. Please use gofs volume reset-brick <volname> <dst-brick> start.")
	if err := n.replace("start", "b", "", false); err != nil {
		t.Fatal(err)
	}
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a c")
	wantRefusal(t, n.replace("commit", "b", "d", false), "When destination brick is new, please use gofs volume replace-brick")
	wantRefusal(t, n.replace("commit", "b", "b", false), "Brick not available.It may be containing or be contained by an existing brick.Use 'force' option to override this.")
	n.kill()
	n.start()
	n.use(a)
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a c") // it is remembered
	if err := n.replace("commit", "b", "b", true); err != nil {
		t.Fatal(err)
	}
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a b c")
	if got := strings.Join(a.marks, ", "); got != "a v-client-1, c v-client-1" {
		t.Errorf("marked were %s", got)
	}
	// volume start force brings it back as well, as it was.
	if err := n.replace("start", "b", "", false); err != nil {
		t.Fatal(err)
	}
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a c")
	err := n.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.Start(ctx, &mgmt.VolumeReq{Name: "v", Force: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a b c")
}

// withNew is the layout with a third brick.
const withNew = "a v-client-0, b v-client-1, new v-client-2"

// adding adds that brick, and returns when the volume has it. What came of it is sent when it runs.
func (n *testNode) adding(t *testing.T) <-chan error {
	t.Helper()
	added := make(chan error, 1)
	go func() { added <- n.add(3, "new") }()
	eventually(t, func() string {
		if n.layout(t) != withNew {
			return "the brick is not added"
		}
		return ""
	})
	return added
}

// A new brick runs when no client is left that would not blame it.
func TestAddedBrickWaitsForClients(t *testing.T) {
	n, a := changing(t, 24, 2, 0)
	a.set(func() { a.older = []string{"host-1-v-client-0"} })
	added := n.adding(t)
	a.set(func() { a.graph = 1 })
	if got := n.running(); got != "a b" {
		t.Errorf("running are %s", got)
	}
	if got := strings.Join(a.marks, ", "); got != "a v-client-2, b v-client-2" {
		t.Errorf("marked were %s", got)
	}
	a.set(func() { a.older = nil })
	if err := <-added; err != nil {
		t.Error(err)
	}
	n.want(t, withNew, "a b new")
}

// A brick whose process runs and does not answer may have such clients.
func TestAddedBrickWaitsForSilentBrick(t *testing.T) {
	n, a := changing(t, 28, 2, 0)
	a.set(func() { a.silent, a.graph = true, 1 })
	added := n.adding(t)
	if got := n.running(); got != "a b" {
		t.Errorf("running are %s", got)
	}
	a.set(func() { a.silent = false })
	if err := <-added; err != nil {
		t.Error(err)
	}
	n.want(t, withNew, "a b new")
}

func TestReplicaCounts(t *testing.T) {
	n, a := changing(t, 25, 3, 0)
	a.set(func() { a.graph = 100 })
	quorum := func(count string) {
		t.Helper()
		err := n.do(func(ctx context.Context, c *mgmt.Client) error {
			return c.Set(ctx, &mgmt.SetReq{Name: "v", Options: []mgmt.Option{{Key: "cluster.quorum-type", Value: "fixed"}, {Key: "cluster.quorum-count", Value: count}}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	quorum("3") // which no client could ever have after that
	wantRefusal(t, n.remove(2, "c"), "cluster.quorum-count 3 is more than the 2 copies")
	quorum("2")
	if err := n.remove(2, "c"); err != nil {
		t.Fatal(err)
	}
	n.want(t, "a v-client-0, b v-client-1", "a b")
	if err := os.Mkdir(filepath.Join(n.dir, "c", ".glusterfs", "00"), 0o700); err != nil { // as a brick that has run
		t.Fatal(err)
	}
	wantRefusal(t, n.add(3, "c"), "holds .glusterfs/00: a brick that is to be filled has to be empty")
	if err := n.add(4, "d", "e"); err != nil {
		t.Fatal(err)
	}
	// A number is not given again: marks against the old brick must not mean the new one.
	n.want(t, "a v-client-0, b v-client-1, d v-client-3, e v-client-4", "a b d e")
	if err := n.remove(1, "a", "b", "e"); err != nil {
		t.Fatal(err)
	}
	n.want(t, "d v-client-3", "d")
}

// A daemon that died while it held bricks lets them go when it is back.
func TestDaemonDiesWithinAnOrder(t *testing.T) {
	n, _ := changing(t, 26, 3, 0)
	var uuid string
	err := n.do(func(ctx context.Context, c *mgmt.Client) error {
		self, err := c.Node(ctx)
		uuid = self.UUID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n.kill()
	s, err := store.Open(t.Context(), store.Config{Dir: n.dir, Node: uuid, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	v := s.State().Volumes["v"]
	after := slices.Clone(v.Bricks)
	after[1].Held = uuid + "/of an earlier run"
	_, err = s.Do(&store.Command{ChangeBricks: &store.ChangeBricks{Name: "v", ID: v.ID, Before: v.Bricks, After: after, Replica: 3}})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	n.start()
	n.want(t, "a v-client-0, b v-client-1, c v-client-2", "a b c")
}

// A brick whose node is dead is replaced; nobody knows whether clients still reach it, so that
// the new one waits until the other bricks have none that do not know of it.
func TestReplaceOfADeadNodesBrick(t *testing.T) {
	n := testNodes(t, 27, 3)
	mustProbe(t, n[0], n[1], n[2])
	wantPool(t, n[0], "2 voter; 3 voter; 1 voter")
	if err := n[0].create("v", 3, n[0].brick("a"), n[1].brick("b"), n[2].brick("c")); err != nil {
		t.Fatal(err)
	}
	if _, err := n[0].startVolume("v"); err != nil {
		t.Fatal(err)
	}
	a := &asked{older: []string{"client"}}
	n[0].use(a)
	n[1].use(a)
	n[2].kill()
	eventually(t, func() string {
		if p := n[0].pool(); p != "2 voter; 3 down voter; 1 voter" {
			return "pool is " + p
		}
		return ""
	})
	replaced := make(chan error, 1)
	go func() {
		replaced <- n[0].do(func(ctx context.Context, c *mgmt.Client) error {
			_, err := c.Replace(ctx, &mgmt.ReplaceReq{Name: "v", What: "replace", Brick: n[2].brick("c"), New: n[1].brick("new"), Force: true})
			return err
		})
	}()
	eventually(t, func() string {
		if got := n[1].layout(t); got != "a v-client-0, b v-client-1, new v-client-2" {
			return "bricks are " + got
		}
		return ""
	})
	a.set(func() { a.graph = 1 })
	if got := n[1].running(); got != "b" {
		t.Errorf("running on the new brick's node are %s", got)
	}
	a.set(func() { a.older = nil })
	if err := <-replaced; err != nil {
		t.Error(err)
	}
	n[1].want(t, "a v-client-0, b v-client-1, new v-client-2", "b new")
	if err := n[0].detach(n[2].host, true); err != nil {
		t.Errorf("the dead node cannot be detached: %v", err)
	}
}
