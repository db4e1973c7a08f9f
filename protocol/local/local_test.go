package local

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen returns a listener whose accepted connections arrive in a channel.
func listen(t *testing.T) (name string, conns <-chan net.Conn) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root's processes talk to each other")
	}
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan net.Conn, 8)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			out <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String(), out
}

func TestConnects(t *testing.T) {
	name, conns := listen(t)
	for _, at := range []string{"127.0.0.1", "127.9.8.7"} {
		c, err := Dial(t.Context(), name, at+":49152")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		there := <-conns
		defer there.Close()
		from, ok := RemoteAddr(there).(*net.TCPAddr)
		if !ok || !from.IP.IsLoopback() || from.Port == 0 {
			t.Errorf("a client of the brick on %s comes from %v", at, RemoteAddr(there))
		}
		if !Is(c) || !Is(there) {
			t.Error("a Unix connection is not on this machine")
		}
		go there.Write([]byte("first"))
		b := make([]byte, 9)
		if n, err := c.Read(b); err != nil || string(b[:n]) != "first" {
			t.Errorf("read %q, %v after the greeting", b[:n], err)
		}
	}
}

func TestOtherMachine(t *testing.T) {
	name, conns := listen(t)
	if c, err := Dial(t.Context(), name, "192.0.2.1:49152"); err == nil {
		c.Close()
		t.Error("connected to a brick of another machine")
	}
	if c, err := Dial(t.Context(), brickPrefix+"of-another-machine", "127.0.0.1:49152"); err == nil {
		c.Close()
		t.Error("connected to a name that nobody has")
	}
	if c, err := Dial(t.Context(), "/run/socket", "127.0.0.1:49152"); err == nil {
		c.Close()
		t.Error("connected to a name that a brick does not have")
	}
	if len(conns) > 0 {
		t.Error("the brick got a connection")
	}
}

// A brick that was frozen accepts, in its kernel, and says nothing.
func TestSilentBrick(t *testing.T) {
	l, err := net.Listen("unix", brickPrefix+rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := Dial(ctx, l.Addr().String(), "127.0.0.1:49152"); err == nil {
		c.Close()
		t.Error("took a silent socket for a brick")
	}
}

// Somebody who is not root and has the name is not let in, and not taken for a brick.
func TestOnlyRoot(t *testing.T) {
	name, conns := listen(t)
	fd, err := onThread(becomeNobody, func(fd int) error { return syscall.Connect(fd, &syscall.SockaddrUnix{Name: name}) })
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if n, err := syscall.Read(fd, make([]byte, 1)); n > 0 {
		t.Errorf("the brick let nobody in: %d, %v", n, err)
	}
	impostorName := brickPrefix + rand.Text()
	impostor, err := onThread(becomeNobody, func(fd int) error {
		if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: impostorName}); err != nil {
			return err
		}
		return syscall.Listen(fd, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(impostor)
	if c, err := Dial(t.Context(), impostorName, "127.0.0.1:49152"); err != errNotRoot {
		if err == nil {
			c.Close()
		}
		t.Errorf("Dial of a socket of nobody's = %v, want %v", err, errNotRoot)
	}
	if len(conns) > 0 {
		t.Error("the brick got a connection")
	}
}

// The name means nothing in another network namespace, although the files are the same.
func TestOtherNetworkNamespace(t *testing.T) {
	name, _ := listen(t)
	fd, err := onThread(leaveNetwork, func(fd int) error { return syscall.Connect(fd, &syscall.SockaddrUnix{Name: name}) })
	syscall.Close(fd)
	if err != syscall.ECONNREFUSED {
		t.Errorf("connect = %v, want %v", err, syscall.ECONNREFUSED)
	}
}

func TestAddressOfAnotherMachineDoesNotCount(t *testing.T) {
	name, conns := listen(t)
	d := net.Dialer{LocalAddr: &net.UnixAddr{Net: "unix", Name: clientPrefix + "192.0.2.1:1/liar"}}
	c, err := d.DialContext(t.Context(), "unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	there := <-conns
	defer there.Close()
	if a, ok := RemoteAddr(there).(*net.TCPAddr); ok {
		t.Errorf("the client is believed to be at %v", a)
	}
}

func TestRemoteAddrOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if RemoteAddr(c).String() != l.Addr().String() || !Is(c) {
		t.Errorf("RemoteAddr = %v, want %v; on this machine: %t", RemoteAddr(c), l.Addr(), Is(c))
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(clientPrefix + "127.0.0.1:49152/ABC")
	f.Add(clientPrefix + "[fe80::1%eth0]:1/ABC")
	f.Add("@")
	f.Fuzz(func(t *testing.T, name string) {
		a, err := parseName(name)
		if err != nil {
			return
		}
		again, err := netip.ParseAddrPort(a.String())
		if err != nil || again != a || !strings.HasPrefix(name, clientPrefix) {
			t.Errorf("parseName(%q) = %v", name, a)
		}
	})
}
