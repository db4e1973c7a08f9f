package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/local"
	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// maxIdle is how many idle workers a connection keeps.
const maxIdle = 32

// conn is one connection.
type conn struct {
	s     *Server
	id    uint64
	nc    net.Conn
	addr  net.Addr // where the client is, also if it did not come over TCP
	r     *wire.Reader
	w     *wire.Writer
	hello *wire.Hello
	since time.Time
	gone  chan struct{} // cleaned up

	ctx    context.Context // of its calls
	cancel context.CancelFunc
	calls  sync.WaitGroup

	work chan *request // to idle workers; only the reader sends, and closes it
	idle atomic.Int32  // workers that wait for work, or are about to
	full atomic.Bool   // the reader waits for calls to end

	mu       sync.Mutex
	why      error // the first reason to end
	inFlight int
	waiting  int // calls that wait for a lock
	bytes    int // of data in calls
	room     sync.Cond
	cancels  map[uint64]context.CancelFunc // of calls that may wait, by call id
	handles  map[uint64]*handle
	last     *request // of the calls being done
}

// request is one call on its way.
type request struct {
	c       *conn
	handle  handler
	h       wire.Header
	msg     *wire.Buf
	payload *wire.Buf
	ctx     context.Context
	waits   bool // it gave up its place among the calls in flight; guarded by conn.mu
	replied bool
	program bool // it counts in Server.programs

	since      time.Time
	caller     atomic.Pointer[fop.Caller] // once the message was parsed
	prev, next *request                   // guarded by conn.mu; in conn.last's list
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, id: s.lastConn.Add(1), nc: nc, addr: local.RemoteAddr(nc), r: wire.NewReader(nc, &s.pool), w: wire.NewWriter(nc),
		hello: &wire.Hello{}, work: make(chan *request), since: time.Now(), gone: make(chan struct{}),
		cancels: map[uint64]context.CancelFunc{}, handles: map[uint64]*handle{}}
	c.room.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	return c
}

// handshake reads the preamble and the Hello, and answers it.
func (c *conn) handshake() error {
	c.nc.SetDeadline(time.Now().Add(c.s.cfg.HandshakeTimeout))
	if err := c.r.Preamble(); err != nil {
		return err
	}
	h, msg, err := c.r.Next()
	if err != nil {
		return err
	}
	defer msg.Free()
	if h.Kind != wire.KindHello || msg == nil {
		return fmt.Errorf("%w: no Hello at the beginning", wire.ErrMalformed)
	}
	if c.hello, err = wire.Hellos.Parse(msg.B); err != nil {
		c.hello = &wire.Hello{}
		return err
	}
	answer := wire.HelloReply{Version: wire.Version}
	refused := c.s.admit(c)
	if refused != nil {
		answer.Reason = refused.Error()
	}
	head := c.s.pool.Get(wire.HeaderSize)
	if head.B, err = wire.HelloReplies.Append(head.B, &answer); err != nil {
		return err
	}
	err = c.w.Send(wire.Header{Kind: wire.KindHelloReply, Errno: fop.Errno(refused)}, head, nil)
	if refused != nil {
		return refused
	}
	if err != nil {
		c.s.remove(c)
		return err
	}
	c.nc.SetDeadline(time.Time{})
	return nil
}

// read takes frames until the connection ends, and says why it did.
func (c *conn) read() error {
	for {
		h, msg, err := c.r.Next()
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.KindRequest:
			if err := c.dispatch(h, msg); err != nil {
				return err
			}
			continue // dispatch took msg
		case wire.KindCancel:
			c.cancelCall(h.ID)
		case wire.KindPing:
		case wire.KindBye:
			err = errors.New("the client said goodbye")
		default:
			err = fmt.Errorf("%w: kind %d from a client", wire.ErrMalformed, h.Kind)
		}
		msg.Free()
		if err != nil {
			return err
		}
	}
}

// dispatch starts the call of one request frame. It owns msg.
func (c *conn) dispatch(h wire.Header, msg *wire.Buf) error {
	if h.Op == wire.OpClose {
		msg.Free()
		c.closeHandle(h.Handle)
		return nil
	}
	var handler handler
	if h.Op < wire.OpEnd {
		handler = handlers[h.Op]
	}
	q := &request{c: c, h: h, msg: msg, ctx: c.ctx}
	if handler == nil {
		q.fail(syscall.ENOSYS)
		msg.Free()
		return nil
	}
	if h.Payload > 0 && h.Op != wire.OpWritev {
		msg.Free()
		return fmt.Errorf("%w: payload with op %d", wire.ErrMalformed, h.Op)
	}
	c.enter(q)
	if h.Payload > 0 {
		q.payload = c.s.pool.Get(int(h.Payload))
		if err := c.r.Payload(q.payload.B); err != nil {
			c.leave(q)
			q.payload.Free()
			msg.Free()
			return err
		}
	}
	if mayWait(h.Op) {
		q.ctx = c.cancellable(h.ID)
	}
	q.handle = handler
	select {
	case c.work <- q:
		c.idle.Add(-1)
	default:
		c.calls.Go(func() { c.worker(q) })
	}
	return nil
}

// worker performs calls, first q. A few wait for the next one: their stacks have grown
// already, and waking them is cheaper than starting.
func (c *conn) worker(q *request) {
	for ok := true; ok; q, ok = <-c.work {
		q.run()
		if c.idle.Add(1) > maxIdle {
			c.idle.Add(-1)
			return
		}
	}
}

