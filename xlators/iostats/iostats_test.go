package iostats

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

// open makes io-stats over memory.
func open(t *testing.T) xlator.Xlator {
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(xlator.Env{}, nil, []xlator.Xlator{m})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, open, xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL)
}

// create makes a file and opens it.
func create(t *testing.T, x xlator.Xlator, name string) (fop.GFID, xlator.File) {
	t.Helper()
	g := fop.NewGFID()
	r, err := x.Create(t.Context(), &fop.CreateReq{Req: fop.Req{Caller: &fop.Caller{}}, Parent: fop.RootGFID, Name: name, GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	return g, r.File
}

func write(t *testing.T, f xlator.File, bytes int) {
	t.Helper()
	if _, err := f.Writev(t.Context(), &fop.WritevReq{Req: fop.Req{Caller: &fop.Caller{}}, Data: make([]byte, bytes)}); err != nil {
		t.Fatal(err)
	}
}

func timesOf(p *Profile, op fop.Fop) Times {
	for _, f := range p.Fops {
		if f.Fop == op {
			return f
		}
	}
	return Times{}
}

func TestProfileIntervals(t *testing.T) {
	x := open(t)
	defer x.Close()
	s := Of(x)
	_, f := create(t, x, "f")
	defer f.Close()
	write(t, f, 1)
	write(t, f, 5000)
	all, now, n := s.Profile(true)
	if n != 0 || all.Written != 5001 || now.Written != 5001 || all.Writes[0] != 1 || all.Writes[12] != 1 {
		t.Errorf("first interval %d: %+v, %+v", n, all, now)
	}
	write(t, f, 4096)
	for range 2 { // looking does not end the interval
		all, now, n = s.Profile(false)
		if n != 1 || now.Written != 4096 || all.Written != 9097 || all.Writes[12] != 2 || now.Writes[12] != 1 {
			t.Errorf("second interval %d: %+v, %+v", n, all, now)
		}
		if a, b := timesOf(&all, fop.OpWritev), timesOf(&now, fop.OpWritev); a.Count != 3 || b.Count != 1 || a.Min > b.Min || a.Max < b.Max || b.Min == 0 || b.Min > b.Total {
			t.Errorf("times of all %+v, of the interval %+v", a, b)
		}
	}
	s.Clear()
	if all, now, n = s.Profile(false); n != 0 || all.Written != 0 || len(all.Fops) != 0 || len(now.Fops) != 0 {
		t.Errorf("cleared: %+v, %+v, %d", all, now, n)
	}
	if _, w := s.Bytes(); w != 9097 {
		t.Errorf("Clear took the counters of metrics back to %d", w)
	}
}

func TestExtremes(t *testing.T) {
	s := newStats(time.Now())
	o := &s.fops[fop.OpStat]
	for _, ms := range []time.Duration{3, 1, 7} {
		o.add(ms*time.Millisecond, nil)
	}
	s.Profile(true)
	o.add(5*time.Millisecond, syscall.EIO)
	all, now, _ := s.Profile(false)
	if a := timesOf(&all, fop.OpStat); a.Min != time.Millisecond || a.Max != 7*time.Millisecond || a.Total != 16*time.Millisecond {
		t.Errorf("all: %+v", a)
	}
	if b := timesOf(&now, fop.OpStat); b.Min != 5*time.Millisecond || b.Max != 5*time.Millisecond {
		t.Errorf("interval: %+v", b)
	}
	if got := s.Samples(); len(got) != 1 || got[0].Errors != 1 || got[0].Count != 4 || got[0].Buckets[13] != 2 {
		t.Errorf("Samples = %+v", got)
	}
}

func TestTop(t *testing.T) {
	x := open(t)
	defer x.Close()
	s := Of(x)
	a, fa := create(t, x, "a")
	b, fb := create(t, x, "b")
	for range 3 {
		write(t, fa, 10)
	}
	write(t, fb, 10)
	top := s.Top(TopWrite, 10)
	if len(top) != 2 || top[0].GFID != a || top[0].Value != 3 || top[1].GFID != b {
		t.Errorf("Top(write) = %+v", top)
	}
	if one := s.Top(TopWrite, 1); len(one) != 1 || one[0].GFID != a {
		t.Errorf("Top(write, 1) = %+v", one)
	}
	if r := s.Top(TopWriteRate, 10); len(r) != 2 || r[0].Value == 0 || r[0].At.IsZero() {
		t.Errorf("Top(write-perf) = %+v", r)
	}
	if now, most, at := s.OpenFiles(); now != 2 || most != 2 || at.IsZero() {
		t.Errorf("OpenFiles = %d, %d, %v", now, most, at)
	}
	fa.Close()
	s.ClearTop()
	if top := s.Top(TopWrite, 10); len(top) != 0 {
		t.Errorf("cleared, Top(write) = %+v", top)
	}
	write(t, fb, 10)
	fb.Close()
	if top := s.Top(TopWrite, 10); len(top) != 1 || top[0].GFID != b {
		t.Errorf("a file that was open: %+v", top)
	}
	if now, most, _ := s.OpenFiles(); now != 0 || most != 1 {
		t.Errorf("OpenFiles = %d, %d", now, most)
	}
}

// The busiest file stays, whatever else passes, and memory is bounded by the table.
func TestTopKeepsTheBusy(t *testing.T) {
	s := newStats(time.Now())
	busy := fop.NewGFID()
	s.files.of(busy).n[TopRead].Add(1000)
	for range 20 * topSets * topWays {
		s.files.of(fop.NewGFID()).n[TopRead].Add(1)
	}
	if top := s.Top(TopRead, 1); len(top) != 1 || top[0].GFID != busy {
		t.Errorf("Top(read) = %+v", top)
	}
	if all := s.Top(TopRead, 1<<30); len(all) > topSets*topWays {
		t.Errorf("%d files are remembered", len(all))
	}
}

// A fop must not pay for being counted with an allocation.
func TestAllocations(t *testing.T) {
	s := newStats(time.Now())
	q := &fop.StatReq{}
	r := &fop.StatReply{}
	do := func(context.Context, *fop.StatReq) (*fop.StatReply, error) { return r, nil }
	if n := testing.AllocsPerRun(100, func() { timed(s, fop.OpStat, do, t.Context(), q) }); n > 0 {
		t.Errorf("%v allocations per fop", n)
	}
	g := fop.NewGFID()
	s.files.of(g)
	if n := testing.AllocsPerRun(100, func() { s.files.of(g) }); n > 0 {
		t.Errorf("%v allocations to find a file again", n)
	}
}

func BenchmarkTimed(b *testing.B) {
	s := newStats(time.Now())
	q, r := &fop.StatReq{}, &fop.StatReply{}
	do := func(context.Context, *fop.StatReq) (*fop.StatReply, error) { return r, nil }
	for b.Loop() {
		timed(s, fop.OpStat, do, b.Context(), q)
	}
}
