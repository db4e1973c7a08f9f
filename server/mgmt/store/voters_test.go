package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// TestPlan: servers are written as name, life, and a star if they vote; nodes as name and
// life, with a minus if they are down and a cross if they have been for long.
func TestPlan(t *testing.T) {
	for _, c := range []struct{ name, servers, nodes, want string }{
		{"alone", "a0*", "a0", "-"},
		{"a second node follows", "a0*", "a0 b0", "b follows"},
		{"two do not both decide", "a0* b0", "a0 b0", "-"},
		{"the third makes a majority possible", "a0* b0 c0", "a0 b0 c0", "b votes"},
		{"and is made one", "a0* b0* c0", "a0 b0 c0", "c votes"},
		{"three", "a0* b0* c0*", "a0 b0 c0", "-"},
		{"a dead one is not promoted", "a0* b0 c0", "a0 b0 c0-", "-"},
		{"four", "a0* b0* c0* d0", "a0 b0 c0 d0", "-"},
		{"five", "a0* b0* c0* d0 e0", "a0 b0 c0 d0 e0", "d votes"},
		{"six", "a0* b0* c0* d0* e0* f0", "a0 b0 c0 d0 e0 f0", "-"},
		{"a detached node goes", "a0* b0* c0*", "a0 b0", "c goes"},
		{"and leaves one voter less", "a0* b0*", "a0 b0", "b follows"},
		{"the dead one first", "a0* b0* c0* d0*", "a0 b0- c0 d0", "b follows"},
		{"a new life", "a0* b0* c0*", "a0 b1 c0", "b goes"},
		{"is taken in", "a0* c0*", "a0 b1 c0", "b follows"},
		{"and decides again", "a0* c0* b1", "a0 b1 c0", "b votes"},
		{"one that is away keeps its place", "a0* b0* c0* d0", "a0 b0 c0- d0", "-"},
		{"for a while", "a0* b0* c0* d0", "a0 b0 c0-+ d0", "c follows"},
		{"then it is another's", "a0* b0* c0 d0", "a0 b0 c0-+ d0", "d votes"},
		{"not if there is none", "a0* b0* c0*", "a0 b0 c0-+", "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers, nodes, alive, lost := parsePlan(c.servers, c.nodes)
			got, ok := plan(servers, nodes, "a", alive, lost)
			text := "-"
			if ok {
				text = got.node + map[membership]string{gone: " goes", follower: " follows", voter: " votes"}[got.to]
			}
			if text != c.want {
				t.Errorf("plan = %s, want %s", text, c.want)
			}
		})
	}
}

func parsePlan(servers, nodes string) (s []raft.Server, n map[string]Node, alive, lost func(string) bool) {
	for _, w := range strings.Fields(servers) {
		v := raft.Server{ID: raft.ServerID(w[:1]), Address: raft.ServerAddress(w[:1] + "/" + w[1:2]), Suffrage: raft.Nonvoter}
		if strings.HasSuffix(w, "*") {
			v.Suffrage = raft.Voter
		}
		s = append(s, v)
	}
	n = map[string]Node{}
	for _, w := range strings.Fields(nodes) {
		n[w[:1]] = Node{UUID: w[:1], Life: int(w[1] - '0')}
	}
	return s, n, func(id string) bool { return !strings.Contains(nodes, id+"0-") && !strings.Contains(nodes, id+"1-") },
		func(id string) bool { return strings.Contains(nodes, id+"0-+") }
}

// TestPlanSettles: from anywhere, following the plan ends, with an odd number of voters, at
// most five, all of them nodes of the pool.
func TestPlanSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := map[string]Node{}
		up := map[string]bool{"a": true}
		for i := range rapid.IntRange(1, 9).Draw(t, "nodes") {
			id := string(rune('a' + i))
			nodes[id] = Node{UUID: id, Life: rapid.IntRange(0, 1).Draw(t, "life of "+id)}
			up[id] = id == "a" || rapid.Bool().Draw(t, id+" is up")
		}
		n := nodes["a"]
		servers := map[string]raft.Server{"a": {ID: "a", Address: address(&n), Suffrage: raft.Voter}}
		for i := range rapid.IntRange(0, 9).Draw(t, "servers") {
			id := string(rune('b' + i))
			servers[id] = raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(fmt.Sprintf("%s/%d", id, rapid.IntRange(0, 1).Draw(t, "server's life"))),
				Suffrage: raft.ServerSuffrage(rapid.IntRange(0, 1).Draw(t, "votes"))}
		}
		alive := func(id string) bool { return up[id] }
		for step := 0; ; step++ {
			var list []raft.Server
			voters := 0
			for _, s := range servers {
				list = append(list, s)
				if s.Suffrage == raft.Voter {
					voters++
				}
			}
			c, ok := plan(list, nodes, "a", alive, func(id string) bool { return !up[id] })
			if !ok {
				if voters%2 == 0 || voters > maxVoters || len(servers) != len(nodes) {
					t.Fatalf("settled with %d voters of %d servers, %d nodes", voters, len(servers), len(nodes))
				}
				return
			}
			if step > 100 {
				t.Fatalf("does not settle: %+v", c)
			}
			n := nodes[c.node]
			switch c.to {
			case gone:
				delete(servers, c.node)
			case follower:
				servers[c.node] = raft.Server{ID: raft.ServerID(c.node), Address: address(&n), Suffrage: raft.Nonvoter}
			case voter:
				servers[c.node] = raft.Server{ID: raft.ServerID(c.node), Address: address(&n), Suffrage: raft.Voter}
			}
		}
	})
}

func TestCommandThatComesAgain(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	if _, err := s.Do(node); err != nil {
		t.Fatal(err)
	}
	c := volume("v", 1, 0, "/a")
	c.ID = "once"
	for range 2 {
		if _, err := s.Do(c); err != nil {
			t.Errorf("a command that is given again: %v", err)
		}
	}
	c.ID = "another"
	if _, err := s.Do(c); err == nil {
		t.Error("another command that makes the same volume was accepted")
	}
}
