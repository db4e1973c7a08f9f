package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lookup(name string) *fop.LookupReq {
	return &fop.LookupReq{Req: root, Parent: fop.RootGFID, Name: name}
}

func wantErrno(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	if got := fop.Errno(err); got != want || err == nil && want != 0 {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

func openFile(t *testing.T, p *peer) xlator.File {
	t.Helper()
	r, err := p.Open(context.Background(), &fop.OpenReq{Req: root, GFID: fop.RootGFID})
	if err != nil {
		t.Fatal(err)
	}
	return r.File
}

func TestCalls(t *testing.T) {
	top := newStub()
	p := connect(t, serve(t, top, server.Config{}), nil)
	p.wait(t, xlator.ChildUp)
	ctx := context.Background()
	r, err := p.Lookup(ctx, lookup("file"))
	if err != nil || r.Iatt.Size != 42 || r.Parent.Type != fop.TypeDir {
		t.Fatalf("Lookup = %+v, %v", r, err)
	}
	_, err = p.Lookup(ctx, lookup("missing"))
	wantErrno(t, "missing", err, syscall.ENOENT)
	_, err = p.Lookup(ctx, lookup("panic"))
	wantErrno(t, "panic", err, syscall.EIO)

	d, err := p.Opendir(ctx, &fop.OpendirReq{Req: root, GFID: fop.RootGFID})
	if err != nil {
		t.Fatal(err)
	}
	ls, err := d.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: root, Size: 4096})
	if err != nil || len(ls.Entries) != 1 || ls.Entries[0].Name != "a\xff" || !ls.EOF {
		t.Fatalf("Readdirp = %+v, %v", ls, err)
	}
	d.Dir.Close()
	<-top.entered

	copy(top.data, "content")
	o, err := p.Open(ctx, &fop.OpenReq{Req: root, GFID: fop.RootGFID, Content: 7})
	if err != nil || string(o.Content) != "content" {
		t.Fatalf("Open = %+v, %v", o, err)
	}
	big := bytes.Repeat([]byte("x"), 9<<20) // more than a frame
	if w, err := o.File.Writev(ctx, &fop.WritevReq{Req: root, Data: big}); err != nil || w.N != len(big) {
		t.Fatalf("Writev = %+v, %v", w, err)
	}
	buf := make([]byte, 9<<20)
	if r, err := o.File.Readv(ctx, &fop.ReadvReq{Req: root, Buf: buf}); err != nil || r.N != 1<<20 || buf[r.N-1] != 'x' || buf[r.N] != 0 {
		t.Fatalf("Readv = %+v, %v", r, err)
	}
	o.File.Close()
	<-top.entered
	if n := top.opens.Load(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
	p.Forget(ctx, &fop.ForgetReq{Req: root, GFIDs: []fop.GFID{fop.RootGFID}})
	if got := <-top.entered; got != "forget" {
		t.Errorf("%s instead of forget", got)
	}
}

// TestLost cuts the connection under a call.
func TestLost(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{})
	p := connect(t, l, nil)
	up := p.wait(t, xlator.ChildUp)
	first := make(chan string, 10)
	p.Watch(func(e xlator.Event) {
		if e.Kind == xlator.ChildDown {
			first <- "ChildDown"
		}
	})
	done := make(chan error)
	go func() {
		_, err := p.Lookup(context.Background(), lookup("block"))
		first <- "ENOTCONN"
		done <- err
	}()
	<-top.entered
	l.cut(true)
	wantErrno(t, "cut call", <-done, syscall.ENOTCONN)
	if got := <-first; got != "ChildDown" {
		t.Error("the call failed before ChildDown was told")
	}
	_, err := p.Lookup(context.Background(), lookup("file"))
	wantErrno(t, "call while down", err, syscall.ENOTCONN)
	<-top.discon

	l.cut(false)
	again := p.wait(t, xlator.ChildUp)
	if again.Session == up.Session || again.Session == 0 {
		t.Errorf("session %d after %d", again.Session, up.Session)
	}
	q := lookup("file")
	q.Session = up.Session
	_, err = p.Lookup(context.Background(), q)
	wantErrno(t, "call of the old session", err, syscall.ENOTCONN)
	q.Session = again.Session
	_, err = p.Lookup(context.Background(), q)
	wantErrno(t, "call of the new session", err, 0)
	late := make(chan xlator.Event, 1)
	p.Watch(func(e xlator.Event) { late <- e })
	if e := <-late; e.Kind != xlator.ChildUp || e.Session != again.Session {
		t.Errorf("a late watcher was told %+v", e)
	}
}

