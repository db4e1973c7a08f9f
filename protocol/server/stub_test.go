package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var root = fop.Req{Caller: &fop.Caller{}}

// stub is a brick that has one file and no disk: what is asked of it is chosen by name.
type stub struct {
	xlator.Pass
	watchers xlator.Watchers

	mu       sync.Mutex
	data     []byte
	holder   map[fop.LkOwner]uint64 // POSIX locks: owner to connection
	freed    chan struct{}          // closed and replaced when a lock is dropped
	opens    atomic.Int32
	openErr  syscall.Errno // what Open answers
	entered  chan string   // tells what blocks
	discon   chan uint64
	lastConn atomic.Uint64
}

func newStub() *stub {
	return &stub{data: make([]byte, 1<<20), holder: map[fop.LkOwner]uint64{}, freed: make(chan struct{}),
		entered: make(chan string, 1000), discon: make(chan uint64, 100)}
}

func (s *stub) Watch(f func(xlator.Event)) {
	s.watchers.Add(f)
	f(xlator.Event{Kind: xlator.ChildUp})
}

func (s *stub) Close() error { return nil }

func (s *stub) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	s.lastConn.Store(q.Caller.Client)
	switch q.Name {
	case "block":
		s.entered <- q.Name
		<-ctx.Done()
		return nil, ctx.Err()
	case "panic":
		panic("as asked")
	case "missing":
		return nil, syscall.ENOENT
	}
	return &fop.LookupReply{Iatt: fop.Iatt{GFID: fop.RootGFID, Type: fop.TypeReg, Size: 42, Nlink: 1}, Parent: fop.Iatt{GFID: fop.RootGFID, Type: fop.TypeDir}}, nil
}

func (s *stub) Inodelk(ctx context.Context, q *fop.InodelkReq) (*fop.LockReply, error) {
	if q.Cmd == fop.LockWait {
		s.entered <- "inodelk"
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &fop.LockReply{}, nil
}

func (s *stub) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.openErr != 0 {
		return nil, s.openErr
	}
	s.opens.Add(1)
	r := &xlator.OpenReply{File: &stubFile{s: s}}
	if q.Content > 0 {
		r.Content = s.data[:q.Content]
	}
	return r, nil
}

func (s *stub) Opendir(context.Context, *fop.OpendirReq) (*xlator.OpendirReply, error) {
	s.opens.Add(1)
	return &xlator.OpendirReply{Dir: &stubDir{s}}, nil
}

func (s *stub) Forget(context.Context, *fop.ForgetReq) (*fop.Empty, error) {
	s.entered <- "forget"
	return &fop.Empty{}, nil
}

func (s *stub) Disconnect(_ context.Context, q *fop.DisconnectReq) (*fop.Empty, error) {
	s.mu.Lock()
	for o, c := range s.holder {
		if c == q.Client {
			delete(s.holder, o)
		}
	}
	s.mu.Unlock()
	s.discon <- q.Client
	return &fop.Empty{}, nil
}

type stubFile struct {
	xlator.PassFile
	s *stub
}

func (f *stubFile) Readv(_ context.Context, q *fop.ReadvReq) (*fop.ReadvReply, error) {
	n := copy(q.Buf, f.s.data)
	return &fop.ReadvReply{N: n, Iatt: fop.Iatt{GFID: fop.RootGFID, Type: fop.TypeReg, Size: 1 << 20}}, nil
}

func (f *stubFile) Writev(_ context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	copy(f.s.data, q.Data)
	return &fop.WritevReply{N: len(q.Data)}, nil
}

func (f *stubFile) CopyFileRange(context.Context, *fop.CopyRangeReq, xlator.File) (*fop.CopyRangeReply, error) {
	return &fop.CopyRangeReply{}, nil
}

func (f *stubFile) Lk(_ context.Context, q *fop.LkReq) (*fop.LkReply, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if c, held := f.s.holder[q.Owner]; held && c != q.Caller.Client {
		return nil, syscall.EAGAIN
	}
	if q.Type == fop.LkUnlock {
		delete(f.s.holder, q.Owner)
	} else {
		f.s.holder[q.Owner] = q.Caller.Client
	}
	return &fop.LkReply{}, nil
}

func (f *stubFile) Close() error { f.s.opens.Add(-1); f.s.entered <- "close"; return nil }

type stubDir struct{ s *stub }

func (d *stubDir) Readdirp(context.Context, *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	return &fop.ReaddirpReply{Entries: []fop.Dirent{{Name: "a\xff", Off: 1, Iatt: fop.Iatt{GFID: fop.RootGFID}}}, EOF: true}, nil
}
func (d *stubDir) Fsync(context.Context, *fop.FsyncReq) (*fop.Empty, error) { return &fop.Empty{}, nil }
func (d *stubDir) Close() error                                             { d.s.opens.Add(-1); d.s.entered <- "close"; return nil }

// link is a server and the way to it, which a test can cut.
type link struct {
	t      testing.TB
	srv    *server.Server
	mu     sync.Mutex
	conns  []net.Conn
	refuse bool
	dialed atomic.Int32
	ln     net.Listener
}

func serve(t testing.TB, top xlator.Xlator, cfg server.Config) *link {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, srv: server.New(top, cfg), ln: ln}
	done := make(chan struct{})
	go func() { defer close(done); l.srv.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		l.srv.Close()
		<-done
	})
	return l
}

func (l *link) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialed.Add(1)
	if l.refuse {
		return nil, syscall.ECONNREFUSED
	}
	c, err := net.Dial("tcp", l.ln.Addr().String())
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

// cut closes the connections; no new ones are made while refuse.
func (l *link) cut(refuse bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = refuse
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// peer is a client with its events.
type peer struct {
	xlator.Xlator
	events chan xlator.Event
}

func connect(t testing.TB, l *link, opts xlator.Options) *peer {
	if opts == nil {
		opts = xlator.Options{}
	}
	x, err := client.NewDialer(l.dial)(xlator.Env{Name: "demo-client-0", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Xlator: x, events: make(chan xlator.Event, 100)}
	x.Watch(func(e xlator.Event) { p.events <- e })
	t.Cleanup(func() { x.Close() })
	return p
}

func (p *peer) wait(t testing.TB, k xlator.EventKind) xlator.Event {
	t.Helper()
	for e := range p.events {
		if e.Kind == k {
			return e
		}
	}
	return xlator.Event{}
}
