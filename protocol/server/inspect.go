package server

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// A Connection is what one client has open and asks for at the moment.
type Connection struct {
	ClientInfo
	Open  []Handle
	Calls []Call // oldest first
}

// A Handle is an open file or directory.
type Handle struct {
	GFID  fop.GFID
	Flags uint32 // open(2)'s; O_DIRECTORY for a directory
	PID   int32  // of who opened it
	Refs  int    // calls that use it now
}

// A Call is a fop that has not been answered yet.
type Call struct {
	ID      uint64 // unique in the connection
	Name    string // of the fop, as GlusterFS writes it
	Since   time.Time
	Waiting bool        // for a lock
	Caller  *fop.Caller // nil before the request was read
}

// Connections describes all connections, oldest first, with at most limit handles each.
func (s *Server) Connections(limit int) []Connection {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	out := make([]Connection, 0, len(conns))
	for _, c := range conns {
		out = append(out, c.inspect(limit))
	}
	return out
}

func (c *conn) inspect(limit int) Connection {
	r := Connection{ClientInfo: c.info()}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.handles {
		if len(r.Open) == limit {
			break
		}
		if h.file != nil || h.dir != nil {
			r.Open = append(r.Open, Handle{GFID: h.gfid, Flags: h.flags, PID: h.pid, Refs: h.refs})
		}
	}
	for q := c.last; q != nil; q = q.prev {
		r.Calls = append(r.Calls, Call{ID: q.h.ID, Name: q.h.Op.String(), Since: q.since, Waiting: q.waits, Caller: q.caller.Load()})
	}
	slices.Reverse(r.Calls)
	return r
}

// Disconnect ends the connections of clients, by ClientInfo.Client; why is logged. They may
// connect again; what they held on the old connections, locks above all, is gone.
func (s *Server) Disconnect(clients []uint64, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range clients {
		if c := s.conns[id]; c != nil {
			c.abort(fmt.Errorf("ended by the administrator: %s", why))
		}
	}
}
