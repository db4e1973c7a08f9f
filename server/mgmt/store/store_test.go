package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Dir: dir, Node: "node-1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// volume returns a create command for a volume with bricks at paths.
func volume(name string, replica, arbiter int, paths ...string) *Command {
	v := &Volume{Name: name, ID: name + "-id", Status: Created, Replica: replica, Arbiter: arbiter, Transport: "tcp"}
	for i, p := range paths {
		v.Bricks = append(v.Bricks, Brick{Node: "node-1", Host: "h", Path: p, ID: fmt.Sprintf("%s-client-%d", name, i)})
	}
	return &Command{CreateVolume: v}
}

var node = &Command{SetNode: &Node{UUID: "node-1", Hosts: []string{"h"}}}

func TestCommands(t *testing.T) {
	change := func(name string, force bool) *VolumeChange { return &VolumeChange{name, force} }
	for _, c := range []struct {
		name string
		cmds []*Command
		want string // refusal of the last command; "": accepted
	}{
		{"create", []*Command{node, volume("v", 3, 1, "/a", "/b", "/c")}, ""},
		{"create again", []*Command{node, volume("v", 1, 0, "/a"), volume("v", 1, 0, "/b")}, "Volume v already exists"},
		{"wrong count", []*Command{node, volume("v", 3, 0, "/a", "/b")}, "number of bricks is not a multiple of replica count"},
		{"unknown host", []*Command{volume("v", 1, 0, "/a")}, "Host h is not in 'Peer in Cluster' state"},
		{"same brick", []*Command{node, volume("v", 1, 0, "/a"), volume("w", 1, 0, "/a")}, "Brick: h:/a not available"},
		{"inside a brick", []*Command{node, volume("v", 1, 0, "/a"), volume("w", 1, 0, "/a/b")}, "Brick: h:/a/b not available"},
		{"around a brick", []*Command{node, volume("v", 1, 0, "/a/b"), volume("w", 1, 0, "/a")}, "Brick: h:/a not available"},
		{"beside a brick", []*Command{node, volume("v", 1, 0, "/a"), volume("w", 1, 0, "/ab")}, ""},
		{"within itself", []*Command{node, volume("v", 1, 0, "/a", "/a/b")}, "Brick: h:/a/b not available"},
		{"start nothing", []*Command{{StartVolume: change("v", false)}}, "Volume v does not exist"},
		{"start twice", []*Command{node, volume("v", 1, 0, "/a"), {StartVolume: change("v", false)}, {StartVolume: change("v", false)}}, "Volume v already started"},
		{"start force", []*Command{node, volume("v", 1, 0, "/a"), {StartVolume: change("v", false)}, {StartVolume: change("v", true)}}, ""},
		{"stop", []*Command{node, volume("v", 1, 0, "/a"), {StopVolume: change("v", false)}}, "Volume v is not in the started state"},
		{"stop force", []*Command{node, volume("v", 1, 0, "/a"), {StopVolume: change("v", true)}}, ""},
		{"delete started", []*Command{node, volume("v", 1, 0, "/a"), {StartVolume: change("v", false)}, {DeleteVolume: change("v", false)}}, "Volume v has been started."},
		{"delete", []*Command{node, volume("v", 1, 0, "/a"), {DeleteVolume: change("v", false)}, volume("v", 1, 0, "/a")}, ""},
		{"set nothing", []*Command{{SetOptions: &SetOptions{Name: "v"}}}, "Volume v does not exist"},
		{"reset nothing", []*Command{{ResetOptions: &ResetOptions{Name: "v"}}}, "Volume v does not exist"},
		{"of the future", []*Command{{}}, "newer version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &State{Nodes: map[string]Node{}, Volumes: map[string]*Volume{}}
			for i, cmd := range c.cmds {
				next, err := s.apply(cmd)
				last := i == len(c.cmds)-1
				switch {
				case last && c.want != "":
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("the last command: %v, want %s", err, c.want)
					}
				case err != nil:
					t.Fatalf("command %d: %v", i, err)
				}
				s = next
			}
		})
	}
}

