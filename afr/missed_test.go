package afr

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/missed"
	"github.com/gofs/gofs/xlators/xlator"
)

// A missing is a set of three with a file that a client has open.
type missing struct {
	t *testing.T
	bricks
	c    *client
	file xlator.File
	gfid fop.GFID
}

func newMissing(t *testing.T) *missing {
	m := &missing{t: t, bricks: newBricks(t, 3)}
	for i, b := range m.bricks {
		m.bricks[i] = missed.Over(b, 0)
	}
	m.c = m.client(t, 1, nil)
	m.file, m.gfid = create(t, m.c, "f")
	m.write(m.file, 0, 100)
	m.rest()
	return m
}

func (m *missing) write(f xlator.File, off int64, n int) {
	m.t.Helper()
	if _, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Off: off, Data: make([]byte, n)}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *missing) open(flags uint32) xlator.File {
	m.t.Helper()
	r, err := m.c.Open(ctx, &fop.OpenReq{Req: req(), GFID: m.gfid, Flags: flags})
	if err != nil {
		m.t.Fatal(err)
	}
	return r.File
}

// rest waits until all leases are given up.
func (m *missing) rest() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// says wants brick i to say that against brick 1 so many counters stand for spans, and that these
// are all.
func (m *missing) says(i int, spans ...fop.Span) {
	m.t.Helper()
	r, err := m.bricks[i].Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: m.gfid, Name: fop.MissedXattr, Internal: true})
	if err != nil {
		m.t.Errorf("brick %d: %v", i, err)
		return
	}
	got, err := fop.ParseMissed(r.Xattrs[0].Value)
	if err != nil {
		m.t.Fatal(err)
	}
	marks, err := m.bricks[i].Lookup(ctx, &fop.LookupReq{Req: req(), GFID: m.gfid, Want: []string{"trusted.afr.v-client-1"}})
	if err != nil {
		m.t.Fatal(err)
	}
	v, _ := fop.XattrOf(marks.Xattrs, "trusted.afr.v-client-1")
	n, _ := changelog.Parse(v)
	if !slices.Equal(got.Spans.All(), spans) || got.Covered["trusted.afr.v-client-1"] != n[changelog.Data] {
		m.t.Errorf("brick %d says %v for %v, want %v; pending are %v", i, got.Spans.All(), got.Covered, spans, n)
	}
}

func TestTold(t *testing.T) {
	to := func(off, end int64) fop.Span { return fop.Span{Off: off, End: end} }
	cases := []struct {
		name  string
		do    func(m *missing)
		spans []fop.Span
	}{
		{"writes", func(m *missing) { m.write(m.file, 5, 10); m.write(m.file, 50, 1) }, []fop.Span{to(5, 15), to(50, 51)}},
		{"append", func(m *missing) { m.write(m.open(syscall.O_WRONLY|syscall.O_APPEND), 0, 7) }, []fop.Span{to(100, 107)}},
		{"truncate", func(m *missing) {
			if _, err := m.c.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: m.gfid, Size: 30}); err != nil {
				m.t.Fatal(err)
			}
		}, []fop.Span{fop.From(30)}},
		{"punch", func(m *missing) {
			q := &fop.FallocateReq{Req: req(), Mode: unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, Off: 20, Len: 9}
			if _, err := m.file.Fallocate(ctx, q); err != nil {
				m.t.Fatal(err)
			}
		}, []fop.Span{to(20, 29)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMissing(t)
				m.c.links[1].SetDown(true)
				c.do(m)
				m.rest()
				m.says(0, c.spans...)
				m.says(2, c.spans...)
			})
		})
	}
}

// What a brick took part in, it may have lost since.
func TestToldOfTheWholeLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissing(t)
		m.write(m.file, 5, 10)
		m.c.links[1].SetDown(true)
		m.write(m.file, 50, 1)
		m.rest()
		m.says(0, fop.Span{Off: 5, End: 15}, fop.Span{Off: 50, End: 51})
	})
}

