// Package local is the short way between a client and a brick on one machine: a Unix
// socket instead of TCP, which costs half as much per message.
//
// The socket is in the abstract namespace under a random name, which the client learns from the
// brick's daemon. Such names belong to a network namespace and go with their process: who can
// connect is where TCP would be local too, a name of another machine leads nowhere, and
// nothing is left behind by a brick that was killed. Only root's processes talk to each other;
// both ends look who the other is.
//
// The client names its own end after the address that TCP would have given it, so that
// there is something to show, and for auth.allow to judge.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	// prefix begins the names of the bricks' and the clients' ends; @ means abstract.
	brickPrefix  = "@gofs-brick/"
	clientPrefix = "@gofs-client/"
	// admitted is what the brick's end sends to a process that it talks to.
	admitted = 'g'
	// greeting is how long a brick may take to say so; TCP is tried then.
	greeting = time.Second
	// buffer is how much may be on its way: a write of 1 MiB should not need many turns.
	// The system halves it where its limit is lower.
	buffer = 1 << 20
)

var errNotRoot = errors.New("the other end is not root's")

// Listen makes the socket of a brick. Its connections are *net.UnixConn of root's processes;
// the address of the listener is the name for Dial.
func Listen() (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: brickPrefix + rand.Text()})
	if err != nil {
		return nil, err
	}
	return &listener{l}, nil
}

type listener struct{ *net.UnixListener }

// Accept waits for the next process of root's.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if err = ofRoot(c); err == nil {
			enlarge(c)
			_, err = c.Write([]byte{admitted}) // does not block: nothing was written before
		}
		if err == nil {
			return c, nil
		}
		c.Close()
	}
}

// Dial connects to the brick's socket name on behalf of a client that would otherwise connect to
// the TCP address addr, host:port. It fails if addr is not this machine's, or if nobody
// listens there who talks to this process.
func Dial(ctx context.Context, name, addr string) (net.Conn, error) {
	if !strings.HasPrefix(name, brickPrefix) {
		return nil, fmt.Errorf("%q is not the name of a brick's socket", name)
	}
	here, err := source(ctx, addr)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{LocalAddr: &net.UnixAddr{Net: "unix", Name: clientPrefix + here.String() + "/" + rand.Text()}}
	nc, err := d.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	c := nc.(*net.UnixConn)
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	if err := greeted(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	enlarge(c)
	return c, nil
}

// greeted waits for the brick to let this process in.
func greeted(ctx context.Context, c *net.UnixConn) error {
	if err := ofRoot(c); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	var b [1]byte
	if _, err := c.Read(b[:]); err != nil {
		return err
	}
	if b[0] != admitted {
		return fmt.Errorf("the brick began with %q", b)
	}
	return nil
}

// source returns which address and port a connection to addr would come from, if it would
// stay on this machine.
func source(ctx context.Context, addr string) (netip.AddrPort, error) {
	// Connecting a UDP socket sends nothing; it looks up the route.
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer c.Close()
	here, there := unmap(c.LocalAddr().(*net.UDPAddr).AddrPort()), unmap(c.RemoteAddr().(*net.UDPAddr).AddrPort())
	if here.Addr() != there.Addr() && !there.Addr().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("%s is another machine", addr)
	}
	return here, nil
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// RemoteAddr returns where c comes from, as if it came over TCP. What a Unix connection
// says counts only if it is an address of this machine; its own address is returned if not.
func RemoteAddr(c net.Conn) net.Addr {
	a := c.RemoteAddr()
	u, ok := a.(*net.UnixAddr)
	if !ok {
		return a
	}
	said, err := parseName(u.Name)
	if err != nil || !own(said.Addr()) {
		return a
	}
	return net.TCPAddrFromAddrPort(said)
}

// parseName reads the name of a client's end.
func parseName(name string) (netip.AddrPort, error) {
	rest, ok := strings.CutPrefix(name, clientPrefix)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is not the name of a client's end", name)
	}
	at, _, _ := strings.Cut(rest, "/")
	return netip.ParseAddrPort(at)
}

// own tells whether a is an address of this machine.
func own(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, i := range list {
		if n, ok := i.(*net.IPNet); ok {
			if one, ok := netip.AddrFromSlice(n.IP); ok && one.Unmap() == a.WithZone("") {
				return true
			}
		}
	}
	return false
}

// Is tells whether both ends of c are on this machine.
func Is(c net.Conn) bool {
	switch there := c.RemoteAddr().(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		here, ok := c.LocalAddr().(*net.TCPAddr)
		return there.IP.IsLoopback() || ok && here.IP.Equal(there.IP)
	}
	return false
}

// ofRoot returns nil if the process at the other end is root's, in this process's
// user namespace or above.
func ofRoot(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, inner); err != nil {
		return err
	}
	if cred.Uid != 0 {
		return errNotRoot
	}
	return nil
}

// enlarge makes room for large writes. It is a matter of speed only.
func enlarge(c *net.UnixConn) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, buffer)
		})
	}
}