// The bricks of a volume change all at once, and only from what they were to who orders it.
func TestChangeBricks(t *testing.T) {
	s := newState()
	for _, c := range []*Command{node, volume("v", 2, 0, "/a", "/b"), volume("w", 1, 0, "/w"), {StartVolume: &VolumeChange{Name: "v"}}} {
		var err error
		if s, err = s.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Volumes["v"].Bricks
	brick := func(path string, number int) Brick {
		return Brick{Node: "node-1", Host: "h", Path: path, ID: fmt.Sprintf("v-client-%d", number)}
	}
	change := func(s *State, replica int, graph uint64, after ...Brick) (*State, error) {
		return s.apply(&Command{ChangeBricks: &ChangeBricks{Name: "v", ID: "v-id", Before: before, After: after, Replica: replica, Graph: graph,
			Options: []Option{{"k", "x"}}}})
	}
	for _, c := range []struct {
		name    string
		replica int
		after   []Brick
		want    string
	}{
		{"no multiple", 2, []Brick{before[0], before[1], brick("/c", 2)}, "not a multiple"},
		{"none", 1, nil, "not a multiple"},
		{"another volume's", 3, []Brick{before[0], before[1], brick("/w/x", 2)}, "Brick: h:/w/x not available"},
		{"twice", 3, []Brick{before[0], before[1], brick("/a", 2)}, "Brick: h:/a not available"},
		{"an ID twice", 3, []Brick{before[0], before[1], brick("/c", 1)}, "is used twice"},
		{"nobody's node", 3, []Brick{before[0], before[1], {Node: "x", Host: "x", Path: "/c", ID: "v-client-2"}}, "Host x is not in"},
	} {
		if _, err := change(s, c.replica, 0, c.after...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	held := brick("/c", 2)
	held.Held, held.Joins = HeldReset, true
	next, err := change(s, 2, 1, before[0], held)
	if err != nil {
		t.Fatal(err)
	}
	v := next.Volumes["v"]
	if v.Replica != 2 || v.Graph != 1 || !reflect.DeepEqual(v.Gone, []string{"v-client-1"}) || !reflect.DeepEqual(v.Options, []Option{{"k", "x"}}) {
		t.Errorf("the volume is %+v", v)
	}
	if _, err := change(next, 2, 1, before...); err == nil || !strings.Contains(err.Error(), "were changed by another order meanwhile") {
		t.Errorf("a change of what was: %v", err)
	}
	before = v.Bricks
	if _, err := change(next, 2, 1, before[0], brick("/b", 1)); err == nil || !strings.Contains(err.Error(), "was another brick's") {
		t.Errorf("an ID that is gone: %v", err)
	}
	// Starting lets bricks go that were held, not those that may not join yet.
	next, err = next.apply(&Command{StartVolume: &VolumeChange{Name: "v", Force: true}})
	if err != nil || next.Volumes["v"].Bricks[1].Held != "" || next.Volumes["v"].Bricks[1].Runs() || before[1].Held != HeldReset {
		t.Errorf("after volume start force: %+v, %v; before: %+v", next.Volumes["v"].Bricks, err, before)
	}
}

func TestOptionsKeepTheirPlace(t *testing.T) {
	s := &State{Nodes: map[string]Node{}, Volumes: map[string]*Volume{"v": {Name: "v"}}}
	old := s.Volumes["v"]
	for _, c := range []*Command{
		{SetOptions: &SetOptions{"v", []Option{{"a", "1"}, {"b", "1"}}}},
		{SetOptions: &SetOptions{"v", []Option{{"a", "2"}, {"c", "1"}}}},
		{ResetOptions: &ResetOptions{"v", []string{"b", "x"}}},
	} {
		var err error
		if s, err = s.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	if want := []Option{{"c", "1"}, {"a", "2"}}; !reflect.DeepEqual(s.Volumes["v"].Options, want) {
		t.Errorf("options = %v, want %v", s.Volumes["v"].Options, want)
	}
	if old.Options != nil {
		t.Errorf("the old state was changed to %v", old.Options)
	}
}

func TestSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	changed := s.Changed()
	for _, c := range []*Command{node, volume("v", 1, 0, "/a")} {
		if _, err := s.Do(c); err != nil {
			t.Fatal(err)
		}
	}
	<-changed
	var refusal *Refusal
	if _, err := s.Do(volume("v", 1, 0, "/b")); !errors.As(err, &refusal) {
		t.Errorf("Do = %v, want a Refusal", err)
	}
	if err := s.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(volume("w", 1, 0, "/b")); err != nil {
		t.Fatal(err)
	}
	want := s.State()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if !reflect.DeepEqual(s.State(), want) {
		t.Errorf("state after a restart = %+v, want %+v", s.State(), want)
	}
}

func TestSecondDaemonOnOneDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	if _, err := Open(t.Context(), Config{Dir: dir, Node: "node-1", Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a second Open of the directory succeeded")
	}
}

func TestLogStore(t *testing.T) {
	l, err := openLog(t.TempDir() + "/raft.db")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if i, err := l.LastIndex(); i != 0 || err != nil {
		t.Errorf("LastIndex of an empty log = %d, %v", i, err)
	}
	for i := range uint64(10) {
		if err := l.StoreLog(&raft.Log{Index: i + 1, Term: 1, Data: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.DeleteRange(1, 4); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRange(9, 20); err != nil {
		t.Fatal(err)
	}
	first, _ := l.FirstIndex()
	last, _ := l.LastIndex()
	if first != 5 || last != 8 {
		t.Errorf("log is %d to %d, want 5 to 8", first, last)
	}
	var e raft.Log
	if err := l.GetLog(5, &e); err != nil || e.Data[0] != 4 {
		t.Errorf("GetLog(5) = %v, %v", e, err)
	}
	if err := l.GetLog(9, &e); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("GetLog(9) = %v, want ErrLogNotFound", err)
	}
	if n, err := l.GetUint64([]byte("x")); n != 0 || err != nil {
		t.Errorf("GetUint64 of an unset variable = %d, %v", n, err)
	}
}

// TestDamagedLog: a damaged log is an error that says what to do, and not a crash.
func TestDamagedLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Do(node); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"rubbish":   bytes.Repeat([]byte("no log "), 9000),
		"cut":       good[:3*4096],
		"scribbled": append(bytes.Clone(good[:8192]), bytes.Repeat([]byte{0xff}, len(good)-8192)...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, logName), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Config{Dir: dir, Node: "node-1", Log: slog.New(slog.DiscardHandler)})
			if err == nil {
				s.Close()
				t.Fatal("a damaged log was opened")
			}
			if !strings.Contains(err.Error(), "move the file away") {
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
}
