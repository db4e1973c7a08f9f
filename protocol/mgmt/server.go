package mgmt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// maxCalls is how many requests of one connection are worked on at once; further ones
// wait in the socket.
const maxCalls = 64

// writeTimeout bounds how long a peer that does not read holds a connection.
const writeTimeout = 30 * time.Second

// A Route answers one method. body is the request's JSON.
type Route func(ctx context.Context, c *Conn, body json.RawMessage) (any, error)

// Routes are the methods a server knows.
type Routes map[string]Route

// A Conn is one client as the server sees it.
type Conn struct {
	// Addr of the client; empty or "@" for a unix socket.
	Addr net.Addr
	nc   net.Conn
	out  chan []byte
	gone chan struct{} // closed when the connection ends

	mu   sync.Mutex
	subs map[string]bool // guarded by mu
}

// Subscribe makes Notify(volume) reach this client.
func (c *Conn) Subscribe(volume string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs[volume] = true
}

// Notify tells the client that a volfile has changed, if it asked for that. It does not
// block: a client that does not read its news is disconnected, and learns what it
// missed when it comes back.
func (c *Conn) Notify(volume string) {
	c.mu.Lock()
	wants := c.subs[volume]
	c.mu.Unlock()
	if !wants {
		return
	}
	body, err := json.Marshal(nameReq{volume})
	if err != nil {
		return // a string always marshals
	}
	frame, err := encode(&message{Method: pushVolfile, Body: body})
	if err != nil {
		return // far below MaxFrame
	}
	select {
	case c.out <- frame:
	default:
		c.nc.Close()
	}
}

// Serve answers requests on nc, whose first five bytes have been read, until the
// client goes, ctx ends or the stream is damaged; only the last is an error. It closes
// nc and returns when every call has returned. opened, if not nil, is told of the Conn
// first.
func Serve(ctx context.Context, nc net.Conn, routes Routes, opened func(*Conn)) error {
	ctx, cancel := context.WithCancel(ctx)
	c := &Conn{Addr: nc.RemoteAddr(), nc: nc, out: make(chan []byte, maxCalls), gone: make(chan struct{}), subs: map[string]bool{}}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	defer nc.Close()
	defer close(c.gone)
	wg.Go(c.write)
	if opened != nil {
		opened(c)
	}
	slots := make(chan struct{}, maxCalls)
	r := bufio.NewReader(nc)
	for {
		m, err := readMessage(r)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("management connection from %s: %w", c.Addr, err)
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c.answer(ctx, routes, m)
		})
	}
}

// write sends frames until the connection ends.
func (c *Conn) write() {
	for {
		select {
		case <-c.gone:
			return
		case frame := <-c.out:
			if c.nc.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
				return
			}
			if _, err := c.nc.Write(frame); err != nil {
				c.nc.Close() // the reader sees it and ends the connection
				return
			}
		}
	}
}

// answer works on one request and queues its answer.
func (c *Conn) answer(ctx context.Context, routes Routes, q *message) {
	r := &message{ID: q.ID}
	body, err := call(ctx, c, routes, q)
	if err == nil {
		r.Body, err = json.Marshal(body)
	}
	if err != nil {
		if !errors.As(err, &r.Error) {
			r.Error = &Error{Code: CodeInternal, Message: err.Error()}
		}
		r.Body = nil
	}
	frame, err := encode(r)
	if err != nil {
		frame, err = encode(&message{ID: q.ID, Error: &Error{Code: CodeInternal, Message: err.Error()}})
		if err != nil {
			return // cannot be: two short strings
		}
	}
	select {
	case c.out <- frame:
	case <-c.gone:
	}
}

func call(ctx context.Context, c *Conn, routes Routes, q *message) (any, error) {
	f := routes[q.Method]
	if q.ID == 0 || f == nil {
		return nil, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("unknown request %q", q.Method)}
	}
	return f(ctx, c, q.Body)
}

// route makes a Route of a function with a typed request.
func route[Q, R any](f func(context.Context, *Conn, *Q) (R, error)) Route {
	return func(ctx context.Context, c *Conn, body json.RawMessage) (any, error) {
		q := new(Q)
		if len(body) > 0 {
			if err := json.Unmarshal(body, q); err != nil {
				return nil, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("the request cannot be read: %v", err)}
			}
		}
		return f(ctx, c, q)
	}
}
