package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// session is one connection after its handshake.
type session struct {
	id   uint64
	c    *client
	conn net.Conn
	r    *wire.Reader
	w    *wire.Writer

	dead chan struct{} // the reader has stopped; reason is set
	// reason is why the connection ended.
	reason error

	// clock is the time (Unix, nanoseconds) of watch's last tick: when calls began, roughly.
	clock atomic.Int64

	mu      sync.Mutex
	lastID  uint64
	pending map[uint64]*pendingCall // nil once they have been failed
}

// pendingCall is a call whose answer is awaited. Whoever takes it out of
// session.pending owns it: the reader to fill it in, its caller to abandon it.
type pendingCall struct {
	done    chan struct{} // gets one value when the fields below are set
	h       wire.Header
	msg     *wire.Buf
	payload []byte // what came with the reply: in buf, or new memory
	err     error

	op    wire.Op
	since int64 // session.clock when it was sent

	buf []byte // where a payload goes
}

var calls = sync.Pool{New: func() any { return &pendingCall{done: make(chan struct{}, 1)} }}

// transfer is what a call has besides its two messages.
type transfer struct {
	handle  uint64
	send    []byte  // payload of the request
	into    []byte  // where the payload of the reply goes
	payload *[]byte // set to the payload of the reply
	keep    bool    // cancelling must not lose the answer
}

// do performs one call on s.
func do[Q, R any](ctx context.Context, s *session, f *wire.Fop[Q, R], q *Q, t transfer) (*R, error) {
	p, id, err := send(s, f, q, t)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, p, id, t.keep); err != nil {
		return nil, err
	}
	return answer(p, f, t)
}

// start is do in two steps: wait returns what do would, and must be called once.
func start[Q, R any](ctx context.Context, s *session, f *wire.Fop[Q, R], q *Q, t transfer) (wait func() (*R, error)) {
	p, id, err := send(s, f, q, t)
	return func() (*R, error) {
		if err != nil {
			return nil, err
		}
		if err := s.await(ctx, p, id, t.keep); err != nil {
			return nil, err
		}
		return answer(p, f, t)
	}
}

// send sends the request of a call, whose answer p will get.
func send[Q, R any](s *session, f *wire.Fop[Q, R], q *Q, t transfer) (p *pendingCall, id uint64, err error) {
	head := s.c.pool.Get(wire.HeaderSize)
	if head.B, err = f.Req.Append(head.B, q); err != nil {
		return nil, 0, fmt.Errorf("%w: %v", syscall.EINVAL, err)
	}
	if len(head.B) > wire.MaxRequest || len(t.send) > wire.MaxPayload {
		head.Free()
		return nil, 0, syscall.E2BIG
	}
	p = calls.Get().(*pendingCall)
	p.buf, p.op, p.since = t.into, f.Op, s.clock.Load()
	id, others, err := s.register(p)
	if err != nil {
		head.Free()
		return nil, 0, err
	}
	// An error here is the connection's end: the call fails with all the others, after
	// ChildDown was told.
	h := wire.Header{Kind: wire.KindRequest, Op: f.Op, ID: id, Handle: t.handle}
	if others {
		s.w.SendTogether(h, head, t.send)
	} else {
		s.w.Send(h, head, t.send)
	}
	return p, id, nil
}

// answer turns a finished call into what its caller gets.
func answer[Q, R any](p *pendingCall, f *wire.Fop[Q, R], t transfer) (*R, error) {
	h, msg, payload, err := p.h, p.msg, p.payload, p.err
	*p = pendingCall{done: p.done}
	calls.Put(p)
	defer msg.Free()
	switch {
	case err != nil:
		return nil, err
	case h.Errno != 0:
		return nil, h.Errno
	}
	var b []byte
	if msg != nil {
		b = msg.B
	}
	r, err := f.Reply.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("answer of the brick: %w: %v", syscall.EIO, err)
	}
	if t.payload != nil {
		*t.payload = payload
	}
	return r, nil
}