// run performs the call.
func (q *request) run() {
	c := q.c
	defer func() {
		if p := recover(); p != nil {
			c.s.cfg.Log.Error("panic in a call", "brick", c.s.cfg.Brick, "client", c.hello.ClientName, "op", int(q.h.Op), "panic", p, "stack", string(debug.Stack()))
			q.fail(syscall.EIO)
		}
		if q.program {
			c.s.programs.end()
		}
		q.payload.Free()
		q.msg.Free()
		c.leave(q)
	}()
	q.handle(q)
}

// enter takes a place among the calls in flight.
func (c *conn) enter(q *request) {
	bytes := int(q.h.Payload)
	q.since = time.Now()
	c.mu.Lock()
	for c.inFlight >= c.s.cfg.MaxInFlight || c.bytes > 0 && c.bytes+bytes > c.s.cfg.MaxBytes {
		if c.why != nil {
			break
		}
		c.full.Store(true)
		c.room.Wait()
	}
	c.full.Store(false)
	c.inFlight++
	c.bytes += bytes
	if q.prev = c.last; q.prev != nil {
		q.prev.next = q
	}
	c.last = q
	c.mu.Unlock()
}

// send sends a reply, together with those of other calls that are nearly done.
func (c *conn) send(h wire.Header, head *wire.Buf, payload []byte) {
	c.mu.Lock()
	others := c.inFlight > 1
	c.mu.Unlock()
	if others {
		c.w.SendTogether(h, head, payload)
	} else {
		c.w.Send(h, head, payload)
	}
}

// leave gives the place back.
func (c *conn) leave(q *request) {
	c.mu.Lock()
	if q.waits {
		c.waiting--
	} else {
		c.inFlight--
	}
	c.bytes -= int(q.h.Payload)
	c.unlist(q)
	if cancel := c.cancels[q.h.ID]; cancel != nil && mayWait(q.h.Op) {
		delete(c.cancels, q.h.ID)
		cancel()
	}
	if c.full.Load() {
		c.room.Broadcast()
	}
	c.mu.Unlock()
}

// unlist takes q out of the list of calls being done; mu is held.
func (c *conn) unlist(q *request) {
	if q.prev != nil {
		q.prev.next = q.next
	}
	if q.next != nil {
		q.next.prev = q.prev
	} else {
		c.last = q.prev
	}
	q.prev, q.next = nil, nil
}

// wait moves a call from those in flight to those that wait for a lock.
func (q *request) wait() error {
	c := q.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting >= c.s.cfg.MaxWaiting {
		return syscall.ENOLCK
	}
	q.waits = true
	c.waiting++
	c.inFlight--
	if c.full.Load() {
		c.room.Broadcast()
	}
	return nil
}

// cancellable makes a context that cancelCall(id) ends.
func (c *conn) cancellable(id uint64) context.Context {
	ctx, cancel := context.WithCancel(c.ctx)
	c.mu.Lock()
	c.cancels[id] = cancel
	c.mu.Unlock()
	return ctx
}

func (c *conn) cancelCall(id uint64) {
	c.mu.Lock()
	cancel := c.cancels[id]
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// abort ends the connection for a reason that is not the stream's own.
func (c *conn) abort(why error) {
	c.mu.Lock()
	if c.why == nil {
		c.why = why
	}
	c.room.Broadcast()
	c.mu.Unlock()
	c.nc.Close()
}

func (c *conn) aborted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// bye tells the client why it is disconnected, and disconnects it.
func (c *conn) bye(why string) {
	c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	head := c.s.pool.Get(wire.HeaderSize)
	head.B = append(head.B, why...)
	c.w.SendNow(wire.Header{Kind: wire.KindBye}, head)
	c.abort(errors.New(why))
}

// upcall sends an event, without waiting.
func (c *conn) upcall(e *xlator.Event) {
	head := c.s.pool.Get(wire.HeaderSize)
	var err error
	if head.B, err = wire.Events.Append(head.B, e); err == nil {
		c.w.Post(wire.Header{Kind: wire.KindEvent}, head)
	}
}

// beat is called every second.
func (c *conn) beat(now time.Time) {
	cfg := &c.s.cfg
	if c.r.Idle(now) > cfg.IdleTimeout && !c.full.Load() {
		c.abort(fmt.Errorf("the client was silent for %v", cfg.IdleTimeout))
		return
	}
	if c.r.Stuck(now) > cfg.FrameTimeout {
		c.abort(fmt.Errorf("the client did not finish a frame within %v", cfg.FrameTimeout))
		return
	}
	if c.w.Idle(now) > time.Second/2 {
		c.w.Post(wire.Header{Kind: wire.KindPing}, c.s.pool.Get(wire.HeaderSize))
	}
}

// cleanup ends the calls, then closes the handles, then tells the translator.
func (c *conn) cleanup() {
	c.cancel()
	close(c.work)
	c.calls.Wait()
	c.mu.Lock()
	handles := c.handles
	c.handles = nil
	c.mu.Unlock()
	for _, h := range handles {
		h.close()
	}
	q := &fop.DisconnectReq{Client: c.id}
	q.Caller = &fop.Caller{PID: -1, Client: c.id}
	ctx := context.WithoutCancel(c.ctx) // locks must be dropped even when the server stops
	if _, err := c.s.top.Disconnect(ctx, q); err != nil {
		c.s.cfg.Log.Error("clean-up after a client failed", "brick", c.s.cfg.Brick, "client", c.hello.ClientName, "reason", err)
	}
}

func (c *conn) info() ClientInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ClientInfo{Client: c.id, Name: c.hello.ClientName, Addr: c.addr.String(), Since: c.since,
		BytesIn: c.r.Bytes(), BytesOut: c.w.Bytes(), OpVersion: c.hello.OpVersion, Graph: c.hello.Graph,
		Handles: len(c.handles), InFlight: c.inFlight + c.waiting}
}
