package heal

import (
	"testing"
	"time"
)

// pieces runs pieces of a millisecond, side by side by so many, for a second, and returns how
// many there were.
func pieces(workers int, beside bool) (n int) {
	var p pacer
	start := time.Unix(1000, 0)
	ready := make([]time.Time, workers) // when each worker may begin
	for k := range ready {
		ready[k] = start
	}
	for {
		first := 0
		for k := range ready {
			if ready[k].Before(ready[first]) {
				first = k
			}
		}
		now := ready[first]
		if now.Sub(start) >= time.Second {
			return n
		}
		rest, booked := p.begin(beside, now)
		p.end(booked, time.Millisecond, time.Hour)
		ready[first] = now.Add(rest + time.Millisecond)
		n++
	}
}

func TestHealingGivesWay(t *testing.T) {
	for _, workers := range []int{1, 4} {
		if n := pieces(workers, false); n != 1000*workers {
			t.Errorf("alone %d workers did %d pieces of 1 ms in a second", workers, n)
		}
		if n := pieces(workers, true); n < 1000/share-2 || n > 1000/share+workers {
			t.Errorf("beside programs %d workers did %d pieces of 1 ms in a second, want %d", workers, n, 1000/share)
		}
	}
}

// A piece that took long, as on a machine with too much to do, does not keep healing from going
// on at its slowest.
func TestHealingGoesOn(t *testing.T) {
	var p pacer
	start := time.Unix(1000, 0)
	now := start
	for range 100 {
		rest, booked := p.begin(true, now)
		p.end(booked, time.Hour, forInode)
		now = now.Add(rest)
	}
	if took := now.Sub(start); took > 100*forInode {
		t.Errorf("100 inodes had %v, want at most %v", took, 100*forInode)
	}
}
