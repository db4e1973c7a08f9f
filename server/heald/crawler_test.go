package heald

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// index is a brick as the crawler sees it, and the engine that heals it.
type index struct {
	xlator.Xlator
	mu      sync.Mutex
	pending map[fop.GFID]heal.Kind // guarded by mu; what healing it will say; Healed takes it out
	waits   map[fop.GFID]fop.GFID  // guarded by mu; healed only after the other
	dirty   bool                   // they are dirty only: not counted. guarded by mu
	tried   int
	ejected int
	watch   func(xlator.Event)
}

func (x *index) Eject(string) { x.ejected++ }

func (x *index) Watch(f func(xlator.Event)) { x.watch = f }
func (x *index) Close() error               { return nil }

func (x *index) Getxattr(_ context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name == fop.SuspectXattr {
		return nil, syscall.ENOTCONN // asked only of a brick that is away
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	n := len(x.pending)
	if x.dirty {
		n = 0
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Value: strconv.AppendInt(nil, int64(n), 10)}}}, nil
}

func (x *index) Pending(_ context.Context, _ int, yield func(fop.GFID) error) error {
	x.mu.Lock()
	var all []fop.GFID
	for g := range x.pending {
		all = append(all, g)
	}
	x.mu.Unlock()
	for _, g := range all {
		if err := yield(g); err != nil {
			return err
		}
	}
	return nil
}

func (x *index) Inode(_ context.Context, g fop.GFID) (heal.Outcome, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tried++
	if on, ok := x.waits[g]; ok {
		if _, still := x.pending[on]; still {
			return heal.Outcome{Kind: heal.Partly}, nil
		}
	}
	k, ok := x.pending[g]
	switch {
	case !ok:
		return heal.Outcome{}, nil
	case k == heal.Healed:
		delete(x.pending, g)
		return heal.Outcome{Kind: heal.Healed, BytesWritten: 10}, nil
	case k == heal.Failed:
		return heal.Outcome{Kind: k}, errors.New("refused")
	}
	return heal.Outcome{Kind: k}, nil
}

func (x *index) Vouch(context.Context, int) (bool, error) {
	return false, errors.New("nobody should be vouched for")
}

func (x *index) tries() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tried
}

func (x *index) Compare(ctx context.Context, g fop.GFID) (heal.Outcome, error) {
	return x.Inode(ctx, g)
}

func (x *index) Inspect(_ context.Context, g fop.GFID) (heal.State, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch k, ok := x.pending[g]; {
	case !ok:
		return heal.State{}, nil
	case k == heal.SplitBrain:
		return heal.State{Data: heal.Split}, nil
	}
	return heal.State{Data: heal.Needs}, nil
}

func (x *index) Resolve(_ context.Context, g fop.GFID, _ heal.Resolution) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.pending[g] != heal.SplitBrain {
		return heal.ErrNotSplit
	}
	delete(x.pending, g)
	return nil
}

const setVolfile = `volume v-client-0
    type protocol/client
    option remote-host h1
    option remote-subvolume /b
end-volume
volume v-client-1
    type protocol/client
    option remote-host h2
    option remote-subvolume /b
end-volume
volume v-replicate-0
    type cluster/replicate
    option volume v
    option local v-client-0
    option quorum-type none
    subvolumes v-client-0 v-client-1
end-volume
`

