package store

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// pipes are streams to one other node, which can be cut off.
type pipes struct {
	peer   *pipes // whom Dial reaches
	cut    atomic.Bool
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn, 8), closed: make(chan struct{})} }

func (p *pipes) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) {
	if p.cut.Load() {
		return nil, errors.New("cut off")
	}
	here, there := net.Pipe()
	p.peer.conns <- there
	return here, nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func transportOver(p *pipes) *raft.NetworkTransport {
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: p, Timeout: time.Second})
}

// A sending of the log to a node that is cut off must not fail before that node answers
// heartbeats again, a later term has begun, or Raft ends.
func TestPatient(t *testing.T) {
	ends := map[string]func(p *patient, streams *pipes){
		"the node is back": func(p *patient, streams *pipes) {
			streams.cut.Store(false)
			var r raft.AppendEntriesResponse
			if err := p.AppendEntries("b", "b", &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte("a")}, Term: 2}, &r); err != nil {
				t.Errorf("heartbeat: %v", err)
			}
		},
		"a later term": func(p *patient, _ *pipes) {
			var r raft.AppendEntriesResponse
			p.AppendEntries("c", "c", &raft.AppendEntriesRequest{Term: 3}, &r) // fails, too
		},
		"the end": func(p *patient, _ *pipes) { p.release() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := newPipes(), newPipes()
				here.peer, there.peer = there, here
				p, other := newPatient(transportOver(here)), transportOver(there)
				defer p.Close()
				defer other.Close()
				other.SetHeartbeatHandler(func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Term: 2, Success: true}, nil) })
				here.cut.Store(true)
				sent := make(chan error, 1)
				go func() {
					var r raft.AppendEntriesResponse
					sent <- p.AppendEntries("b", "b", &raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 7, PrevLogTerm: 1}, &r)
				}()
				time.Sleep(time.Minute) // in the bubble
				select {
				case err := <-sent:
					t.Fatalf("the sending returned %v while the node was away", err)
				default:
				}
				end(p, here)
				if err := <-sent; err == nil {
					t.Error("the sending that failed says that it did not")
				}
			})
		})
	}
}