func TestReopen(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{})
	p := connect(t, l, nil)
	p.wait(t, xlator.ChildUp)
	ctx := context.Background()
	kept, lost, unlocked := openFile(t, p), openFile(t, p), openFile(t, p)
	d, err := p.Opendir(ctx, &fop.OpendirReq{Req: root, GFID: fop.RootGFID})
	if err != nil {
		t.Fatal(err)
	}
	lock := func(f xlator.File, owner fop.LkOwner, typ fop.LkType) error {
		_, err := f.Lk(ctx, &fop.LkReq{Req: root, Cmd: fop.LkSet, Type: typ, Owner: owner, End: 1 << 63})
		return err
	}
	for _, err := range []error{lock(kept, 1, fop.LkWrite), lock(lost, 2, fop.LkWrite), lock(unlocked, 3, fop.LkWrite), lock(unlocked, 3, fop.LkUnlock)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	old := <-kick(top, l, true)
	top.mu.Lock()
	if len(top.holder) != 0 {
		t.Errorf("locks of client %d survive it: %v", old, top.holder)
	}
	top.holder[2] = 999 // somebody else was quicker
	top.mu.Unlock()
	l.cut(false)
	p.wait(t, xlator.ChildUp)

	write := func(f xlator.File) error {
		_, err := f.Writev(ctx, &fop.WritevReq{Req: root, Data: []byte("x")})
		return err
	}
	wantErrno(t, "write to the file with its lock", write(kept), 0)
	wantErrno(t, "write to the unlocked file", write(unlocked), 0)
	wantErrno(t, "write to the file whose lock is lost", write(lost), syscall.EBADFD)
	if _, err := d.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: root}); err != nil {
		t.Error(err)
	}
	top.mu.Lock()
	if len(top.holder) != 2 || top.holder[1] == 0 {
		t.Errorf("locks after the reconnect: %v", top.holder)
	}
	top.openErr = syscall.ESTALE
	top.mu.Unlock()
	<-kick(top, l, false)
	p.wait(t, xlator.ChildUp)
	wantErrno(t, "write to a file that is gone", write(kept), syscall.EBADFD)
}

// kick cuts the connection; the channel tells of the server's clean-up.
func kick(top *stub, l *link, refuse bool) <-chan uint64 {
	l.cut(refuse)
	return top.discon
}

func TestCancel(t *testing.T) {
	top := newStub()
	p := connect(t, serve(t, top, server.Config{MaxInFlight: 4}), nil)
	p.wait(t, xlator.ChildUp)
	ctx, cancel := context.WithCancel(context.Background())
	// More waiting locks than calls are allowed at once.
	const n = 20
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := p.Inodelk(ctx, &fop.InodelkReq{Req: root, GFID: fop.RootGFID, Cmd: fop.LockWait})
			errs <- err
		}()
	}
	for range n {
		<-top.entered
	}
	_, err := p.Lookup(context.Background(), lookup("file"))
	wantErrno(t, "call beside waiting locks", err, 0)
	abandoned := make(chan error)
	go func() {
		_, err := p.Lookup(ctx, lookup("block"))
		abandoned <- err
	}()
	<-top.entered
	cancel()
	wantErrno(t, "abandoned call", <-abandoned, syscall.EINTR)
	for range n {
		wantErrno(t, "cancelled lock", <-errs, syscall.EINTR)
	}
}

