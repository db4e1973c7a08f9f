package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
)

// heal performs calls of a healer that take 1 ms each for a second, and returns how many; a
// program's call comes every so often, if at all.
func heal(t *testing.T, y *yielder, program time.Duration) (n int) {
	done := time.Now().Add(time.Second)
	for at := time.Now(); time.Now().Before(done); n++ {
		for ; program > 0 && at.Before(time.Now().Add(time.Millisecond)); at = at.Add(program) {
			y.enter(t.Context(), wire.OpLookup, &fop.Caller{PID: 100})
		}
		y.enter(t.Context(), wire.OpStatfs, &fop.Caller{PID: healer})
		if !y.enter(t.Context(), wire.OpBatch, &fop.Caller{PID: healer}) {
			t.Fatal("a healer's call does not count")
		}
		time.Sleep(time.Millisecond)
		y.leave(time.Millisecond)
	}
	return n
}

func TestHealersGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if n := heal(t, &yielder{}, 0); n < 950 {
			t.Errorf("alone a healer made %d calls in a second, want about 1000", n)
		}
		if n := heal(t, &yielder{}, time.Millisecond); n < 300 || n > 366 {
			t.Errorf("beside a program a healer made %d calls in a second, want about 333", n)
		}
		y := &yielder{}
		y.enter(t.Context(), wire.OpLookup, &fop.Caller{PID: 100})
		y.leave(time.Hour)
		start := time.Now()
		y.enter(t.Context(), wire.OpStatfs, &fop.Caller{PID: healer})
		if d := time.Since(start); d > mostPause {
			t.Errorf("a healer waited %v", d)
		}
		y.enter(t.Context(), wire.OpLookup, &fop.Caller{PID: 100})
		start = time.Now()
		y.enter(t.Context(), wire.OpBatch, &fop.Caller{PID: healer})
		if d := time.Since(start); d > 0 {
			t.Errorf("a call under a lock waited %v", d)
		}
	})
}
