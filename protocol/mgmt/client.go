package mgmt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ErrConnection is in the chain of every error that is the connection's fault: the
// daemon was not reached, or went away before it answered.
var ErrConnection = errors.New("no connection to the daemon")

// A Client is a connection to a daemon (or to a brick's admin socket). All methods
// may be called concurrently.
type Client struct {
	conn net.Conn
	done chan struct{} // closed when read has returned

	wmu sync.Mutex // one writer at a time

	mu    sync.Mutex
	last  uint64                     // guarded by mu
	calls map[uint64]chan<- *message // guarded by mu; nil once the connection is gone
	subs  map[string][]chan struct{} // guarded by mu; by volume
	err   error                      // guarded by mu; why the connection is gone
}

// Dial connects to the daemon at addr: host:port, or the path of a unix socket.
// Errors are in the chain of ErrConnection.
func Dial(ctx context.Context, addr string) (*Client, error) {
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnection, err)
	}
	return NewClient(conn)
}

// Endpoints lists what host:port may mean: one address:port for each address of the host.
// If it is an address already, or nobody knows the name, it is addr itself. Dial goes on to
// a name's next address only if it cannot connect; who asks them one by one also finds the
// daemon that answers behind one that does not.
func Endpoints(ctx context.Context, addr string) []string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return []string{addr}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{addr}
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return []string{addr}
	}
	out := make([]string, len(found))
	for i, a := range found {
		out[i] = net.JoinHostPort(a.Unmap().String(), port)
	}
	return out
}

// NewClient greets and returns a Client on conn, which it owns from then on.
func NewClient(conn net.Conn) (*Client, error) {
	if _, err := conn.Write([]byte(Magic + string(KindMgmt))); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrConnection, err)
	}
	return newClient(conn), nil
}

func newClient(conn net.Conn) *Client {
	c := &Client{
		conn:  conn,
		done:  make(chan struct{}),
		calls: map[uint64]chan<- *message{},
		subs:  map[string][]chan struct{}{},
	}
	go c.read()
	return c
}

// Close ends the connection; calls that wait return ErrConnection.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Done is closed when the connection is gone.
func (c *Client) Done() <-chan struct{} { return c.done }

// read delivers answers and news until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	r := bufio.NewReader(c.conn)
	for {
		m, err := readMessage(r)
		if err != nil {
			c.fail(err)
			return
		}
		c.mu.Lock()
		if m.ID != 0 {
			if ch := c.calls[m.ID]; ch != nil {
				delete(c.calls, m.ID)
				ch <- m // has room for one
			}
		} else if m.Method == pushVolfile {
			var q nameReq
			if json.Unmarshal(m.Body, &q) == nil {
				wake(c.subs[q.Name])
			}
		}
		c.mu.Unlock()
	}
}

