package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/local"
	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = time.Second
	// soon is the pause when the brick lets nobody in for a moment only.
	soon = 100 * time.Millisecond
	// reopening bounds how many handles are opened again at once.
	reopening = 32
)

// run connects, waits for the connection's end and connects again, until ctx ends.
func (c *client) run(ctx context.Context) {
	defer close(c.stopped)
	backoff := firstBackoff
	said := ""
	for ctx.Err() == nil {
		s, err := c.connect(ctx)
		if err == nil {
			began := time.Now()
			err = c.serve(ctx, s)
			if time.Since(began) > maxBackoff {
				backoff = firstBackoff
			}
			said = ""
		}
		if ctx.Err() != nil {
			return
		}
		// A brick that is down is told once, not at each attempt.
		if err.Error() != said {
			said = err.Error()
			c.env.Log.Info("not connected to the brick", "host", c.host, "brick", c.hello.Brick, "reason", said)
			// Also when it never was up: those above need not wait for it.
			c.tell(0, xlator.Event{Kind: xlator.ChildDown, Reason: said})
		}
		if errors.Is(err, syscall.EAGAIN) {
			backoff = soon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// connect dials and shakes hands.
func (c *client) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.pingTimeout)
	defer cancel()
	conn, err := c.dial(ctx, c.host, c.hello.Brick)
	if err != nil {
		return nil, err
	}
	// The deadline covers the handshake; cancelling closes the connection.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	s := &session{c: c, conn: conn, r: wire.NewReader(conn, &c.pool), w: wire.NewWriter(conn),
		dead: make(chan struct{}), pending: map[uint64]*pendingCall{}}
	s.clock.Store(time.Now().UnixNano())
	if err := s.handshake(); err != nil {
		s.w.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	c.lastID++
	s.id = c.lastID
	return s, nil
}

// handshake introduces this client and checks that it was let in.
func (s *session) handshake() error {
	if _, err := s.conn.Write([]byte(wire.Preamble)); err != nil {
		return err
	}
	head := s.c.pool.Get(wire.HeaderSize)
	var err error
	if head.B, err = wire.Hellos.Append(head.B, &s.c.hello); err != nil {
		return err
	}
	if err := s.w.Send(wire.Header{Kind: wire.KindHello}, head, nil); err != nil {
		return err
	}
	h, msg, err := s.r.Next()
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer msg.Free()
	if h.Kind == wire.KindBye {
		return errors.New(text(msg))
	}
	if h.Kind != wire.KindHelloReply {
		return fmt.Errorf("%w: kind %d in the handshake", wire.ErrMalformed, h.Kind)
	}
	var b []byte
	if msg != nil {
		b = msg.B
	}
	r, err := wire.HelloReplies.Parse(b)
	if err != nil {
		return err
	}
	if h.Errno != 0 {
		return fmt.Errorf("the brick refuses this client: %s: %w", r.Reason, h.Errno)
	}
	return nil
}

// serve runs session s from its handshake to its loss.
func (c *client) serve(ctx context.Context, s *session) error {
	var wg sync.WaitGroup
	wg.Go(s.read)
	wg.Go(s.watch)
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	unfit := c.probe(ctx, s)
	if unfit != nil {
		s.conn.Close()
	} else if c.restore(ctx, s) {
		c.cur.Store(s)
		c.tell(s.id, xlator.Event{Kind: xlator.ChildUp, Session: s.id, Local: local.Is(s.conn)})
		c.env.Log.Info("connected to the brick", "host", c.host, "brick", c.hello.Brick)
		<-s.dead
		c.tell(0, xlator.Event{Kind: xlator.ChildDown, Reason: s.reason.Error()})
	}
	<-s.dead
	stop()
	s.w.Close()
	wg.Wait()
	c.mu.Lock()
	c.sess = nil
	c.mu.Unlock()
	c.cur.Store(nil)
	s.fail()
	if unfit != nil {
		return unfit
	}
	if errors.Is(s.reason, net.ErrClosed) {
		return errors.New("connection lost")
	}
	return s.reason
}

func (c *client) tell(up uint64, e xlator.Event) {
	c.eventMu.Lock()
	defer c.eventMu.Unlock()
	c.up, c.local = up, e.Local
	c.watchers.Tell(e)
}

// restore opens everything again that was open when the last session ended. False: s
// was lost over it, and what is not restored is left for the next session.
func (c *client) restore(ctx context.Context, s *session) bool {
	c.mu.Lock()
	c.sess = s
	open := make(map[uint64]handle, len(c.handles))
	for id, h := range c.handles {
		open[id] = h
	}
	c.mu.Unlock()
	// The session's calls fail only when it is taken down after this; so give up here.
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-s.dead:
			cancel()
		case <-ctx.Done():
		}
	})
	var wg sync.WaitGroup
	gate := make(chan struct{}, reopening)
	for id, h := range open {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			h.reopen(ctx, s)
			c.mu.Lock()
			_, still := c.handles[id]
			c.mu.Unlock()
			if !still { // closed meanwhile, perhaps before the server knew it
				s.closeHandle(id)
			}
		})
	}
	wg.Wait()
	lost := ctx.Err() != nil
	cancel()
	watch.Wait()
	return !lost
}

// closeHandle tells the server that a handle is no longer used.
func (s *session) closeHandle(id uint64) {
	s.w.SendLazy(wire.Header{Kind: wire.KindRequest, Op: wire.OpClose, Handle: id}, s.c.pool.Get(wire.HeaderSize))
}

// adopt remembers an open handle; false if s is lost already.
func (c *client) adopt(s *session, id uint64, h handle) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sess != s {
		return false
	}
	c.handles[id] = h
	return true
}

// drop forgets a handle and tells the server, if there is one.
func (c *client) drop(id uint64) {
	c.mu.Lock()
	delete(c.handles, id)
	s := c.sess
	c.mu.Unlock()
	if s != nil {
		s.closeHandle(id)
	}
}