func TestLimitHoldsBack(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{MaxInFlight: 2})
	p := connect(t, l, nil)
	p.wait(t, xlator.ChildUp)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { p.Lookup(ctx, lookup("block")) })
	}
	<-top.entered
	<-top.entered
	if c := l.srv.Clients(); len(c) != 1 || c[0].InFlight != 2 {
		t.Errorf("Clients() = %+v", c)
	}
	cancel()
	wg.Wait()
}

func TestEvents(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{})
	a, b := connect(t, l, nil), connect(t, l, nil)
	a.wait(t, xlator.ChildUp)
	b.wait(t, xlator.ChildUp)
	a.Lookup(context.Background(), lookup("file"))
	top.watchers.Tell(xlator.Event{Kind: xlator.Contention, GFID: fop.RootGFID, Domain: "d", Name: "n", Entry: true, Client: top.lastConn.Load()})
	top.watchers.Tell(xlator.Event{Kind: xlator.Invalidate, GFID: fop.RootGFID})
	if e := <-a.events; e.Kind != xlator.Contention || e.Domain != "d" || e.Name != "n" || !e.Entry || e.GFID != fop.RootGFID {
		t.Errorf("a was told %+v", e)
	}
	if e := <-a.events; e.Kind != xlator.Invalidate {
		t.Errorf("a was told %+v", e)
	}
	if e := <-b.events; e.Kind != xlator.Invalidate {
		t.Errorf("b was told %+v", e)
	}
	// The brick's disk fails, and recovers.
	top.watchers.Tell(xlator.Event{Kind: xlator.ChildDown, Reason: "the disk is broken"})
	if e := a.wait(t, xlator.ChildDown); e.Reason != "the disk is broken" {
		t.Errorf("a was told %+v", e)
	}
	b.wait(t, xlator.ChildDown)
	if r := refusal(t, l, &wire.Hello{Version: wire.Version}); !strings.Contains(r, "the disk is broken") {
		t.Errorf("refused with %q", r)
	}
	top.watchers.Tell(xlator.Event{Kind: xlator.ChildUp})
	a.wait(t, xlator.ChildUp)
	b.wait(t, xlator.ChildUp)
}

// refusal introduces itself with h and returns the reason of the refusal; "": let in.
func refusal(t *testing.T, l *link, h *wire.Hello) string {
	t.Helper()
	c := rawConn(t, l)
	var pool wire.Pool
	w := wire.NewWriter(c)
	defer w.Close()
	c.Write([]byte(wire.Preamble))
	head := pool.Get(wire.HeaderSize)
	head.B, _ = wire.Hellos.Append(head.B, h)
	w.Send(wire.Header{Kind: wire.KindHello}, head, nil)
	hd, m, err := wire.NewReader(c, &pool).Next()
	if err != nil {
		t.Fatal(err)
	}
	if hd.Errno == 0 {
		return ""
	}
	r, err := wire.HelloReplies.Parse(m.B)
	if err != nil {
		t.Fatal(err)
	}
	return r.Reason
}

func rawConn(t *testing.T, l *link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRefusal(t *testing.T) {
	l := serve(t, newStub(), server.Config{Volume: "demo", VolumeID: "0123", Brick: "/b", Auth: func(_ net.Addr, h *wire.Hello) error {
		if h.Username == "eve" {
			return errors.Join(errors.New("eve may not"), syscall.EACCES)
		}
		return nil
	}})
	for _, c := range []struct {
		hello wire.Hello
		want  string
	}{
		{wire.Hello{Version: wire.Version, Volume: "demo", Brick: "/b"}, ""},
		{wire.Hello{Version: wire.Version, Volume: "0123", Brick: "/b"}, ""},
		{wire.Hello{Version: wire.Version}, ""},
		{wire.Hello{Version: wire.Version, Volume: "demo", Brick: "/c"}, "this is brick /b, not /c"},
		{wire.Hello{Version: wire.Version, Volume: "other", Brick: "/b"}, "belongs to volume demo, not other"},
		{wire.Hello{Version: 99}, "version 1 of the protocol, not 99"},
		{wire.Hello{Version: wire.Version, Username: "eve"}, "eve may not"},
	} {
		if got := refusal(t, l, &c.hello); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%+v: refused with %q, want %q", c.hello, got, c.want)
		}
	}
}

