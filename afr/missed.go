package afr

import (
	"context"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// missedData is what a lease tells bricks, when it is given up, about those that it blamed for
// missing changes of data: they missed no more than was changed under it. A healer then has
// only that to compare (package missed). If the lease never comes to tell, its dirty marks or
// the counters that nobody explained have the whole file compared.
//
// All under the lease counts, not only what came after the blame: a brick that took part at
// first may have lost that since. And what a stale copy has changed elsewhere than the good
// ones, everything may be wrong with. A lease that is used all the time would come to stand for the
// whole file; so what was changed is made durable now and then, and no brick can lose that.
type missedData struct {
	spans fop.Spans
	// settling are spans that are being made durable, and since is when that was last begun.
	settling fop.Spans
	since    time.Time
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
func (m *missedData) tell(i int, keys []string, it *fop.ReleaseItem) {
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
		m.keep()
		it.Missed = m.spans.All()
	}
}

// spans is how many pieces at most the lease has to tell of.
func (l *lease) spans() int {
	mu := l.lockState()
	defer mu.unlock()
	if l.missed.told == nil {
		return 0
	}
	return min(len(l.missed.spans.All())+len(l.missed.settling.All()), fop.MostSpans)
}

// keep takes back that what is settling is durable.
func (m *missedData) keep() {
	for _, s := range m.settling.All() {
		m.spans.Add(s)
	}
	m.settling = fop.Spans{}
}

// settleEvery is how often what is changed under a lease in use is made durable.
const settleEvery = time.Minute

// settleSoon begins to make durable what was changed under a lease that nobody uses at this moment, if that
// has not been done for long; its slot's in.mu is held.
func (r *replicate) settleSoon(l *lease) {
	m := &l.missed
	if l.lastUse.Sub(m.since) < settleEvery || len(m.spans.All()) == 0 || len(m.settling.All()) > 0 {
		return
	}
	m.since = l.lastUse
	m.settling, m.spans = m.spans, fop.Spans{}
	r.keeper.spawn(func() { r.settleSpans(l) })
}

// settleSpans makes durable what is settling. If that is so on all bricks that took part,
// and nobody was blamed, it can be forgotten.
func (r *replicate) settleSpans(l *lease) {
	q := &fop.ReleaseReq{Req: fop.Req{Caller: internalCaller}, Sync: true, Items: []fop.ReleaseItem{{GFID: l.gfid, NoUnlock: true}}}
	var durable set
	for i, a := range xlator.Wind(context.Background(), r.children, xlator.Xlator.Release, q) {
		if a.Err == nil {
			durable |= changelog.Of(i)
		}
	}
	mu := l.lockState()
	defer mu.unlock()
	if l.missed.told != nil || l.lasting(r.state.Load())&durable != l.locked {
		l.missed.keep()
	}
	l.missed.settling = fop.Spans{}
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