// register makes p known to the reader. others: p is not the only call that waits.
func (s *session) register(p *pendingCall) (id uint64, others bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		return 0, false, syscall.ENOTCONN
	}
	s.lastID++
	s.pending[s.lastID] = p
	return s.lastID, len(s.pending) > 1, nil
}

// take removes a call from pending; nil if it is not there.
func (s *session) take(id uint64) *pendingCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pending[id]
	delete(s.pending, id)
	return p
}

// await waits for p's answer, or for ctx. Its error says that p was abandoned.
func (s *session) await(ctx context.Context, p *pendingCall, id uint64, keep bool) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	if !keep && s.take(id) != nil {
		return fmt.Errorf("call abandoned: %w", fop.Errno(ctx.Err()))
	}
	if keep {
		s.w.Post(wire.Header{Kind: wire.KindCancel, ID: id}, s.c.pool.Get(wire.HeaderSize))
	}
	<-p.done
	return nil
}

// read takes frames until the connection ends.
func (s *session) read() {
	defer close(s.dead)
	for {
		h, msg, err := s.r.Next()
		if err != nil {
			s.reason = err
			return
		}
		switch h.Kind {
		case wire.KindReply:
			err = s.reply(h, msg)
			msg = nil
		case wire.KindEvent:
			err = s.event(msg)
		case wire.KindBye:
			err = errors.New(text(msg))
		case wire.KindPing:
		default:
			err = fmt.Errorf("%w: kind %d from a server", wire.ErrMalformed, h.Kind)
		}
		msg.Free()
		if err != nil {
			s.reason = err
			return
		}
	}
}

// reply gives a reply to the call that waits for it. It owns msg.
func (s *session) reply(h wire.Header, msg *wire.Buf) error {
	p := s.take(h.ID)
	if p == nil { // abandoned
		msg.Free()
		return nil
	}
	if h.Payload > 0 {
		switch {
		case p.buf == nil:
			p.payload = make([]byte, h.Payload)
		case int(h.Payload) <= len(p.buf):
			p.payload = p.buf[:h.Payload]
		}
		err := fmt.Errorf("%w: %d bytes were asked for, %d came", wire.ErrMalformed, len(p.buf), h.Payload)
		if p.payload != nil {
			err = s.r.Payload(p.payload)
		}
		if err != nil {
			s.putBack(h.ID, p)
			msg.Free()
			return err
		}
	}
	p.h, p.msg = h, msg
	p.done <- struct{}{}
	return nil
}

// putBack returns a call whose answer broke off, to fail with the others.
func (s *session) putBack(id uint64, p *pendingCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.payload = nil
	s.pending[id] = p
}

func (s *session) event(msg *wire.Buf) error {
	var b []byte
	if msg != nil {
		b = msg.B
	}
	e, err := wire.Events.Parse(b)
	if err != nil {
		return err
	}
	if e.Kind == xlator.Contention || e.Kind == xlator.Invalidate {
		s.c.watchers.Tell(*e)
	}
	return nil
}

// fail makes all pending calls, and all later ones, fail with ENOTCONN.
func (s *session) fail() {
	s.mu.Lock()
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	for _, p := range pending {
		p.err = syscall.ENOTCONN
		p.done <- struct{}{}
	}
}

// watch keeps the connection alive and ends it if the brick is silent, until the
// reader has stopped.
func (s *session) watch() {
	interval := min(time.Second, s.c.pingTimeout/3)
	check := min(interval, s.c.pingTimeout/10) // so that silence lasts little longer than it may
	tick := time.NewTicker(check)
	defer tick.Stop()
	for {
		select {
		case <-s.dead:
			return
		case now := <-tick.C:
			s.tellSlow(now)
			if idle := s.r.Idle(now); idle > s.c.pingTimeout {
				s.c.env.Log.Warn("brick is silent, dropping the connection", "for", idle.Round(time.Millisecond))
				s.conn.Close()
				continue
			}
			if s.w.Idle(now) >= interval-check/2 {
				s.w.Post(wire.Header{Kind: wire.KindPing}, s.c.pool.Get(wire.HeaderSize))
			}
		}
	}
}

func text(msg *wire.Buf) string {
	if msg == nil {
		return "no reason given"
	}
	return string(msg.B)
}
