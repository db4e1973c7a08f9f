package wire

import (
	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/xlator"
)

// Hello is how a client introduces itself.
type Hello struct {
	Version    uint32 // of this protocol
	Volume     string // "": any
	Brick      string // path of the brick; "": any
	ClientID   []byte // 16 random bytes per client process
	ClientName string // for people: host, pid, volume
	Features   uint64
	OpVersion  uint32
	Graph      uint64 // which changes of the volume's bricks its graph contains
	Vouches    bool   // it looks after bricks that lost power, and is let in before clients are
	Username   string
	Password   string
}

// HelloReply is the answer; the frame's errno says whether the client was let in.
type HelloReply struct {
	Version  uint32
	Features uint64
	Reason   string
}

// Hellos, HelloReplies and Events are the messages that are not fops.
var (
	Hellos       = codec(helloTo, helloFrom)
	HelloReplies = codec(helloReplyTo, helloReplyFrom)
	Events       = codec(eventTo, eventFrom)
)

func helloTo(h *Hello) *pb.Hello {
	return &pb.Hello{Version: h.Version, Volume: raw(h.Volume), Brick: raw(h.Brick), ClientId: h.ClientID, ClientName: raw(h.ClientName),
		Features: h.Features, OpVersion: h.OpVersion, Username: raw(h.Username), Password: raw(h.Password), Graph: h.Graph, Vouches: h.Vouches}
}

func helloFrom(_ *parser, m *pb.Hello) *Hello {
	return &Hello{Version: m.Version, Volume: str(m.Volume), Brick: str(m.Brick), ClientID: m.ClientId, ClientName: str(m.ClientName),
		Features: m.Features, OpVersion: m.OpVersion, Username: str(m.Username), Password: str(m.Password), Graph: m.Graph, Vouches: m.Vouches}
}

func helloReplyTo(h *HelloReply) *pb.HelloReply {
	return &pb.HelloReply{Version: h.Version, Features: h.Features, Reason: raw(h.Reason)}
}

func helloReplyFrom(_ *parser, m *pb.HelloReply) *HelloReply {
	return &HelloReply{Version: m.Version, Features: m.Features, Reason: str(m.Reason)}
}

func eventTo(e *xlator.Event) *pb.Event {
	return &pb.Event{Kind: uint32(e.Kind), Gfid: gfidTo(&e.GFID), Domain: raw(e.Domain), Entry: e.Entry, Name: raw(e.Name), Reason: raw(e.Reason)}
}

func eventFrom(r *parser, m *pb.Event) *xlator.Event {
	return &xlator.Event{Kind: xlator.EventKind(r.small(m.Kind)), GFID: r.gfid(m.Gfid), Domain: str(m.Domain), Entry: m.Entry,
		Name: str(m.Name), Reason: str(m.Reason)}
}
