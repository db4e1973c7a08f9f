package wire

import (
	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
)

// MaxBatch bounds the requests in one message.
const MaxBatch = 4096

// BatchReq is several requests in one message, each a message of its own.
type BatchReq struct {
	fop.Req
	Items []BatchItem
}

// A BatchItem is one of them.
type BatchItem struct {
	Op      Op
	Message []byte
}

// BatchReply answers them in their order.
type BatchReply struct{ Items []BatchAnswer }

// A BatchAnswer is an errno, or the message of a reply.
type BatchAnswer struct {
	Errno   uint32
	Message []byte
}

func batchTo(q *BatchReq) *pb.BatchReq {
	m := &pb.BatchReq{Caller: callerTo(&q.Req)}
	for i := range q.Items {
		m.Items = append(m.Items, &pb.BatchItem{Op: uint32(q.Items[i].Op), Message: q.Items[i].Message})
	}
	return m
}

func batchFrom(r *parser, m *pb.BatchReq) *BatchReq {
	q := &BatchReq{Req: r.req(m.Caller)}
	if len(m.Items) > MaxBatch {
		r.fail("batch of %d requests", len(m.Items))
		return q
	}
	for _, it := range m.Items {
		if it.Op > 0xffff {
			r.fail("op %d in a batch", it.Op)
		}
		q.Items = append(q.Items, BatchItem{Op(it.Op), it.Message})
	}
	return q
}

func batchReplyTo(a *BatchReply) *pb.BatchReply {
	m := &pb.BatchReply{}
	for i := range a.Items {
		m.Items = append(m.Items, &pb.BatchAnswer{Errno: a.Items[i].Errno, Message: a.Items[i].Message})
	}
	return m
}

func batchReplyFrom(r *parser, m *pb.BatchReply) *BatchReply {
	a := &BatchReply{}
	for _, it := range m.Items {
		a.Items = append(a.Items, BatchAnswer{it.Errno, it.Message})
	}
	return a
}
