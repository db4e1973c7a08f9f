package mgmt

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofs/gofs/protocol/mgmt"
)

// answering makes the node's bricks answer f.
func (n *testNode) answering(f func(path, method string, args json.RawMessage) (json.RawMessage, error)) {
	n.bricks.mu.Lock()
	defer n.bricks.mu.Unlock()
	n.bricks.answer = f
}

// fixed answers everything with body.
func fixed(body string) func(string, string, json.RawMessage) (json.RawMessage, error) {
	return func(string, string, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(body), nil }
}

// twoNodes makes a pool of two with a started volume that has a brick on each.
func twoNodes(t *testing.T, net int) (a, b *testNode) {
	t.Helper()
	n := testNodes(t, net, 2)
	a, b = n[0], n[1]
	mustProbe(t, a, b)
	if err := a.create("v", 1, a.brick("x"), b.brick("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.startVolume("v"); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestAskBricks(t *testing.T) {
	a, b := twoNodes(t, 31)
	var r *mgmt.ProfileReply
	profile := func(n *testNode, op string) error {
		return n.do(func(ctx context.Context, c *mgmt.Client) (err error) {
			r, err = c.Profile(ctx, &mgmt.ProfileReq{Name: "v", Op: op})
			return err
		})
	}
	if err := profile(a, mgmt.ProfileInfo); err == nil || err.Error() != "Profile on Volume v is not started" {
		t.Errorf("info before start: %v", err)
	}
	if err := profile(b, mgmt.ProfileStart); err != nil {
		t.Fatal(err)
	}
	a.answering(fixed(`{"number":7,"cumulative":{"read":1}}`))
	b.answering(fixed(`{"number":8,"cumulative":{"read":2}}`))
	eventually(t, func() string { // the option is everywhere
		if err := profile(a, mgmt.ProfileInfo); err != nil {
			return err.Error()
		}
		return ""
	})
	if len(r.Bricks) != 2 || r.Bricks[0].Host != a.host || r.Bricks[0].Number != 7 || r.Bricks[1].Host != b.host || r.Bricks[1].Cumulative.Read != 2 || r.Bricks[1].Error != "" {
		t.Errorf("profile = %+v", r)
	}
	b.answering(nil)
	if err := profile(a, mgmt.ProfileInfo); err != nil || r.Bricks[0].Error != "" || r.Bricks[1].Error != "a brick in memory answers nothing" {
		t.Errorf("with a brick that fails: %+v, %v", r, err)
	}
	b.kill()
	if err := profile(a, mgmt.ProfileInfo); err != nil || r.Bricks[0].Error != "" || r.Bricks[1].Error != "Host "+b.host+" not connected" {
		t.Errorf("without the other node: %+v, %v", r, err)
	}
}

// A barrier that one brick does not raise is lowered on the others.
func TestBarrierAllOrNone(t *testing.T) {
	a, b := twoNodes(t, 32)
	up := false
	a.answering(func(_, _ string, args json.RawMessage) (json.RawMessage, error) {
		var q mgmt.BarrierAsk
		err := json.Unmarshal(args, &q)
		up = q.Up
		return json.RawMessage("{}"), err
	})
	b.answering(func(string, string, json.RawMessage) (json.RawMessage, error) {
		return nil, mgmt.Errorf("Failed to reconfigure barrier.")
	})
	err := a.do(func(ctx context.Context, c *mgmt.Client) error {
		return c.Barrier(ctx, &mgmt.BarrierReq{Name: "v", Op: "enable"})
	})
	if err == nil || err.Error() != "Failed to reconfigure barrier." {
		t.Errorf("Barrier = %v", err)
	}
	a.bricks.mu.Lock()
	defer a.bricks.mu.Unlock()
	if up {
		t.Error("the barrier stays up on one brick")
	}
}

func TestClearLocksSomewhere(t *testing.T) {
	a, b := twoNodes(t, 33)
	missing := func(string, string, json.RawMessage) (json.RawMessage, error) {
		return nil, &mgmt.Error{Code: mgmt.CodeNoFile, Message: "No such file or directory"}
	}
	clear := func() (r *mgmt.ClearReply, err error) {
		err = a.do(func(ctx context.Context, c *mgmt.Client) (err error) {
			r, err = c.ClearLocks(ctx, &mgmt.ClearReq{Name: "v", ClearAsk: mgmt.ClearAsk{Path: "/f", Kind: "entry", Name: "n", Named: true}})
			return err
		})
		return r, err
	}
	a.answering(missing)
	b.answering(func(_, _ string, args json.RawMessage) (json.RawMessage, error) {
		var q mgmt.ClearAsk
		if err := json.Unmarshal(args, &q); err != nil || q.Name != "n" {
			t.Errorf("asked for %s, %v", args, err)
		}
		return json.RawMessage(`{"xlator":"v-locks","granted":2}`), nil
	})
	if r, err := clear(); err != nil || len(r.Bricks) != 1 || r.Bricks[0].Host != b.host || r.Bricks[0].Granted != 2 {
		t.Errorf("a file on one brick: %+v, %v", r, err)
	}
	b.answering(missing)
	if _, err := clear(); mgmt.ErrorCode(err) != mgmt.CodeNoFile {
		t.Errorf("a file on none: %v", err)
	}
}

func TestSyncAndState(t *testing.T) {
	a, b := twoNodes(t, 34)
	sync := func(host, name string) string {
		err := a.do(func(ctx context.Context, c *mgmt.Client) error {
			return c.Sync(ctx, &mgmt.SyncReq{Host: host, Name: name})
		})
		if err != nil {
			return err.Error()
		}
		return ""
	}
	for _, c := range []struct{ host, name, want string }{
		{b.host, "", ""},
		{b.host, "all", ""},
		{b.host, "v", ""},
		{b.host, "nosuch", "Volume nosuch does not exist"},
		{a.host, "v", "sync from localhost not allowed"},
		{"127.255.255.1", "v", "127.255.255.1, is not a friend"},
	} {
		if got := sync(c.host, c.name); got != c.want {
			t.Errorf("sync %s %s = %q, want %q", c.host, c.name, got, c.want)
		}
	}
	dir := t.TempDir()
	err := a.do(func(ctx context.Context, c *mgmt.Client) error {
		r, err := c.State(ctx, &mgmt.StateReq{Dir: dir, File: "s"})
		if err == nil && r.Path != filepath.Join(dir, "s") {
			t.Errorf("path %s", r.Path)
		}
		return err
	})
	text, rerr := os.ReadFile(filepath.Join(dir, "s"))
	if err != nil || rerr != nil {
		t.Fatal(err, rerr)
	}
	for _, want := range []string{"Peer1.primary_hostname: " + b.host + "\n", "Volume1.Brick1.status: Started\n", "Volume1.Brick2.hostname: " + b.host + "\n\x00"} {
		want, last := strings.CutSuffix(want, "\x00")
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
		if last && strings.Contains(string(text), "Volume1.Brick2.port") {
			t.Errorf("of a brick on another node more than its place is known:\n%s", text)
		}
	}
	if err := a.do(func(ctx context.Context, c *mgmt.Client) error {
		_, err := c.State(ctx, &mgmt.StateReq{Dir: dir, File: "../s"})
		return err
	}); err == nil {
		t.Error("a file in another directory was written")
	}
}
