package fop

import (
	"testing"

	"pgregory.net/rapid"
)

// A set has every byte that was added, its pieces are in order and apart, and as long as it is
// not coarse it has no other bytes.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Spans
		want := map[int64]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "adds") {
			off := rapid.Int64Range(0, 300).Draw(t, "off")
			end := off + rapid.Int64Range(0, 20).Draw(t, "n")
			p.Add(Span{off, end})
			for b := off; b < end; b++ {
				want[b] = true
			}
		}
		got := map[int64]bool{}
		last := int64(-1)
		for _, s := range p.All() {
			if s.Off <= last || s.Off >= s.End {
				t.Fatalf("pieces %v", p.All())
			}
			for last = s.Off; last < s.End; last++ {
				got[last] = true
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d bytes, want %d: %v", len(got), len(want), p.All())
		}
		for b := range want {
			if !got[b] {
				t.Fatalf("byte %d is missing in %v", b, p.All())
			}
		}
		from := rapid.Int64Range(0, 320).Draw(t, "from")
		to := from + rapid.Int64Range(0, 100).Draw(t, "length")
		for s := range p.Within(Span{from, to}) {
			if s.Off < from || s.End > to || s.Off >= s.End {
				t.Fatalf("%v within %d-%d", s, from, to)
			}
			for b := s.Off; b < s.End; b++ {
				delete(got, b)
			}
		}
		for b := range got {
			if b >= from && b < to {
				t.Fatalf("byte %d of %v is not within %d-%d", b, p.All(), from, to)
			}
		}
	})
}

// Whatever is added, a set stays small and has it.
func TestSpansBound(t *testing.T) {
	var p Spans
	for k := range int64(10 * MostSpans) {
		at := k * 7919 % (10 * MostSpans) * 100000
		p.Add(Span{at, at + 10})
	}
	p.Add(From(1 << 62))
	if len(p.All()) > MostSpans {
		t.Errorf("%d pieces", len(p.All()))
	}
	for k := range int64(10 * MostSpans) {
		n := int64(0)
		for s := range p.Within(Span{k * 100000, k*100000 + 10}) {
			n += s.End - s.Off
		}
		if n != 10 {
			t.Fatalf("%d of the 10 bytes from %d are there", n, k*100000)
		}
	}
	if last := p.All()[len(p.All())-1]; last.End != endless {
		t.Errorf("the last piece ends at %d", last.End)
	}
}
