package wire

import (
	"math"

	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
)

// small checks that an enumeration fits the byte it has in package fop.
func (r *parser) small(n uint32) uint8 {
	if n > math.MaxUint8 {
		r.fail("enumeration value %d", n)
	}
	return uint8(n)
}

func xattropTo(q *fop.XattropReq) *pb.XattropReq {
	return &pb.XattropReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Op: uint32(q.Op), Deltas: xattrsTo(q.Deltas),
		EntryCreate: rawAll(q.EntryCreate), EntryDelete: rawAll(q.EntryDelete)}
}

func xattropFrom(r *parser, m *pb.XattropReq) *fop.XattropReq {
	return &fop.XattropReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Op: fop.XattropOp(r.small(m.Op)), Deltas: r.xattrs(m.Deltas),
		EntryCreate: strAll(m.EntryCreate), EntryDelete: strAll(m.EntryDelete)}
}

func xattropReplyTo(a *fop.XattropReply) *pb.XattropReply {
	return &pb.XattropReply{Values: xattrsTo(a.Values)}
}

func xattropReplyFrom(r *parser, m *pb.XattropReply) *fop.XattropReply {
	return &fop.XattropReply{Values: r.xattrs(m.Values)}
}

func inodelkTo(q *fop.InodelkReq) *pb.InodelkReq {
	return &pb.InodelkReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Domain: raw(q.Domain), Owner: uint64(q.Owner), Cmd: uint32(q.Cmd),
		Type: uint32(q.Type), Start: q.Start, Len: q.Len, Mark: xattrsTo(q.Mark), Want: rawAll(q.Want)}
}

func inodelkFrom(r *parser, m *pb.InodelkReq) *fop.InodelkReq {
	return &fop.InodelkReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Domain: str(m.Domain), Owner: fop.LkOwner(m.Owner),
		Cmd: fop.LockCmd(r.small(m.Cmd)), Type: fop.LkType(r.small(m.Type)), Start: m.Start, Len: m.Len, Mark: r.xattrs(m.Mark), Want: strAll(m.Want)}
}

func entrylkTo(q *fop.EntrylkReq) *pb.EntrylkReq {
	return &pb.EntrylkReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Domain: raw(q.Domain), Owner: uint64(q.Owner), Cmd: uint32(q.Cmd),
		Name: raw(q.Name), Mark: xattrsTo(q.Mark), Want: rawAll(q.Want)}
}

func entrylkFrom(r *parser, m *pb.EntrylkReq) *fop.EntrylkReq {
	return &fop.EntrylkReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Domain: str(m.Domain), Owner: fop.LkOwner(m.Owner),
		Cmd: fop.LockCmd(r.small(m.Cmd)), Name: str(m.Name), Mark: r.xattrs(m.Mark), Want: strAll(m.Want)}
}

func lockReplyTo(a *fop.LockReply) *pb.LockReply {
	return &pb.LockReply{Contended: a.Contended, Iatt: iattTo(&a.Iatt), Xattrs: xattrsTo(a.Xattrs)}
}

func lockReplyFrom(r *parser, m *pb.LockReply) *fop.LockReply {
	return &fop.LockReply{Contended: m.Contended, Iatt: r.iatt(m.Iatt), Xattrs: r.xattrs(m.Xattrs)}
}

func releaseTo(q *fop.ReleaseReq) *pb.ReleaseReq {
	ms := make([]pb.ReleaseItem, len(q.Items))
	out := make([]*pb.ReleaseItem, len(q.Items))
	for i := range q.Items {
		e, m := &q.Items[i], &ms[i]
		m.Gfid, m.Domain, m.Owner, m.Entry = gfidTo(&e.GFID), raw(e.Domain), uint64(e.Owner), e.Entry
		m.Name, m.NoUnlock, m.Undo, m.EntryDelete = raw(e.Name), e.NoUnlock, xattrsTo(e.Undo), rawAll(e.EntryDelete)
		m.Covers, m.Missed = xattrsTo(e.Covers), spansTo(e.Missed)
		out[i] = m
	}
	return &pb.ReleaseReq{Caller: callerTo(&q.Req), Sync: q.Sync, Items: out}
}

func releaseFrom(r *parser, m *pb.ReleaseReq) *fop.ReleaseReq {
	q := &fop.ReleaseReq{Req: r.req(m.Caller), Sync: m.Sync, Items: make([]fop.ReleaseItem, len(m.Items))}
	for i, e := range m.Items {
		q.Items[i] = fop.ReleaseItem{GFID: r.gfid(e.Gfid), Domain: str(e.Domain), Owner: fop.LkOwner(e.Owner), Entry: e.Entry,
			Name: str(e.Name), NoUnlock: e.NoUnlock, Undo: r.xattrs(e.Undo), EntryDelete: strAll(e.EntryDelete), Covers: r.xattrs(e.Covers), Missed: r.spans(e.Missed)}
	}
	return q
}

func spansTo(ss []fop.Span) []int64 {
	if len(ss) == 0 {
		return nil
	}
	out := make([]int64, 0, 2*len(ss))
	for _, s := range ss {
		out = append(out, s.Off, s.End)
	}
	return out
}

// spans reads the pieces of a fop.Spans.
func (r *parser) spans(m []int64) []fop.Span {
	if len(m)%2 != 0 || len(m) > 2*fop.MostSpans {
		r.fail("%d ends of spans", len(m))
		return nil
	}
	var out []fop.Span
	for k := 0; k < len(m); k += 2 {
		s := fop.Span{Off: m[k], End: m[k+1]}
		if s.Off < 0 || s.Off >= s.End || k > 0 && s.Off <= m[k-1] {
			r.fail("span %d-%d", s.Off, s.End)
			return nil
		}
		out = append(out, s)
	}
	return out
}

func releaseReplyTo(a *fop.ReleaseReply) *pb.ReleaseReply { return &pb.ReleaseReply{Errnos: a.Errnos} }

func releaseReplyFrom(_ *parser, m *pb.ReleaseReply) *fop.ReleaseReply {
	return &fop.ReleaseReply{Errnos: m.Errnos}
}

func forgetTo(q *fop.ForgetReq) *pb.ForgetReq {
	m := &pb.ForgetReq{Caller: callerTo(&q.Req), Gfids: make([][]byte, len(q.GFIDs))}
	for i := range q.GFIDs {
		m.Gfids[i] = q.GFIDs[i][:]
	}
	return m
}

func forgetFrom(r *parser, m *pb.ForgetReq) *fop.ForgetReq {
	q := &fop.ForgetReq{Req: r.req(m.Caller), GFIDs: make([]fop.GFID, len(m.Gfids))}
	for i, b := range m.Gfids {
		q.GFIDs[i] = r.gfid(b)
	}
	return q
}

func emptyTo(*fop.Empty) *pb.Empty { return &pb.Empty{} }

func emptyFrom(*parser, *pb.Empty) *fop.Empty { return &fop.Empty{} }