// A file that is in use for hours is made durable now and then: a brick misses only what came
// since.
func TestLongLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissing(t)
		var syncs atomic.Int64
		m.c.links[1].SetRule(func(op fop.Fop, q any) faults.Action {
			if r, ok := q.(*fop.ReleaseReq); ok && r.Sync {
				syncs.Add(1)
			}
			return faults.Action{}
		})
		for range 1000 {
			m.write(m.file, 5, 10)
			time.Sleep(100 * time.Millisecond)
		}
		if syncs.Load() != 1 {
			t.Errorf("it was made durable %d times", syncs.Load())
		}
		m.rest()
		for range 700 {
			m.write(m.file, 5, 10)
			time.Sleep(100 * time.Millisecond)
		}
		m.write(m.file, 0, 1)
		m.c.links[1].SetDown(true)
		m.write(m.file, 50, 1)
		m.rest()
		m.says(0, fop.Span{Off: 0, End: 1}, fop.Span{Off: 5, End: 15}, fop.Span{Off: 50, End: 51})
	})
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("lost meanwhile ", lost), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMissing(t)
				for k := range 650 {
					m.write(m.file, int64(k%2), 1)
					time.Sleep(100 * time.Millisecond)
					if k == 599 {
						synctest.Wait()
						m.write(m.file, 20, 2)
						m.c.links[1].SetDown(lost)
					}
				}
				m.c.links[1].SetDown(true)
				m.write(m.file, 50, 1)
				m.rest()
				want := []fop.Span{{Off: 0, End: 2}, {Off: 50, End: 51}}
				if lost {
					want = slices.Insert(want, 1, fop.Span{Off: 20, End: 22})
				}
				m.says(0, want...)
			})
		})
	}
}

// A stale copy appends at an end of its own: nothing is known of it any more.
func TestStrayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissing(t)
		m.c.links[1].SetDown(true)
		m.write(m.file, 5, 10)
		m.rest()
		m.c.links[1].SetDown(false)
		m.rest()
		m.write(m.file, 60, 1)
		m.rest()
		m.says(0, fop.Span{Off: 5, End: 15})
		m.write(m.open(syscall.O_WRONLY|syscall.O_APPEND), 0, 7)
		m.rest()
		m.says(0, fop.From(0))
	})
}

// A file that was just made is not made durable for what is written to it first.
func TestLeaseOfCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissing(t)
		var syncs atomic.Int64
		m.c.links[1].SetRule(func(op fop.Fop, q any) faults.Action {
			if r, ok := q.(*fop.ReleaseReq); ok && r.Sync && len(r.Items) > 0 {
				syncs.Add(1)
			}
			return faults.Action{}
		})
		f, _ := create(t, m.c, "g")
		m.write(f, 0, 10)
		synctest.Wait()
		if n := syncs.Load(); n != 0 {
			t.Errorf("it was made durable %d times", n)
		}
	})
}

// What many leases have to tell at once does not make a message longer than the wire takes: their
// locks would stay.
func TestToldInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissing(t)
		const files = 100
		var most, items atomic.Int64
		m.c.links[0].SetRule(func(op fop.Fop, q any) faults.Action {
			if r, ok := q.(*fop.ReleaseReq); ok && !r.Sync {
				b, err := wire.Release.Req.Append(nil, r)
				if err != nil {
					t.Error(err)
				}
				items.Add(int64(len(r.Items)))
				most.Store(max(most.Load(), int64(len(b))))
			}
			return faults.Action{}
		})
		var spans fop.Spans
		for k := range int64(fop.MostSpans) {
			spans.Add(fop.Span{Off: 1<<50 + 2*k, End: 1<<50 + 2*k + 1})
		}
		var ls []*lease
		for range files {
			l := &lease{gfid: m.gfid, locked: 7, active: 7, mark: changelog.One(changelog.Data), session: [changelog.MaxReplicas]uint64{1, 1, 1}}
			l.missed.spans = spans
			l.told(7, 2)
			ls = append(ls, l)
		}
		m.c.Xlator.(*replicate).releaseLeases(ls)
		if most.Load() > wire.MaxRequest/2 || items.Load() != files {
			t.Errorf("%d items in messages of up to %d bytes", items.Load(), most.Load())
		}
	})
}
