package mgmt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a daemon with one volume.
type fake struct {
	Service
	volfile string
	block   chan struct{} // Portmap waits for it
}

func (f *fake) Volfile(_ context.Context, volume string) (string, error) {
	if volume != "v" {
		return "", &Error{Code: CodeNoVolume, Message: "Volume " + volume + " does not exist"}
	}
	return f.volfile, nil
}

func (f *fake) Portmap(ctx context.Context, _ string) (*Place, error) {
	select {
	case <-f.block:
		return &Place{Port: 49152, Socket: "@s"}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) Delete(_ context.Context, q *VolumeReq) (*VolumeReply, error) {
	return &VolumeReply{Name: q.Name, ID: "id"}, nil
}

// start serves f on a pipe and returns a Client of it, and the server's Conn.
func start(t *testing.T, f *fake, admin bool) (*Client, *Conn) {
	t.Helper()
	here, there := net.Pipe()
	conns := make(chan *Conn, 1)
	ended := make(chan error, 1)
	go func() {
		kind, err := ReadKind(there)
		if err == nil && kind == KindMgmt {
			err = Serve(t.Context(), there, DaemonRoutes(f, admin), func(c *Conn) { conns <- c })
		}
		ended <- err
	}()
	c, err := NewClient(here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := <-ended; err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Serve = %v", err)
		}
	})
	return c, <-conns
}

func TestCalls(t *testing.T) {
	f := &fake{volfile: "text", block: make(chan struct{})}
	c, _ := start(t, f, true)
	ctx := t.Context()
	slow := make(chan error, 1)
	go func() {
		at, err := c.Portmap(ctx, "/b")
		if err == nil && *at != (Place{Port: 49152, Socket: "@s"}) {
			err = errors.New("wrong place")
		}
		slow <- err
	}()
	if text, err := c.Volfile(ctx, "/v"); err != nil || text != "text" {
		t.Errorf("Volfile while another call waits = %q, %v", text, err)
	}
	close(f.block)
	if err := <-slow; err != nil {
		t.Errorf("Portmap: %v", err)
	}
	if _, err := c.Volfile(ctx, "w"); ErrorCode(err) != CodeNoVolume || err.Error() != "Volume w does not exist" {
		t.Errorf("Volfile of no volume = %v", err)
	}
	if r, err := c.Delete(ctx, &VolumeReq{Name: "v"}); err != nil || r.ID != "id" {
		t.Errorf("Delete = %v, %v", r, err)
	}
	var none struct{}
	if err := c.call(ctx, "nosuch", none, &none); ErrorCode(err) != CodeBadRequest {
		t.Errorf("unknown method = %v", err)
	}
	if err := c.call(ctx, methodVolfile, []int{1}, &none); ErrorCode(err) != CodeBadRequest {
		t.Errorf("unreadable request = %v", err)
	}
}

func TestChangesNeedAdmin(t *testing.T) {
	c, _ := start(t, &fake{volfile: "text"}, false)
	if _, err := c.Delete(t.Context(), &VolumeReq{Name: "v"}); ErrorCode(err) != CodeNotAllowed {
		t.Errorf("Delete = %v, want a refusal", err)
	}
	if text, err := c.Volfile(t.Context(), "v"); err != nil || text != "text" {
		t.Errorf("Volfile = %q, %v", text, err)
	}
}

