// Package client is a translator whose child is across the network: it turns fops
// into calls to a brick's protocol/server, and a lost connection into ChildDown,
// ENOTCONN and, later, ChildUp.
//
// # Sessions
//
// A session is one connection, from a successful handshake to its loss. A client
// reconnects for ever in the background. On a new session all open files and
// directories are opened again under their old handles, and the POSIX and flock locks
// held through them are taken again, before ChildUp is told. A file that cannot be
// had again, or whose locks somebody else has meanwhile, fails all later fops with
// EBADFD, so that its user is told.
//
// On loss ChildDown is told first; only then do the pending calls fail with ENOTCONN;
// only then is a new connection made.
//
// # Cancellation
//
// When ctx of a call ends, the call is abandoned: its answer will be thrown away. Calls
// that leave something behind for their caller (locks, open handles) are cancelled at
// the server instead and their answer is awaited: it may still be a success.
//
// # Intercepts
//
// Everything; it is a leaf.
//
// # Volfile
//
//	volume demo-client-0
//	    type protocol/client
//	    option remote-host server1
//	    option remote-subvolume /bricks/demo
//	    option volume demo
//	    option ping-timeout 5
//	    option frame-timeout 10
//	end-volume
//
// Further options: remote-port (skips asking for it), volume-id, username, password, graph, vouches (see
// wire.Hello).
package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/local"
	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// DefaultPingTimeout is after how long a silent brick is taken for dead.
const DefaultPingTimeout = 5 * time.Second

// A Place is where a brick listens on its host.
type Place struct {
	Port   int    // TCP
	Socket string // for clients on the same machine, see protocol/local; "": none
}

// A Resolver asks the management daemon on host where the brick listens.
type Resolver func(ctx context.Context, host, brick string) (Place, error)

// A Dialer connects to a brick.
type Dialer func(ctx context.Context, host, brick string) (net.Conn, error)

// New makes the translator type protocol/client; resolve is asked before each
// connection, as a brick may come back on another port.
func New(resolve Resolver) xlator.New {
	return func(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
		fixed, err := opts.Int("remote-port", 0)
		if err != nil {
			return nil, err
		}
		return NewDialer(func(ctx context.Context, host, brick string) (net.Conn, error) {
			at := Place{Port: int(fixed)}
			if at.Port == 0 {
				var err error
				if at, err = resolve(ctx, host, brick); err != nil {
					return nil, err
				}
			}
			return dialPlace(ctx, env.Log, host, at)
		})(env, opts, subvols)
	}
}

// dialPlace connects in the best way that there is.
func dialPlace(ctx context.Context, log *slog.Logger, host string, at Place) (net.Conn, error) {
	addr := net.JoinHostPort(host, strconv.Itoa(at.Port))
	if at.Socket != "" {
		c, err := local.Dial(ctx, at.Socket, addr)
		if err == nil {
			return c, nil
		}
		log.Debug("no short way to the brick", "addr", addr, "reason", err)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// NewDialer is New for connections that are made in another way.
func NewDialer(dial Dialer) xlator.New {
	return func(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
		if len(subvols) > 0 {
			return nil, fmt.Errorf("%s: protocol/client takes no subvolumes", env.Name)
		}
		timeout, err := opts.Seconds("ping-timeout", DefaultPingTimeout)
		if err != nil {
			return nil, err
		}
		if timeout <= 0 {
			return nil, fmt.Errorf("%s: option ping-timeout must be above 0", env.Name)
		}
		frames, err := opts.Seconds("frame-timeout", DefaultFrameTimeout)
		if err != nil {
			return nil, err
		}
		graph, err := opts.Int("graph", 0)
		if err != nil {
			return nil, err
		}
		vouches, err := opts.Bool("vouches", false)
		if err != nil {
			return nil, err
		}
		host, _ := os.Hostname()
		c := &client{
			env: env, dial: dial, pingTimeout: timeout, frameTimeout: frames,
			host: opts.Str("remote-host", "localhost"),
			hello: wire.Hello{
				Version: wire.Version, ClientID: make([]byte, 16),
				ClientName: fmt.Sprintf("%s-%d-%s", host, os.Getpid(), env.Name),
				Volume:     opts.Str("volume", opts.Str("volume-id", "")),
				Brick:      opts.Str("remote-subvolume", ""),
				Username:   opts.Str("username", ""), Password: opts.Str("password", ""),
				Graph: uint64(graph), Vouches: vouches,
			},
			handles: map[uint64]handle{},
			locks:   lockTable{inodes: map[fop.GFID][]heldLock{}},
			stopped: make(chan struct{}),
		}
		rand.Read(c.hello.ClientID)
		ctx, stop := context.WithCancel(context.Background()) // until Close
		c.stop = stop
		go c.run(ctx)
		return c, nil
	}
}

// client is the translator.
//
// Lock order: mu before locks.mu. eventMu is held while watchers are told.
type client struct {
	env         xlator.Env
	dial        Dialer
	host        string
	hello       wire.Hello
	pingTimeout time.Duration
	// frameTimeout: see DefaultFrameTimeout; 0: no brick is slow.
	frameTimeout time.Duration
	ejected      atomic.Bool // the brick must write to its disk before it is used again
	pool         wire.Pool
	watchers     xlator.Watchers

	eventMu sync.Mutex
	up      uint64 // the session that ChildUp was told of; 0: ChildDown
	local   bool   // the last session's brick is on this machine

	cur        atomic.Pointer[session] // where fops go; nil: down
	lastHandle atomic.Uint64
	lastID     uint64 // of a session; only run uses it

	mu      sync.Mutex
	sess    *session          // the session that handles belong to, perhaps still being set up
	handles map[uint64]handle // all open files and directories

	locks lockTable

	stop    context.CancelFunc
	stopped chan struct{} // run has returned
}

// handle is an open file or directory that a new session opens again.
type handle interface {
	reopen(ctx context.Context, s *session)
}

var _ xlator.Xlator = (*client)(nil)

// Watch adds a function to be told of events.
func (c *client) Watch(f func(xlator.Event)) {
	c.eventMu.Lock()
	defer c.eventMu.Unlock()
	c.watchers.Add(f)
	if c.up != 0 {
		f(xlator.Event{Kind: xlator.ChildUp, Session: c.up, Local: c.local})
	}
}

// Close ends the connection and everything that runs for it.
func (c *client) Close() error {
	c.stop()
	<-c.stopped
	return nil
}

// session returns the connection that a request has to travel over.
func (c *client) session(q *fop.Req) (*session, error) {
	s := c.cur.Load()
	if s == nil || q.Session != 0 && q.Session != s.id {
		return nil, syscall.ENOTCONN
	}
	return s, nil
}

// call performs a fop that is not on a handle.
func call[Q, R any](ctx context.Context, c *client, f *wire.Fop[Q, R], q *Q) (*R, error) {
	s, err := c.session(f.Base(q))
	if err != nil {
		return nil, err
	}
	return do(ctx, s, f, q, transfer{})
}

// callLock is call for the fops that may take a lock.
func callLock[Q any](ctx context.Context, c *client, f *wire.Fop[Q, fop.LockReply], q *Q) (*fop.LockReply, error) {
	s, err := c.session(f.Base(q))
	if err != nil {
		return nil, err
	}
	r, err := do(ctx, s, f, q, transfer{keep: true})
	if err == nil {
		r.Session = s.id
	}
	return r, err
}

func (c *client) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	return call(ctx, c, &wire.Lookup, q)
}

func (c *client) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return beginEntry(ctx, c, &wire.Mkdir, q)()
}

