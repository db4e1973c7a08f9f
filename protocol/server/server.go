// Package server serves any translator to clients over connections: handle tables,
// the dispatch of calls, and the clean-up after each client.
//
// # Connections
//
// A connection begins with the preamble and the client's Hello, which must name the
// brick and volume that are served here. A second connection of the same client
// instance ends its first one, and is let in when that is cleaned up, so that the
// client can have its locks again. A connection that breaks the protocol, that is
// silent for Config.IdleTimeout, or that does not finish a frame it began, is closed
// with one logged reason.
//
// Each call runs on a goroutine of its own, at most Config.MaxInFlight per connection;
// above that the connection is not read. Calls that wait for a lock do not count. A
// panic in a call is that call's EIO.
//
// When a connection ends, the contexts of its calls are cancelled and they are waited
// for; then its handles are closed; then top.Disconnect is called.
//
// # Events
//
// Contention and Invalidate events of the translator go to the connection that
// Event.Client names, or to all if it is 0. While the translator says that it is down,
// clients are refused, with its reason.
//
// Lock order: Server.mu before conn.mu.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/xlator"
)

// Config is what a Server is told. The zero value of a limit means its default.
type Config struct {
	// Volume and VolumeID are two names of the volume; a client must give one of them,
	// or none.
	Volume   string
	VolumeID string
	// Brick is the path that a client must give as remote-subvolume, or none.
	Brick string
	Log   *slog.Logger
	// Auth, when not nil, may refuse a client: its error carries the errno, EACCES
	// usually, and a sentence.
	Auth func(remote net.Addr, hello *wire.Hello) error

	MaxInFlight      int           // calls at once per connection; default 256
	MaxWaiting       int           // calls waiting for a lock per connection; default 65536
	MaxBytes         int           // of data in calls per connection; default 64 MiB
	MaxHandles       int           // per connection; default 1048576
	MaxConns         int           // default 8192
	HandshakeTimeout time.Duration // default 10 s
	IdleTimeout      time.Duration // after which a silent client is dropped; default 20 s
	FrameTimeout     time.Duration // for each part of a frame; default 60 s
}

func (c *Config) defaults() {
	number := func(p *int, def int) {
		if *p == 0 {
			*p = def
		}
	}
	period := func(p *time.Duration, def time.Duration) {
		if *p == 0 {
			*p = def
		}
	}
	number(&c.MaxInFlight, 256)
	number(&c.MaxWaiting, 65536)
	number(&c.MaxBytes, 64<<20)
	number(&c.MaxHandles, 1<<20)
	number(&c.MaxConns, 8192)
	period(&c.HandshakeTimeout, 10*time.Second)
	period(&c.IdleTimeout, 20*time.Second)
	period(&c.FrameTimeout, 60*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Server serves one translator. All methods are safe for concurrent use.
type Server struct {
	top  xlator.Xlator
	cfg  Config
	pool wire.Pool

	lastConn atomic.Uint64
	programs programs

	ctx  context.Context // of all calls; ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	down      string // why clients are refused; "": they are not
	listeners map[net.Listener]struct{}
	raw       map[net.Conn]struct{} // all connections, before their handshake too
	conns     map[uint64]*conn
	clients   map[string]*conn // by Hello.ClientID
}

// New serves top, which stays the caller's to close after Close.
func New(top xlator.Xlator, cfg Config) *Server {
	cfg.defaults()
	s := &Server{top: top, cfg: cfg, down: "the brick is starting",
		listeners: map[net.Listener]struct{}{}, raw: map[net.Conn]struct{}{},
		conns: map[uint64]*conn{}, clients: map[string]*conn{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	top.Watch(s.event)
	s.wg.Go(s.heartbeat)
	return s
}

// Serve accepts connections until ctx ends or Close is called, and returns nil then.
// The connections live on until Close.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		ln.Close()
		return net.ErrClosed
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for {
		c, err := ln.Accept()
		if err == nil {
			s.start(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		s.cfg.Log.Warn("accept failed", "brick", s.cfg.Brick, "reason", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond): // EMFILE passes
		}
	}
}

func (s *Server) start(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.raw) >= s.cfg.MaxConns {
		c.Close()
		return
	}
	s.raw[c] = struct{}{}
	s.wg.Go(func() { s.run(c) })
}

// ServeConn serves one connection until it ends, from its preamble on. It closes c.
func (s *Server) ServeConn(c net.Conn) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		c.Close()
		return
	}
	s.raw[c] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	s.run(c)
}

// Close ends all connections, waits until each is cleaned up, and returns nil.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for ln := range s.listeners {
		ln.Close()
	}
	for c := range s.raw {
		c.Close()
	}
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
	return nil
}