func TestCancelledCall(t *testing.T) {
	c, _ := start(t, &fake{}, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Portmap(ctx, "/b"); !errors.Is(err, context.Canceled) {
		t.Errorf("Portmap = %v, want context.Canceled", err)
	}
}

func TestServerGoesAway(t *testing.T) {
	c, conn := start(t, &fake{}, true)
	go conn.nc.Close()
	if _, err := c.Portmap(t.Context(), "/b"); !errors.Is(err, ErrConnection) {
		t.Errorf("Portmap = %v, want ErrConnection", err)
	}
	<-c.Done()
	if _, err := c.Volfile(t.Context(), "v"); !errors.Is(err, ErrConnection) {
		t.Errorf("Volfile afterwards = %v, want ErrConnection", err)
	}
	if _, err := c.Subscribe(t.Context(), "v"); !errors.Is(err, ErrConnection) {
		t.Errorf("Subscribe afterwards = %v, want ErrConnection", err)
	}
}

func TestSubscribe(t *testing.T) {
	c, conn := start(t, &fake{}, true)
	news, err := c.Subscribe(t.Context(), "v")
	if err != nil {
		t.Fatal(err)
	}
	conn.Notify("other")
	conn.Notify("v")
	if _, ok := <-news; !ok {
		t.Error("the channel was closed instead of a token")
	}
}

// A client that stops reading loses its connection rather than stopping the daemon.
func TestNotifyDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		conns := make(chan *Conn, 1)
		ended := make(chan error, 1)
		go func() { ended <- Serve(t.Context(), there, nil, func(c *Conn) { conns <- c }) }()
		conn := <-conns
		conn.Subscribe("v")
		for range 2 * maxCalls {
			conn.Notify("v")
		}
		<-conn.gone
		here.Close()
		if err := <-ended; err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Serve = %v", err)
		}
	})
}

func TestWatchFollowsChangesAndRestarts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := &fake{volfile: "one"}
	served := make(chan struct{})
	conns := make(chan *Conn, 8)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(served)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := ReadKind(nc); err == nil {
				Serve(ctx, nc, DaemonRoutes(f, false), func(c *Conn) { conns <- c })
			}
		}
	}()
	texts := make(chan string)
	watched := make(chan error)
	go func() {
		watched <- Watch(ctx, []string{l.Addr().String()}, "v", func(text string) { texts <- text }, nil)
	}()
	if got := <-texts; got != "one" {
		t.Errorf("first volfile = %q, want one", got)
	}
	f.volfile = "two"
	first := <-conns
	first.Notify("v")
	if got := <-texts; got != "two" {
		t.Errorf("volfile after the change = %q, want two", got)
	}
	f.volfile = "three"
	first.nc.Close()
	if got := <-texts; got != "three" {
		t.Errorf("volfile after a lost connection = %q, want three", got)
	}
	cancel()
	if err := <-watched; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch = %v, want context.Canceled", err)
	}
	l.Close()
	<-served
}

func TestDamagedStream(t *testing.T) {
	for _, c := range []struct{ name, bytes, want string }{
		{"too long", "\xff\xff\xff\xff", "the limit is"},
		{"not JSON", "\x00\x00\x00\x03abc", "not a message"},
		{"cut short", "\x00\x00\x00\x09abc", "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			here, there := net.Pipe()
			go func() {
				io.WriteString(here, c.bytes)
				here.Close()
			}()
			if err := Serve(t.Context(), there, nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Serve = %v, want ...%s...", err, c.want)
			}
		})
	}
}

func TestReadKind(t *testing.T) {
	if kind, err := ReadKind(strings.NewReader("gofsd")); err != nil || kind != KindData {
		t.Errorf("ReadKind = %c, %v", kind, err)
	}
	if _, err := ReadKind(strings.NewReader("GET / HTTP/1.1")); !errors.Is(err, ErrNotGofs) {
		t.Errorf("ReadKind of a web request = %v, want ErrNotGofs", err)
	}
}

// FuzzReadMessage: no bytes make the reader panic or allocate beyond what came.
func FuzzReadMessage(f *testing.F) {
	frame, _ := encode(&message{ID: 1, Method: methodNode, Body: []byte("{}")})
	f.Add(frame)
	f.Add(binary.BigEndian.AppendUint32(nil, MaxFrame))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := encode(m)
		if err != nil {
			t.Fatalf("%+v does not encode: %v", m, err)
		}
		if _, err := readMessage(bytes.NewReader(again)); err != nil {
			t.Fatalf("%q does not read back: %v", again, err)
		}
	})
}