func (c *client) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return beginEntry(ctx, c, &wire.Mknod, q)()
}

func (c *client) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return beginEntry(ctx, c, &wire.Symlink, q)()
}

func (c *client) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	return beginEntry(ctx, c, &wire.Link, q)()
}

func (c *client) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return call(ctx, c, &wire.Unlink, q)
}

func (c *client) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return call(ctx, c, &wire.Rmdir, q)
}

func (c *client) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return call(ctx, c, &wire.Rename, q)
}

func (c *client) Stat(ctx context.Context, q *fop.StatReq) (*fop.StatReply, error) {
	return call(ctx, c, &wire.Stat, q)
}

func (c *client) Setattr(ctx context.Context, q *fop.SetattrReq) (*fop.InodeReply, error) {
	return call(ctx, c, &wire.Setattr, q)
}

func (c *client) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return call(ctx, c, &wire.Truncate, q)
}

func (c *client) Readlink(ctx context.Context, q *fop.ReadlinkReq) (*fop.ReadlinkReply, error) {
	return call(ctx, c, &wire.Readlink, q)
}

func (c *client) Statfs(ctx context.Context, q *fop.StatfsReq) (*fop.StatfsReply, error) {
	return call(ctx, c, &wire.Statfs, q)
}

func (c *client) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	return call(ctx, c, &wire.Getxattr, q)
}

func (c *client) Setxattr(ctx context.Context, q *fop.SetxattrReq) (*fop.InodeReply, error) {
	return call(ctx, c, &wire.Setxattr, q)
}

func (c *client) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return call(ctx, c, &wire.Removexattr, q)
}

func (c *client) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	return call(ctx, c, &wire.Xattrop, q)
}

func (c *client) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	return callLock(ctx, c, &wire.Inodelk, q)
}

func (c *client) Entrylk(ctx context.Context, q *fop.EntrylkReq) (*fop.LockReply, error) {
	return callLock(ctx, c, &wire.Entrylk, q)
}

func (c *client) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	r, err := call(ctx, c, &wire.Release, q)
	if err == nil && len(r.Errnos) != len(q.Items) {
		return nil, fmt.Errorf("release of %d locks answered for %d: %w", len(q.Items), len(r.Errnos), syscall.EIO)
	}
	return r, err
}

// Forget is a hint: it travels with whatever is sent next, and is lost if the
// connection is.
func (c *client) Forget(_ context.Context, q *fop.ForgetReq) (*fop.Empty, error) {
	s, err := c.session(&q.Req)
	if err != nil {
		return nil, err
	}
	head := c.pool.Get(wire.HeaderSize)
	if head.B, err = wire.Forget.Req.Append(head.B, q); err != nil {
		return nil, errors.Join(syscall.EINVAL, err)
	}
	s.w.SendLazy(wire.Header{Kind: wire.KindRequest, Op: wire.OpForget}, head)
	return &fop.Empty{}, nil
}

// Disconnect has nothing to do: the server does it when the connection ends.
func (c *client) Disconnect(context.Context, *fop.DisconnectReq) (*fop.Empty, error) {
	return &fop.Empty{}, nil
}