// TestBadPeers checks that what is not the protocol ends its own connection only.
func TestBadPeers(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{HandshakeTimeout: 300 * time.Millisecond, FrameTimeout: 300 * time.Millisecond, IdleTimeout: 2 * time.Second})
	good := connect(t, l, xlator.Options{"ping-timeout": "2"}) // pings three times as often
	good.wait(t, xlator.ChildUp)
	hello := func(c net.Conn) {
		var pool wire.Pool
		w := wire.NewWriter(c)
		c.Write([]byte(wire.Preamble))
		head := pool.Get(wire.HeaderSize)
		head.B, _ = wire.Hellos.Append(head.B, &wire.Hello{Version: wire.Version})
		w.Send(wire.Header{Kind: wire.KindHello}, head, nil)
		if h, _, err := wire.NewReader(c, &pool).Next(); err != nil || h.Errno != 0 {
			t.Fatal(h, err)
		}
	}
	request := []byte{0x6f, 0x46, 1, byte(wire.KindRequest), 0, byte(wire.OpLookup), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, c := range []struct {
		name  string
		hello bool
		send  []byte
	}{
		{"rubbish", false, []byte("GET / HTTP/1.1\r\n\r\n")},
		{"nothing", false, nil},
		{"half a preamble", false, []byte("go")},
		{"rubbish after the handshake", true, []byte(strings.Repeat("rubbish", 10))},
		{"oversized", true, append(bytes.Clone(request), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)},
		{"malformed message", true, append(bytes.Clone(request), 0, 0, 0, 3, 0, 0, 0, 0, 0xff, 0xff, 0xff)},
		{"half a frame", true, append(bytes.Clone(request), 0, 0, 0, 100, 0, 0, 0, 0)},
		{"half a header", true, request[:10]},
		{"silence", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := rawConn(t, l)
			if c.hello {
				hello(conn)
			}
			conn.Write(c.send)
			io.Copy(io.Discard, conn) // returns when the server closes it
		})
	}
	t.Cleanup(func() {
		if _, err := good.Lookup(context.Background(), lookup("file")); err != nil {
			t.Error("another client was hurt:", err)
		}
	})
}

// TestSilentServer checks that a frozen brick is noticed.
func TestSilentServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan struct{})
	l := &link{t: t, ln: ln}
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			var pool wire.Pool
			r := wire.NewReader(c, &pool)
			r.Preamble()
			if h, _, err := r.Next(); err == nil && h.Kind == wire.KindHello {
				wire.NewWriter(c).Send(wire.Header{Kind: wire.KindHelloReply}, pool.Get(wire.HeaderSize), nil)
			}
			for { // reads, and never answers
				if _, _, err := r.Next(); err != nil {
					c.Close()
					break
				}
			}
		}
	}()
	p := connect(t, l, xlator.Options{"ping-timeout": "0.3"})
	p.wait(t, xlator.ChildUp)
	_, err = p.Lookup(context.Background(), lookup("file"))
	wantErrno(t, "call to a frozen brick", err, syscall.ENOTCONN)
	p.Close()
	ln.Close()
	<-done
}

// TestCleanUp checks that a client's handles are closed before the translator hears
// that it is gone, and that Close leaves nothing.
func TestCleanUp(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{})
	p := connect(t, l, nil)
	p.wait(t, xlator.ChildUp)
	openFile(t, p)
	openFile(t, p)
	p.Close()
	<-top.discon
	if n := top.opens.Load(); n != 0 {
		t.Errorf("%d handles were open at Disconnect", n)
	}
	_, err := p.Lookup(context.Background(), lookup("file"))
	wantErrno(t, "call after Close", err, syscall.ENOTCONN)
}
