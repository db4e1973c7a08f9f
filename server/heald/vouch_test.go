package heald

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// dark is the first brick of a set of two after its machine lost power, and the engine that
// vouches for it.
type dark struct {
	Engine
	mu      sync.Mutex
	running bool // guarded by mu
	suspect bool // guarded by mu
	alone   bool // guarded by mu; the other brick is away
	vouched int  // guarded by mu; attempts
	visits  int  // guarded by mu; open connections of who vouches
	early   bool // guarded by mu; a crawl began before the brick was let in
	set     *set
}

func (d *dark) is(running, suspect bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running, d.suspect = running, suspect
}

func (d *dark) counts() (vouched, visits int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.vouched, d.visits
}

func (d *dark) Vouch(_ context.Context, child int) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vouched++
	switch {
	case child != 0:
		return false, errors.New("the other brick is not here")
	case d.alone:
		return true, syscall.ENOTCONN
	}
	d.suspect = false
	time.AfterFunc(time.Second, func() { d.set.event(0, xlator.Event{Kind: xlator.ChildUp}) }) // as clients come again
	return true, nil
}

// Pending is asked by crawls.
func (d *dark) Pending(context.Context, int, func(fop.GFID) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.early = d.early || !d.running || d.suspect
	return nil
}

// path is a connection to a brick.
type path struct {
	xlator.Xlator
	d     *dark
	visit bool
}

func (p *path) Watch(func(xlator.Event)) {}

func (p *path) Close() error {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	if p.visit {
		p.d.visits--
	}
	return nil
}

func (p *path) Getxattr(_ context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	v := "0"
	switch {
	case !p.d.running || p.d.suspect && !p.visit:
		return nil, syscall.ENOTCONN
	case q.Name == fop.SuspectXattr && p.d.suspect:
		v = "1"
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(v)}}}, nil
}

// newDarkSet makes a set whose first brick, which is here, is d.
func newDarkSet(t *testing.T, d *dark) *set {
	t.Helper()
	g, err := volfile.Parse(setVolfile)
	if err != nil {
		t.Fatal(err)
	}
	d.set, err = newSet(&Config{Log: slog.New(slog.DiscardHandler),
		Client: func(_ xlator.Env, opts xlator.Options, _ []xlator.Xlator) (xlator.Xlator, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			p := &path{d: d, visit: opts["vouches"] == "on"}
			if p.visit {
				d.visits++
			}
			return p, nil
		},
		Engine: func(*volfile.Node, []xlator.Xlator, *slog.Logger) (Engine, error) { return d, nil }}, g, g.Top(), "")
	if err != nil {
		t.Fatal(err)
	}
	return d.set
}

// A brick of this node that lost power is vouched for when it is back, and so is every other
// brick of the set; who only vouched is gone then.
func TestVouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dark{alone: true}
		s := newDarkSet(t, d)
		s.start(t.Context())
		defer s.close()
		s.event(1, xlator.Event{Kind: xlator.ChildUp})
		time.Sleep(time.Minute)
		if vouched, visits := d.counts(); vouched != 0 || visits != 1 {
			t.Errorf("while it is away: vouched for it %d times over %d connections, want one that waits for it", vouched, visits)
		}
		d.is(true, true)
		time.Sleep(5 * time.Second)
		if vouched, visits := d.counts(); vouched < 5 || visits != 2 {
			t.Errorf("while another brick is away: %d attempts over %d connections", vouched, visits)
		}
		d.mu.Lock()
		d.alone = false
		d.mu.Unlock()
		time.Sleep(3 * time.Second)
		done, visits := d.counts()
		if up, _ := s.connected(0); !up || visits != 0 {
			t.Errorf("with all there: the brick is connected %v, %d connections are left", up, visits)
		}
		time.Sleep(time.Minute)
		if n, visits := d.counts(); n != done || visits != 0 {
			t.Errorf("afterwards it vouched %d times more, %d connections are left", n-done, visits)
		}
		if d.early || len(s.crawlers[0].stats().Crawls) == 0 {
			t.Errorf("healed from the brick's index before it was vouched for: %v; crawls %v", d.early, s.crawlers[0].stats().Crawls)
		}
	})
}

// Where healing is off, bricks that lost power are blamed for what they forgot all the same.
func TestVouchWithoutHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dark{running: true, suspect: true}
		s := newDarkSet(t, d)
		s.passive = true
		s.start(t.Context())
		defer s.close()
		s.event(1, xlator.Event{Kind: xlator.ChildUp})
		time.Sleep(5 * time.Second)
		if up, _ := s.connected(0); !up {
			t.Error("the brick was not vouched for")
		}
		if crawls := s.crawlers[0].stats().Crawls; len(crawls) != 0 {
			t.Errorf("crawls %v", crawls)
		}
	})
}

// A brick that was only away, and one that lets clients in by itself, are not vouched for.
func TestNothingToVouchFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dark{alone: true}
		s := newDarkSet(t, d)
		s.start(t.Context())
		defer s.close()
		up := func() { s.event(0, xlator.Event{Kind: xlator.ChildUp}) }
		time.Sleep(time.Minute)
		d.is(true, false)
		time.AfterFunc(time.Second, up)
		time.Sleep(time.Minute)
		if vouched, visits := d.counts(); vouched != 0 || visits != 0 {
			t.Errorf("vouched %d times for a brick that was only away; %d connections are left", vouched, visits)
		}
		s.event(0, xlator.Event{Kind: xlator.ChildDown})
		d.is(true, true)
		time.Sleep(10 * time.Second)
		d.is(true, false)
		up()
		time.Sleep(time.Second)
		before, visits := d.counts()
		time.Sleep(time.Minute)
		if after, _ := d.counts(); after != before || visits != 0 {
			t.Errorf("vouched %d times for a brick that had let clients in; %d connections were left", after-before, visits)
		}
	})
}

// The end of a set does not wait for a brick.
func TestCloseWhileVouching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dark{alone: true, running: true, suspect: true}
		s := newDarkSet(t, d)
		s.start(t.Context())
		time.Sleep(10 * time.Second)
		s.close()
		if vouched, visits := d.counts(); vouched == 0 || visits != 0 {
			t.Errorf("%d attempts, %d connections are left", vouched, visits)
		}
	})
}
