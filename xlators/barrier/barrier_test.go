package barrier

import (
	"context"
	"errors"
	"syscall"
	"testing"
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
	x, err := New(xlator.Env{}, nil, []xlator.Xlator{m})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, open, xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL)
}

var req = fop.Req{Caller: &fop.Caller{}}

// answered tells whether ch gets its answer within a moment.
func answered(ch <-chan error) bool {
	select {
	case <-ch:
		return true
	case <-time.After(20 * time.Millisecond):
		return false
	}
}

func TestBarrier(t *testing.T) {
	b := open(t).(*Barrier)
	defer b.Close()
	ctx := t.Context()
	create := func(name string, flags uint32) xlator.File {
		r, err := b.Create(ctx, &fop.CreateReq{Req: req, Parent: fop.RootGFID, Name: name, GFID: fop.NewGFID(), Mode: 0o644, Flags: flags})
		if err != nil {
			t.Fatal(err)
		}
		return r.File
	}
	plain, durable := create("a", syscall.O_RDWR), create("b", syscall.O_RDWR|syscall.O_DSYNC)
	defer plain.Close()
	defer durable.Close()
	fops := map[string]func() error{
		"unlink": func() error {
			_, err := b.Unlink(ctx, &fop.UnlinkReq{Req: req, Parent: fop.RootGFID, Name: "a"})
			return err
		},
		"fsync": func() error { _, err := plain.Fsync(ctx, &fop.FsyncReq{Req: req}); return err },
		"synchronous write": func() error {
			_, err := durable.Writev(ctx, &fop.WritevReq{Req: req, Data: []byte("x")})
			return err
		},
	}
	if err := b.Enable(time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := b.Enable(time.Hour); !errors.Is(err, ErrUp) {
		t.Errorf("Enable twice = %v", err)
	}
	if _, err := plain.Writev(ctx, &fop.WritevReq{Req: req, Data: []byte("x")}); err != nil {
		t.Errorf("a plain write: %v", err)
	}
	answers := map[string]chan error{}
	for name, do := range fops {
		ch := make(chan error, 1)
		answers[name] = ch
		go func() { ch <- do() }()
	}
	for name, ch := range answers {
		if answered(ch) {
			t.Errorf("%s was answered", name)
		}
	}
	if err := b.Disable(); err != nil {
		t.Fatal(err)
	}
	for name, ch := range answers {
		if err := <-ch; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.Disable(); !errors.Is(err, ErrDown) {
		t.Errorf("Disable twice = %v", err)
	}
}

func TestTimeout(t *testing.T) {
	b := open(t).(*Barrier)
	defer b.Close()
	if err := b.Enable(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Removexattr(context.Background(), &fop.RemovexattrReq{Req: req, GFID: fop.RootGFID, Names: []string{"user.x"}}); !errors.Is(err, syscall.ENODATA) {
		t.Errorf("Removexattr = %v", err)
	}
	for b.Disable() == nil { // it may have been quicker
		t.Error("the barrier did not come down by itself")
	}
}

func TestClientGone(t *testing.T) {
	b := open(t).(*Barrier)
	defer b.Close()
	if err := b.Enable(time.Hour); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.Rmdir(ctx, &fop.RmdirReq{Req: req, Parent: fop.RootGFID, Name: "x"}) // returns
}
