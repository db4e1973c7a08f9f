package afr

import (
	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// missed is what a lease tells bricks, when it is given up, about those that it blamed for
// missing changes of data: they missed no more than was changed under it. A healer then has
// only that to compare (package missed). If the lease never comes to tell, its dirty marks or
// the counters that nobody explained have the whole file compared.
//
// All under the lease counts, not only what came after the blame: a brick that took part at
// first may have lost that since. And what a stale copy has changed elsewhere than the good
// ones, everything may be wrong with.
type missed struct {
	spans fop.Spans
	// told is how many counters of data child i stored against child j; nil: none.
	told *[changelog.MaxReplicas][changelog.MaxReplicas]uint32
	// strayed: a stale copy took part in a change whose place each brick decided.
	strayed bool
}

// told notes that the children in by have stored a counter of data against each in whom.
func (l *lease) told(by, whom set) {
	mu := l.lockState()
	defer mu.unlock()
	if l.missed.told == nil {
		l.missed.told = new([changelog.MaxReplicas][changelog.MaxReplicas]uint32)
	}
	for i := range by.Each {
		for j := range whom.Each {
			l.missed.told[i][j]++
		}
	}
}

// reaches notes that data was changed there.
func (l *lease) reaches(s fop.Span) {
	mu := l.lockState()
	defer mu.unlock()
	l.missed.spans.Add(s)
}

// strays notes that a stale copy is about to change something elsewhere than the good ones.
func (l *lease) strays() {
	mu := l.lockState()
	defer mu.unlock()
	l.missed.strayed = true
}

// tell adds to an item for child i, which undoes the lease's marks, what others missed.
func (m *missed) tell(i int, keys []string, it *fop.ReleaseItem) {
	if m.told != nil {
		for j, n := range m.told[i] {
			if n > 0 {
				it.Covers = append(it.Covers, fop.Xattr{Name: keys[j], Value: changelog.Counters{changelog.Data: n}.Bytes()})
			}
		}
	}
	switch {
	case m.strayed:
		it.Missed = []fop.Span{fop.From(0)}
	case len(it.Covers) > 0:
		it.Missed = m.spans.All()
	}
}

// span is the data that an operation with this key changes.
func (k opKey) span() fop.Span {
	switch {
	case k.end < k.start:
		return fop.Span{}
	case k.end == fop.From(0).End:
		return fop.From(k.start)
	}
	return fop.Span{Off: k.start, End: k.end + 1}
}