// newTestSet makes a set whose first brick is here, and lists x.
func newTestSet(t *testing.T, x *index) *set {
	t.Helper()
	g, err := volfile.Parse(setVolfile)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &Config{Log: slog.New(slog.DiscardHandler),
		Client: func(xlator.Env, xlator.Options, []xlator.Xlator) (xlator.Xlator, error) { return x, nil },
		Engine: func(*volfile.Node, []xlator.Xlator, *slog.Logger) (Engine, error) { return x, nil }}
	s, err := newSet(cfg, g, g.Top(), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func gfid(n byte) fop.GFID { return fop.GFID{15: n, 0: 9} }

func TestCrawler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &index{pending: map[fop.GFID]heal.Kind{gfid(1): heal.Healed, gfid(2): heal.Healed, gfid(3): heal.SplitBrain, gfid(4): heal.Failed},
			waits: map[fop.GFID]fop.GFID{gfid(1): gfid(2)}}
		s := newTestSet(t, x)
		s.start(t.Context())
		defer s.close()
		c := s.crawlers[0]
		time.Sleep(5 * time.Second)
		if x.tries() != 0 {
			t.Error("it heals although no brick is connected")
		}
		s.event(0, xlator.Event{Kind: xlator.ChildUp})
		s.event(1, xlator.Event{Kind: xlator.ChildUp})
		time.Sleep(10 * time.Second)
		if n, _ := s.count(t.Context(), 0); n != 2 {
			t.Errorf("%d entries are left, want the two that cannot be healed", n)
		}
		info, err := c.info(t.Context(), &mgmt.HealInfoAsk{})
		if err != nil || info.Total != 2 || info.Split != 1 {
			t.Errorf("counts = %+v, %v", info, err)
		}
		if st := c.stats(); st.Healed != 2 || st.Written != 20 || len(st.Crawls) < 2 || st.Crawls[0].SplitBrain != 1 || st.Crawls[0].Failed != 1 {
			t.Errorf("statistics = %+v", st)
		}
		// What cannot be healed is tried less and less often.
		before := x.tries()
		time.Sleep(10 * time.Minute)
		if n := x.tries() - before; n > 60 {
			t.Errorf("two inodes that cannot be healed were tried %d times in ten minutes", n)
		}
		list, err := c.info(t.Context(), &mgmt.HealInfoAsk{Entries: true, Split: true})
		if err != nil || len(list.Entries) != 1 || list.Entries[0].GFID != gfid(3).String() {
			t.Errorf("split-brains = %+v, %v", list, err)
		}
		done, err := c.resolve(t.Context(), "source-brick", "")
		if err != nil || len(done) != 1 || done[0].Error != "" {
			t.Errorf("resolved = %+v, %v", done, err)
		}
		if done, _ := c.resolve(t.Context(), "bigger-file", "gfid:"+gfid(4).String()); len(done) != 1 || done[0].Error != heal.ErrNotSplit.Error() {
			t.Errorf("resolving what is not split = %+v", done)
		}
	})
}

func TestSetsFollowTheVolfile(t *testing.T) {
	x := &index{}
	d := &Daemon{sets: map[string]*set{}, cfg: Config{Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(t.TempDir(), "s"),
		Client: func(xlator.Env, xlator.Options, []xlator.Xlator) (xlator.Xlator, error) { return x, nil },
		Engine: func(*volfile.Node, []xlator.Xlator, *slog.Logger) (Engine, error) { return x, nil }}}
	defer d.closeAll()
	top := "volume heald\n    type heal/sets\n    subvolumes v-replicate-0\nend-volume\n"
	if err := d.use(t.Context(), setVolfile+top); err != nil {
		t.Fatal(err)
	}
	first := d.setsOf("v")
	if len(first) != 1 || d.crawler(&mgmt.HealBrick{Volume: "v", Brick: "h1:/b"}) == nil || d.crawler(&mgmt.HealBrick{Volume: "v", Brick: "h2:/b"}) != nil {
		t.Fatalf("sets %v: want one, with a crawler for the brick of this node", first)
	}
	if err := d.use(t.Context(), setVolfile+top); err != nil || d.setsOf("v")[0] != first[0] {
		t.Errorf("a set that is the same was replaced: %v", err)
	}
	if err := d.use(t.Context(), ""); err != nil || len(d.setsOf("v")) != 0 {
		t.Errorf("a volfile without sets leaves %v: %v", d.setsOf("v"), err)
	}
}

// What is only dirty is not counted as pending. If a client is at work on it when the crawl
// comes by, it is healed soon after the client has ended.
func TestDirtyAndInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &index{pending: map[fop.GFID]heal.Kind{gfid(1): heal.Busy}, dirty: true}
		s := newTestSet(t, x)
		s.start(t.Context())
		defer s.close()
		s.event(0, xlator.Event{Kind: xlator.ChildUp})
		s.event(1, xlator.Event{Kind: xlator.ChildUp})
		time.Sleep(20 * time.Second)
		if n := x.tries(); n == 0 || n > 20 {
			t.Errorf("an inode in use was tried %d times in 20 seconds", n)
		}
		x.mu.Lock()
		x.pending[gfid(1)] = heal.Healed
		x.mu.Unlock()
		time.Sleep(mostRest)
		x.mu.Lock()
		defer x.mu.Unlock()
		if len(x.pending) > 0 {
			t.Error("it is not healed a minute after it was left")
		}
	})
}

// A brick whose disk hangs would keep locked what is being healed.
func TestSlowBrickIsGivenUp(t *testing.T) {
	x := &index{}
	s := newTestSet(t, x)
	defer s.close()
	s.event(1, xlator.Event{Kind: xlator.ChildSlow, Reason: "a request has waited for 10s"})
	if x.ejected != 1 {
		t.Errorf("it was given up %d times", x.ejected)
	}
	s.event(1, xlator.Event{Kind: xlator.ChildUp})
	if x.ejected != 1 {
		t.Error("it was given up when it came back")
	}
}
