package fop

import (
	"cmp"
	"slices"
)

// Span is a range of bytes of a file, from Off to before End.
type Span struct{ Off, End int64 }

// Spans is a set of bytes of a file in bounded memory: what is too fine to remember is
// remembered coarser, so that the set may have more bytes than were added, and never fewer. The
// zero value is empty. It is not safe for concurrent use.
type Spans struct {
	list  []Span // ascending, none touches another
	grain int64  // what is added is widened to multiples of it; 0: not widened
}

const (
	// MostSpans is how many pieces a set has at most.
	MostSpans = 4096
	// leastGrain is the first grain that is tried.
	leastGrain = 4096
	// endless stands for the end of a range that has none.
	endless = 1<<63 - 1
)

// From returns the span of all that follows off.
func From(off int64) Span { return Span{off, endless} }

// Add puts s into the set. An empty one changes nothing.
func (p *Spans) Add(s Span) {
	if s.Off >= s.End {
		return
	}
	if k := len(p.list) - 1; k >= 0 && p.list[k].Off <= s.Off && s.Off <= p.list[k].End {
		p.list[k].End = max(p.list[k].End, p.up(s.End)) // writing goes on
		return
	}
	p.put(Span{p.down(s.Off), p.up(s.End)})
	for len(p.list) > MostSpans {
		p.coarsen()
	}
}

// put joins s with those that it touches.
func (p *Spans) put(s Span) {
	first, _ := slices.BinarySearchFunc(p.list, s.Off, func(e Span, off int64) int { return cmp.Compare(e.End, off) })
	last := first
	for ; last < len(p.list) && p.list[last].Off <= s.End; last++ {
		s.Off, s.End = min(s.Off, p.list[last].Off), max(s.End, p.list[last].End)
	}
	p.list = slices.Replace(p.list, first, last, s)
}

// coarsen doubles the grain.
func (p *Spans) coarsen() {
	p.grain = max(2*p.grain, leastGrain)
	old := p.list
	p.list = make([]Span, 0, len(old)/2)
	for _, s := range old {
		s = Span{p.down(s.Off), p.up(s.End)}
		if k := len(p.list) - 1; k >= 0 && s.Off <= p.list[k].End {
			p.list[k].End = max(p.list[k].End, s.End)
			continue
		}
		p.list = append(p.list, s)
	}
}

func (p *Spans) down(off int64) int64 {
	if p.grain == 0 {
		return off
	}
	return off - off%p.grain
}

func (p *Spans) up(end int64) int64 {
	if p.grain == 0 || end > endless-p.grain {
		return end
	}
	return p.down(end + p.grain - 1)
}

// All returns the pieces, in order. They are the set's own.
func (p *Spans) All() []Span { return p.list }

// Within yields, in order, what of the set is in s.
func (p *Spans) Within(s Span) func(yield func(Span) bool) {
	return func(yield func(Span) bool) {
		k, _ := slices.BinarySearchFunc(p.list, s.Off+1, func(e Span, off int64) int { return cmp.Compare(e.End, off) })
		for ; s.Off < s.End && k < len(p.list) && p.list[k].Off < s.End; k++ {
			if !yield(Span{max(s.Off, p.list[k].Off), min(s.End, p.list[k].End)}) {
				return
			}
		}
	}
}
