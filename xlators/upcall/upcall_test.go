package upcall

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

func open(t *testing.T) xlator.Xlator {
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(xlator.Env{}, xlator.Options{"xattrop-pending-watchlist": "trusted.afr.v-"}, []xlator.Xlator{m})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, open, xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL)
}

// world is a brick with clients 1 (who blames) and 2 (who looks).
type world struct {
	t    *testing.T
	x    *Upcall
	gfid fop.GFID

	mu   sync.Mutex
	told []xlator.Event // client 2; guarded by mu
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, x: open(t).(*Upcall), gfid: fop.NewGFID()}
	w.x.Watch(func(e xlator.Event) {
		if e.Client == 2 && e.Kind == xlator.Invalidate {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, e)
		}
	})
	_, err := w.x.Mkdir(t.Context(), &fop.MkdirReq{Req: by(1), Parent: fop.RootGFID, Name: "d", GFID: w.gfid, Mode: 0o755})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func by(client uint64) fop.Req { return fop.Req{Caller: &fop.Caller{Client: client}} }

func (w *world) look(q fop.LookupReq) {
	w.t.Helper()
	q.Req, q.Want = by(2), []string{"trusted.afr.v-client-0", fop.GlanceXattr}
	if _, err := w.x.Lookup(w.t.Context(), &q); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(name string) {
	w.t.Helper()
	if _, err := w.x.Getxattr(w.t.Context(), &fop.GetxattrReq{Req: by(2), GFID: fop.RootGFID, Name: name, Internal: true}); err != nil && !errors.Is(err, syscall.ENODATA) {
		w.t.Fatal(err)
	}
}

// blame blames client-0 (or takes that back) and tells how long it took.
func (w *world) blame(ctx context.Context, delta byte) (time.Duration, error) {
	w.t.Helper()
	value := []byte{0, 0, 0, delta, 0, 0, 0, 0, 0, 0, 0, 0}
	if delta >= 0x80 {
		value = []byte{0xff, 0xff, 0xff, delta, 0, 0, 0, 0, 0, 0, 0, 0}
	}
	begin := time.Now()
	_, err := w.x.Xattrop(ctx, &fop.XattropReq{Req: by(1), GFID: w.gfid, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: "trusted.afr.v-client-0", Value: value}}})
	return time.Since(begin), err
}

// Whoever relies on what it saw is told, and waited for as long as it may rely on it.
func TestBlameWaits(t *testing.T) {
	looks := map[string]struct {
		look func(w *world)
		told bool
	}{
		"at the inode":            {func(w *world) { w.look(fop.LookupReq{GFID: w.gfid}) }, true},
		"at its name":             {func(w *world) { w.look(fop.LookupReq{Parent: fop.RootGFID, Name: "d"}) }, true},
		"at whether all is clean": {func(w *world) { w.get(fop.CleanXattr) }, true},
		"at another inode":        {func(w *world) { w.look(fop.LookupReq{GFID: fop.RootGFID}) }, false},
		"long ago":                {func(w *world) { w.look(fop.LookupReq{GFID: w.gfid}); time.Sleep(2 * fop.GlanceTime) }, false},
		"only for the number":     {func(w *world) { w.get(fop.PendingCountXattr) }, false},
	}
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				l.look(w)
				took, err := w.blame(t.Context(), 1)
				if err != nil || took > 0 != l.told || took > fop.GlanceTime || len(w.told) > 0 != l.told {
					t.Errorf("the blame took %v, %v; client 2 was told %v", took, err, w.told)
				}
			})
		})
	}
}

// A client that says that it has heard is waited for no longer, also by other blames.
func TestHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.look(fop.LookupReq{GFID: w.gfid})
		took := make(chan time.Duration)
		for range 2 {
			go func() {
				d, _ := w.blame(t.Context(), 1)
				took <- d
			}()
		}
		synctest.Wait()
		if len(w.told) != 2 {
			t.Fatalf("client 2 was told %v", w.told)
		}
		time.Sleep(time.Millisecond)
		for _, e := range w.told {
			w.get(fop.HeardXattr + e.Name)
		}
		for range 2 {
			if d := <-took; d != time.Millisecond {
				t.Errorf("a blame took %v", d)
			}
		}
		if d, _ := w.blame(t.Context(), 1); d != 0 {
			t.Errorf("a blame took %v although nobody relies on anything", d)
		}
	})
}

// Who looks again after a blame relies on what it sees then, although it hears late.
func TestLookAfterBlame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.look(fop.LookupReq{GFID: w.gfid})
		go w.blame(t.Context(), 1)
		synctest.Wait()
		w.look(fop.LookupReq{GFID: w.gfid})
		w.get(fop.HeardXattr + w.told[0].Name)
		if d, _ := w.blame(t.Context(), 1); d == 0 {
			t.Error("the second look is forgotten")
		}
	})
}

// Taking blame back makes nobody's knowledge dangerous; and who gives up is not told that
// its blame is in force.
func TestBlameEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.look(fop.LookupReq{GFID: w.gfid})
		if d, err := w.blame(t.Context(), 0xff); d != 0 || err != nil {
			t.Errorf("taking blame back took %v, %v", d, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if d, err := w.blame(ctx, 1); d != time.Millisecond || !errors.Is(err, syscall.EINTR) {
			t.Errorf("a blame that is given up: %v, %v", d, err)
		}
	})
}