// ClientInfo describes a connection.
type ClientInfo struct {
	Client    uint64 // the id that its locks are kept under
	Name      string
	Addr      string
	Since     time.Time
	BytesIn   uint64
	BytesOut  uint64
	OpVersion uint32
	Graph     uint64 // wire.Hello's
	Handles   int    // open files and directories
	InFlight  int    // calls being done
}

// Clients lists the connections, in no order.
func (s *Server) Clients() []ClientInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ClientInfo, 0, len(s.conns))
	for _, c := range s.conns {
		out = append(out, c.info())
	}
	return out
}

// run serves c from its preamble to its clean-up.
func (s *Server) run(nc net.Conn) {
	defer func() {
		nc.Close()
		s.mu.Lock()
		delete(s.raw, nc)
		s.mu.Unlock()
	}()
	c := newConn(s, nc)
	defer c.w.Close()
	if err := c.handshake(); err != nil {
		level := slog.LevelInfo
		if errors.Is(err, syscall.EAGAIN) { // for a moment only: it will ask many times
			level = slog.LevelDebug
		}
		s.cfg.Log.Log(context.Background(), level, "client refused", "brick", s.cfg.Brick, "client", c.hello.ClientName, "addr", c.addr.String(), "reason", err)
		return
	}
	defer s.remove(c)
	s.cfg.Log.Info("client connected", "brick", s.cfg.Brick, "client", c.hello.ClientName, "addr", c.addr.String())
	err := c.read()
	if why := c.aborted(); why != nil {
		err = why
	}
	nc.Close()
	c.cleanup()
	s.cfg.Log.Info("client disconnected", "brick", s.cfg.Brick, "client", c.hello.ClientName, "addr", c.addr.String(), "reason", err)
}

// admit checks a Hello and registers its connection. It waits for the clean-up of an
// earlier connection of the same client.
func (s *Server) admit(c *conn) error {
	h := c.hello
	switch {
	case h.Version != wire.Version:
		return fmt.Errorf("this brick speaks version %d of the protocol, not %d: %w", wire.Version, h.Version, syscall.EPROTONOSUPPORT)
	case h.Brick != "" && h.Brick != s.cfg.Brick:
		return fmt.Errorf("this is brick %s, not %s: %w", s.cfg.Brick, h.Brick, syscall.ENOENT)
	case h.Volume != "" && h.Volume != s.cfg.Volume && h.Volume != s.cfg.VolumeID:
		return fmt.Errorf("this brick belongs to volume %s, not %s: %w", s.cfg.Volume, h.Volume, syscall.EINVAL)
	}
	if s.cfg.Auth != nil {
		if err := s.cfg.Auth(c.addr, h); err != nil {
			return err
		}
	}
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return fmt.Errorf("the brick is stopping: %w", syscall.EAGAIN)
		}
		if s.down != "" {
			defer s.mu.Unlock()
			return fmt.Errorf("%s: %w", s.down, syscall.EAGAIN)
		}
		old := s.clients[string(h.ClientID)]
		if old == nil || len(h.ClientID) == 0 {
			s.conns[c.id] = c
			if len(h.ClientID) > 0 {
				s.clients[string(h.ClientID)] = c
			}
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		old.abort(errors.New("the client has connected anew"))
		select {
		case <-old.gone:
		case <-time.After(s.cfg.HandshakeTimeout):
			return fmt.Errorf("an earlier connection of this client is not cleaned up yet: %w", syscall.EAGAIN)
		case <-s.ctx.Done():
		}
	}
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c.id)
	if id := string(c.hello.ClientID); s.clients[id] == c {
		delete(s.clients, id)
	}
	s.mu.Unlock()
	close(c.gone)
}

// event is told of the translator's news.
func (s *Server) event(e xlator.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case xlator.ChildUp:
		s.down = ""
	case xlator.ChildDown:
		s.down = e.Reason
		if s.down == "" {
			s.down = "the brick does not serve at the moment"
		}
		for _, c := range s.conns {
			if !s.closed {
				s.wg.Go(func() { c.bye(e.Reason) })
			}
		}
	case xlator.Contention, xlator.Invalidate:
		if e.Client != 0 {
			if c := s.conns[e.Client]; c != nil {
				c.upcall(&e)
			}
			return
		}
		for _, c := range s.conns {
			c.upcall(&e)
		}
	}
}

// heartbeat tells idle clients that the brick is alive, and drops dead ones.
func (s *Server) heartbeat() {
	tick := time.NewTicker(min(time.Second, s.cfg.IdleTimeout/3, s.cfg.FrameTimeout/3))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			for _, c := range s.conns {
				c.beat(now)
			}
			s.mu.Unlock()
		}
	}
}
