package missed

import (
	"encoding/binary"
	"reflect"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

func over(t *testing.T, least int64) *Missed {
	t.Helper()
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Over(m, least)
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, func(t *testing.T) xlator.Xlator { return over(t, 0) }, xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL)
}

// A brick in a test, with one file.
type brick struct {
	*Missed
	t    *testing.T
	file fop.GFID
}

const one, two = "trusted.afr.v-client-1", "trusted.afr.v-client-2"

func newBrick(t *testing.T, least int64, size uint64) *brick {
	b := &brick{over(t, least), t, fop.NewGFID()}
	req := fop.Req{Caller: &fop.Caller{}}
	if _, err := b.Mknod(t.Context(), &fop.MknodReq{Req: req, Parent: fop.RootGFID, Name: "f", GFID: b.file, Type: fop.TypeReg, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Truncate(t.Context(), &fop.TruncateReq{Req: req, GFID: b.file, Size: size}); err != nil {
		t.Fatal(err)
	}
	return b
}

func counter(key string, n int32) fop.Xattr {
	return fop.Xattr{Name: key, Value: append(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, 8)...)}
}

// blame adds n to the counter against key.
func (b *brick) blame(key string, n int32) {
	b.t.Helper()
	if _, err := b.Xattrop(b.t.Context(), &fop.XattropReq{GFID: b.file, Op: fop.XattropAdd32, Deltas: []fop.Xattr{counter(key, n)}}); err != nil {
		b.t.Fatal(err)
	}
}

// release tells that n counters against key, which it adds, stand for spans, or takes n back.
func (b *brick) release(key string, n int32, spans ...fop.Span) {
	b.t.Helper()
	if n > 0 {
		b.blame(key, n)
	}
	b.tell(key, n, spans...)
}

func (b *brick) tell(key string, n int32, spans ...fop.Span) {
	b.t.Helper()
	it := fop.ReleaseItem{GFID: b.file, NoUnlock: true}
	if n > 0 {
		it.Covers, it.Missed = []fop.Xattr{counter(key, n)}, spans
	} else {
		it.Undo = []fop.Xattr{counter(key, n)}
	}
	if _, err := b.Release(b.t.Context(), &fop.ReleaseReq{Items: []fop.ReleaseItem{it}}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *brick) knows(covered map[string]uint32, spans ...fop.Span) {
	b.t.Helper()
	r, err := b.Getxattr(b.t.Context(), &fop.GetxattrReq{GFID: b.file, Name: fop.MissedXattr, Internal: true})
	if covered == nil {
		if fop.Errno(err) != syscall.ENODATA {
			b.t.Errorf("it knows %+v, %v, want nothing", r, err)
		}
		return
	}
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := fop.ParseMissed(r.Xattrs[0].Value)
	if err != nil || !reflect.DeepEqual(m.Covered, covered) || !reflect.DeepEqual(m.Spans.All(), spans) {
		b.t.Errorf("it knows %+v, %v, want %v in %v", m, err, covered, spans)
	}
}

type known = map[string]uint32

func TestCovered(t *testing.T) {
	b := newBrick(t, 100, 100)
	b.knows(nil)
	b.release(one, 1, fop.Span{Off: 0, End: 10})
	b.release(two, 1, fop.Span{Off: 50, End: 60})
	b.release(one, 2, fop.Span{Off: 8, End: 20})
	b.knows(known{one: 3, two: 1}, fop.Span{Off: 0, End: 20}, fop.Span{Off: 50, End: 60})
	b.release(one, -2)
	b.knows(known{one: 1, two: 1}, fop.Span{Off: 0, End: 20}, fop.Span{Off: 50, End: 60})
	b.blame(one, -1)
	b.knows(known{two: 1}, fop.Span{Off: 0, End: 20}, fop.Span{Off: 50, End: 60})
	b.release(two, -1)
	b.knows(nil)
	b.release(two, 1, fop.Span{Off: 70, End: 71})
	b.knows(known{two: 1}, fop.Span{Off: 70, End: 71})
}

// What gives counters other values ends what is known.
func TestReplaced(t *testing.T) {
	set := map[string]func(b *brick, key string) error{
		"setxattr": func(b *brick, key string) error {
			_, err := b.Setxattr(t.Context(), &fop.SetxattrReq{GFID: b.file, Xattrs: []fop.Xattr{counter(key, 1)}, Internal: true})
			return err
		},
		"removexattr": func(b *brick, key string) error {
			_, err := b.Removexattr(t.Context(), &fop.RemovexattrReq{GFID: b.file, Names: []string{key}, Internal: true})
			if fop.Errno(err) == syscall.ENODATA {
				err = nil
			}
			return err
		},
		"xattrop set": func(b *brick, key string) error {
			_, err := b.Xattrop(t.Context(), &fop.XattropReq{GFID: b.file, Op: fop.XattropSet, Deltas: []fop.Xattr{counter(key, 1)}})
			return err
		},
	}
	for name, f := range set {
		b := newBrick(t, 100, 100)
		b.release(one, 1, fop.Span{Off: 0, End: 10})
		if err := f(b, two); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.knows(known{one: 1}, fop.Span{Off: 0, End: 10})
		if err := f(b, one); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.knows(nil)
	}
}

func TestSmallFiles(t *testing.T) {
	b := newBrick(t, 100, 99)
	b.release(one, 1, fop.Span{Off: 0, End: 10})
	b.knows(nil)
	b = newBrick(t, 0, 0) // an arbiter
	b.release(one, 1, fop.Span{Off: 0, End: 10})
	b.knows(known{one: 1}, fop.Span{Off: 0, End: 10})
}

// Memory is bounded; what is forgotten is not half remembered.
func TestBound(t *testing.T) {
	b := newBrick(t, 0, 0)
	var s fop.Spans
	for k := range int64(fop.MostSpans) {
		s.Add(fop.Span{Off: 2 * k, End: 2*k + 1})
	}
	files := 2 * mostSpans / fop.MostSpans
	for range files {
		b.file = fop.NewGFID()
		b.add(&fop.ReleaseItem{GFID: b.file, Covers: []fop.Xattr{counter(one, 1)}, Missed: s.All()}, []fop.Xattr{counter(one, 1)})
	}
	if n := len(b.files); n != files/2 || b.spans != mostSpans {
		t.Errorf("%d files and %d spans are remembered", n, b.spans)
	}
}

// Counters that were given other values before somebody told what they stand for are others.
func TestToldTooLate(t *testing.T) {
	b := newBrick(t, 100, 100)
	b.release(one, 1, fop.Span{Off: 0, End: 10})
	b.blame(one, 1)
	b.tell(one, 1, fop.Span{Off: 20, End: 30})
	b.knows(known{one: 2}, fop.Span{Off: 0, End: 10}, fop.Span{Off: 20, End: 30})
	b.blame(two, 1)
	if _, err := b.Xattrop(t.Context(), &fop.XattropReq{GFID: b.file, Op: fop.XattropSet, Deltas: []fop.Xattr{counter(two, 0)}}); err != nil {
		t.Fatal(err)
	}
	b.tell(two, 1, fop.Span{Off: 20, End: 30})
	b.knows(nil)
	b.blame(two, 1)
	b.knows(nil)
}

// A file that is made again, by healing, has counters of its own, which nobody explains.
func TestMadeAgain(t *testing.T) {
	b := newBrick(t, 100, 200)
	b.release(one, 1, fop.Span{Off: 0, End: 10})
	req := fop.Req{Caller: &fop.Caller{}}
	if _, err := b.Unlink(t.Context(), &fop.UnlinkReq{Req: req, Parent: fop.RootGFID, Name: "f"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Mknod(t.Context(), &fop.MknodReq{Req: req, Parent: fop.RootGFID, Name: "f", GFID: b.file, Type: fop.TypeReg, Mode: 0o600,
		Mark: []fop.Xattr{counter(one, 1)}}); err != nil {
		t.Fatal(err)
	}
	b.knows(nil)
}

// If a part of what is told is not remembered, nothing is: a stale copy may have changed elsewhere.
func TestSmallMeanwhile(t *testing.T) {
	b := newBrick(t, 100, 100)
	b.release(one, 1, fop.Span{Off: 0, End: 10})
	if _, err := b.Truncate(t.Context(), &fop.TruncateReq{Req: fop.Req{Caller: &fop.Caller{}}, GFID: b.file, Size: 50}); err != nil {
		t.Fatal(err)
	}
	b.release(two, 1, fop.From(0))
	b.knows(nil)
}
