package members

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// wire is memberlist's transport on the daemon's port.
type wire struct {
	cfg     Config
	ip      net.IP
	port    int
	packets chan *memberlist.Packet
	streams chan net.Conn
	done    chan struct{}
	stop    func()
	wg      sync.WaitGroup
}

var _ memberlist.Transport = (*wire)(nil)

// packetSize is the most a datagram can hold.
const packetSize = 65536

func newWire(cfg Config, ip net.IP, port int) *wire {
	w := &wire{cfg: cfg, ip: ip, port: port, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), done: make(chan struct{})}
	w.stop = sync.OnceFunc(func() {
		close(w.done)
		cfg.Packets.Close()
		w.wg.Wait()
	})
	w.wg.Go(w.read)
	return w
}

// read hands datagrams over until Shutdown.
func (w *wire) read() {
	b := make([]byte, packetSize)
	for {
		n, from, err := w.cfg.Packets.ReadFrom(b)
		now := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// An ICMP answer to an earlier packet, mostly: the node there is down.
			select {
			case <-w.done:
				return
			case <-time.After(time.Millisecond):
			}
			continue
		}
		if n == 0 {
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), b[:n]...), From: from, Timestamp: now}
		select {
		case w.packets <- p:
		case <-w.done:
			return
		}
	}
}

// take hands a stream over.
func (w *wire) take(nc net.Conn) {
	select {
	case w.streams <- nc:
	case <-w.done:
		nc.Close()
	}
}

func (w *wire) FinalAdvertiseAddr(string, int) (net.IP, int, error) { return w.ip, w.port, nil }

func (w *wire) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = w.cfg.Packets.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return time.Now(), err
}

func (w *wire) PacketCh() <-chan *memberlist.Packet { return w.packets }

func (w *wire) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout) // the interface has no other
	defer cancel()
	return w.cfg.Dial(ctx, addr)
}

func (w *wire) StreamCh() <-chan net.Conn { return w.streams }

// Shutdown closes the socket. It may be called more than once.
func (w *wire) Shutdown() error {
	w.stop()
	return nil
}
