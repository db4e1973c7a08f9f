package cluster

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/gofs/gofs/tests/twins"
)

var healSeed = flag.Uint64("healseed", 0, "seed of TestHeals; 0: another one each time")

// TestHeals kills one brick after the other while a tree is changed at random, and lets
// the heal daemon make the copies equal: after each round all bricks have the same tree, no
// marks are left, and the mount shows what a local directory shows that was changed in
// the same way.
func TestHeals(t *testing.T) {
	for name, lay := range map[string]layout{"arbiter": arbiter, "replica 3": replica3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lay.heals = true
			seed := *healSeed
			if seed == 0 {
				seed = uint64(time.Now().UnixNano())
			}
			t.Logf("to repeat: -run TestHeals -healseed %d", seed)
			c := start(t, lay)
			m := c.mount("")
			twin := twins.New(seed, m.path("."), t.TempDir())
			change(t, twin, 100)
			for round := range 6 {
				victim := round % lay.bricks
				c.kill(victim)
				change(t, twin, 150)
				c.waitOnline()
				if round%2 == 1 {
					change(t, twin, 50) // while it is healed
				}
				c.waitFor(90*time.Second, c.unclean)
				if t.Failed() {
					c.must("volume", "heal", c.vol, "info")
					t.Logf("round %d, brick %d was killed:\n%s", round, victim, c.must("volume", "heal", c.vol, "info"))
					return
				}
				if err := twin.Compare(); err != nil {
					t.Fatal(err)
				}
			}
			if out := c.must("volume", "heal", c.vol, "info", "summary"); strings.Count(out, "Total Number of entries: 0") != lay.bricks {
				t.Errorf("heal info summary after all that:\n%s", out)
			}
		})
	}
}

// change makes n random changes.
func change(t *testing.T, w *twins.Trees, n int) {
	t.Helper()
	if err := w.Change(n); err != nil {
		t.Fatal(err)
	}
}
