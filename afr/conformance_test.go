package afr

import (
	"testing"

	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

// without is what bricks in memory lack, and the counters that afr keeps to itself.
var without = []xlatortest.Feature{xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL, xlatortest.Xattrop, xlatortest.InternalXattr}

// TestConformance runs the suite on whole replica sets over bricks in memory.
func TestConformance(t *testing.T) {
	for name, set := range map[string]struct {
		n    int
		opts xlator.Options
	}{
		"replica 2": {2, nil},
		"replica 3": {3, nil},
		"arbiter":   {3, xlator.Options{"arbiter-count": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			xlatortest.Run(t, func(t *testing.T) xlator.Xlator {
				return newBricks(t, set.n).client(t, 1, set.opts)
			}, without...)
		})
	}
}

// TestConformanceOneDown runs it with a brick missing from the start.
func TestConformanceOneDown(t *testing.T) {
	for _, down := range []int{0, 1, 2} {
		t.Run(string(rune('0'+down)), func(t *testing.T) {
			xlatortest.Run(t, func(t *testing.T) xlator.Xlator {
				c := newBricks(t, 3).client(t, 1, xlator.Options{"arbiter-count": "1"})
				c.links[down].SetDown(true)
				return c
			}, without...)
		})
	}
}