// wake puts a token into every channel that has none.
func wake(chans []chan struct{}) {
	for _, ch := range chans {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// fail ends everything that waits for this connection.
func (c *Client) fail(err error) {
	c.conn.Close()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = errors.New("connection closed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = fmt.Errorf("%w: %w", ErrConnection, err)
	for _, ch := range c.calls {
		close(ch)
	}
	c.calls = nil
	for _, chans := range c.subs {
		for _, ch := range chans {
			close(ch)
		}
	}
	c.subs = nil
}

// call sends one request and waits for its answer.
func (c *Client) call(ctx context.Context, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", method, err)
	}
	ch := make(chan *message, 1)
	id, err := c.register(ch)
	if err != nil {
		return err
	}
	if err := c.send(ctx, &message{ID: id, Method: method, Body: body}); err != nil {
		c.forget(id)
		return err
	}
	select {
	case m, ok := <-ch:
		if !ok {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.err
		}
		if m.Error != nil {
			return m.Error
		}
		if err := json.Unmarshal(m.Body, out); err != nil {
			return fmt.Errorf("the answer to %s cannot be read: %w", method, err)
		}
		return nil
	case <-ctx.Done():
		c.forget(id)
		return ctx.Err()
	}
}

func (c *Client) register(ch chan<- *message) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		return 0, c.err
	}
	c.last++
	c.calls[c.last] = ch
	return c.last, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

func (c *Client) send(ctx context.Context, m *message) error {
	frame, err := encode(m)
	if err != nil {
		return err
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	deadline, _ := ctx.Deadline() // zero: none
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("%w: %w", ErrConnection, err)
	}
	if _, err := c.conn.Write(frame); err != nil {
		// Part of the frame may be out: nothing sensible can follow on this stream.
		c.conn.Close()
		return fmt.Errorf("%w: %w", ErrConnection, err)
	}
	return nil
}

// Subscribe asks to be told when the volfile of a volume (or a brick's volfile id)
// changes. A token comes for one or more changes; the channel is closed with the connection.
func (c *Client) Subscribe(ctx context.Context, volume string) (<-chan struct{}, error) {
	volume = strings.TrimPrefix(volume, "/")
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	if c.subs == nil {
		defer c.mu.Unlock()
		return nil, c.err
	}
	c.subs[volume] = append(c.subs[volume], ch)
	c.mu.Unlock()
	var none struct{}
	if err := c.call(ctx, methodSubscribe, nameReq{volume}, &none); err != nil {
		return nil, err
	}
	return ch, nil
}

// Watch calls f with the volfile of a volume, first with the present one and then
// whenever the text differs, until ctx ends, whose error it returns. It tries the
// addresses in turn (of a name that has several, each), for ever, so that it outlives
// daemons. down, if not nil, is told of every failure.
func Watch(ctx context.Context, addrs []string, volume string, f func(text string), down func(error)) error {
	if len(addrs) == 0 {
		return errors.New("no daemon to watch")
	}
	last := ""
	const least, most = 250 * time.Millisecond, 5 * time.Second
	for wait, i := least, 0; ctx.Err() == nil; i++ {
		for _, at := range endpointsSoon(ctx, addrs[i%len(addrs)]) {
			err := watchOne(ctx, at, volume, func(text string) {
				wait = least
				if text != last {
					last = text
					f(text)
				}
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if down != nil {
				down(err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, most)
	}
	return ctx.Err()
}

// watchOne watches through one connection until it breaks.
func watchOne(ctx context.Context, addr, volume string, f func(text string)) error {
	c, changed, err := subscribed(ctx, addr, volume)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		text, err := c.volfileSoon(ctx, volume)
		if err != nil {
			return err
		}
		f(text)
		if err := awaitNews(ctx, c, changed); err != nil {
			return err
		}
	}
}

// watchDial is how long a daemon may take to accept a watcher, and to hand out a volfile.
const watchDial = 1500 * time.Millisecond

// subscribed returns a connection that tells of changes of a volume's volfile.
func subscribed(ctx context.Context, addr, volume string) (*Client, <-chan struct{}, error) {
	ctx, cancel := context.WithTimeout(ctx, watchDial)
	defer cancel()
	c, err := Dial(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	changed, err := c.Subscribe(ctx, volume)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, changed, nil
}

// endpointsSoon is Endpoints with a limit.
func endpointsSoon(ctx context.Context, addr string) []string {
	ctx, cancel := context.WithTimeout(ctx, watchDial)
	defer cancel()
	return Endpoints(ctx, addr)
}

// volfileSoon is Volfile with a limit.
func (c *Client) volfileSoon(ctx context.Context, volume string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchDial)
	defer cancel()
	return c.Volfile(ctx, volume)
}

// watchPing is how often a daemon that has no news is asked whether it is there, and how
// long it may take to say so.
const watchPing = time.Second

// awaitNews waits for a token in changed, as long as the daemon is there.
func awaitNews(ctx context.Context, c *Client, changed <-chan struct{}) error {
	ping := time.NewTicker(watchPing)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-changed:
			if !ok {
				return fmt.Errorf("%w: connection closed", ErrConnection)
			}
			return nil
		case <-ping.C:
			if err := c.answers(ctx, watchPing); err != nil {
				return fmt.Errorf("%w: the daemon does not answer: %w", ErrConnection, err)
			}
		}
	}
}

// answers tells whether the daemon answers within limit.
func (c *Client) answers(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := c.Node(ctx)
	return err
}
