package heald

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// After bricks came or went nothing is healed without those that are away, before they had
// time to come.
func TestSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSet(t, &index{pending: map[fop.GFID]heal.Kind{}})
		waits := func() time.Duration {
			begin := time.Now()
			if !s.settled(t.Context()) {
				t.Fatal("the context has not ended")
			}
			return time.Since(begin)
		}
		tell := func(i int, kind xlator.EventKind) { s.event(i, xlator.Event{Kind: kind}) }
		tell(0, xlator.ChildUp)
		if d := waits(); d < settling || d > settling+settlingLook {
			t.Errorf("with one of two connected it waited %v", d)
		}
		if d := waits(); d != 0 {
			t.Errorf("when that is so for a while it waits %v", d)
		}
		tell(1, xlator.ChildUp)
		if d := waits(); d != 0 {
			t.Errorf("with all connected it waits %v", d)
		}
		tell(1, xlator.ChildDown)
		time.AfterFunc(time.Second, func() { tell(1, xlator.ChildUp) })
		if d := waits(); d < time.Second || d > time.Second+settlingLook {
			t.Errorf("when the other came back after a second it had waited %v", d)
		}
	})
}
