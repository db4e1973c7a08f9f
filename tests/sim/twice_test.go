package sim

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// Two losses of power, one soon after the other, with all that matters in between.

// script runs f over a set of which nothing happens by itself.
func script(t *testing.T, c config, f func(s *sim)) {
	synctest.Test(t, func(t *testing.T) {
		s := &sim{t: t, conf: c, seed: 1, start: time.Now(), byGFID: map[fop.GFID]*inode{}, record: newRecord(), latency: 20 * time.Microsecond}
		for i := range c.bricks {
			s.bricks = append(s.bricks, newBrick(t, c.arbiter && i == c.bricks-1))
		}
		s.voucher = s.healer(948)
		f(s)
	})
}

// forgetful loses all that is not durable.
func forgetful() *rand.Rand {
	for k := uint64(0); ; k++ {
		if r := rand.New(rand.NewPCG(k, 0)); r.IntN(3) == 2 && r.IntN(3) == 0 {
			return rand.New(rand.NewPCG(k, 0))
		}
	}
}

// loses takes the power from brick i's machine, and brings it back after meanwhile. Clients can
// come to it when it was vouched for.
func (s *sim) loses(i int, meanwhile func()) {
	s.t.Helper()
	links := slices.DeleteFunc(slices.Clone(s.links), func(l *link) bool { return l.brick != s.bricks[i] || l == s.vlinks[i] })
	s.vlinks[i].hold()
	for _, l := range links {
		l.hold()
	}
	time.Sleep(time.Second)
	meanwhile()
	j, err := s.bricks[i].journal.afterLoss(forgetful(), false)
	if err == nil {
		err = s.bricks[i].start(j, true)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.vlinks[i].release()
	if was, err := s.voucher.Vouch(ctx, i); !was || err != nil {
		s.t.Fatalf("vouching for brick %d: %v, %v", i, was, err)
	}
	for _, l := range links {
		l.release()
	}
	time.Sleep(time.Second)
}

// healAll heals until nothing is pending.
func (s *sim) healAll() {
	s.t.Helper()
	for range 20 {
		gs := s.pending(s.voucher)
		if len(gs) == 0 {
			return
		}
		for _, g := range gs {
			if o, err := s.voucher.Inode(ctx, g); err != nil {
				s.t.Fatalf("healing %s: %+v, %v", short(g), o, err)
			}
		}
		time.Sleep(time.Second)
	}
	for _, g := range s.pending(s.voucher) {
		o, err := s.voucher.Inode(ctx, g)
		s.t.Errorf("%s is not healed: %+v, %v", short(g), o, err)
	}
}

func (s *sim) create(c *client, name, content string) fop.GFID {
	s.t.Helper()
	g := fop.NewGFID()
	r, err := c.Create(ctx, &fop.CreateReq{Req: req(), Parent: fop.RootGFID, Name: name, GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		s.t.Fatal(err)
	}
	r.File.Close()
	s.write(c, g, content)
	return g
}

func (s *sim) write(c *client, g fop.GFID, content string) {
	s.t.Helper()
	r, err := c.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_RDWR})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.File.Close()
	if _, err := r.File.Writev(ctx, &fop.WritevReq{Req: req(), Data: []byte(content)}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sim) read(c *client, g fop.GFID) (string, error) {
	r, err := c.Open(ctx, &fop.OpenReq{Req: req(), GFID: g})
	if err != nil {
		return "", err
	}
	defer r.File.Close()
	buf := make([]byte, 100)
	n, err := r.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
	if err != nil {
		return "", err
	}
	return string(buf[:n.N]), nil
}

// A brick loses its power right after it blamed another one that had lost it before.
func TestPowerTwice(t *testing.T) {
	script(t, configs[1], func(s *sim) {
		c := s.connect(0)
		f := s.create(c, "f", "old")
		time.Sleep(5 * time.Second) // all is durable
		s.write(c, f, "new")
		c.crash()
		s.loses(0, func() {})
		s.loses(1, func() {})
		d := s.connect(1)
		time.Sleep(time.Second)
		d.links[2].hold()
		if got, err := s.read(d, f); err == nil && got != "new" || err != nil && !fop.IsDown(err) {
			t.Errorf("without the brick that never lost its power the file is %q, %v", got, err)
		}
		d.links[2].release()
		c.Close()
		s.healAll()
		time.Sleep(time.Second)
		if got, err := s.read(d, f); got != "new" {
			t.Errorf("after healing the file is %q, %v", got, err)
		}
		d.Close()
	})
}

// A brick loses its power right after another one was healed from it; that one goes on alone.
func TestPowerAfterHealing(t *testing.T) {
	for name, missed := range map[string]func(s *sim, c *client) fop.GFID{
		"a change": func(s *sim, c *client) fop.GFID {
			f := s.create(c, "f", "old")
			time.Sleep(5 * time.Second)
			c.links[1].hold()
			s.write(c, f, "new")
			return f
		},
		"a creation": func(s *sim, c *client) fop.GFID {
			c.links[1].hold()
			return s.create(c, "f", "new")
		},
	} {
		t.Run(name, func(t *testing.T) {
			script(t, configs[0], func(s *sim) {
				c := s.connect(0)
				f := missed(s, c)
				time.Sleep(5 * time.Second)
				c.links[1].release()
				time.Sleep(5 * time.Second)
				s.healAll()
				s.loses(0, func() { s.write(c, f, "newer") })
				time.Sleep(5 * time.Second)
				s.healAll()
				if got, err := s.read(c, f); got != "newer" {
					t.Errorf("the file is %q, %v", got, err)
				}
				c.Close()
			})
		})
	}
}
