package wire

import (
	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
)

func readvTo(q *ReadvArgs) *pb.ReadvReq {
	return &pb.ReadvReq{Caller: callerTo(&q.Req), Off: q.Off, Size: q.Size}
}

func readvFrom(r *parser, m *pb.ReadvReq) *ReadvArgs {
	return &ReadvArgs{Req: r.req(m.Caller), Off: m.Off, Size: m.Size}
}

func readvReplyTo(a *fop.ReadvReply) *pb.ReadvReply { return &pb.ReadvReply{Iatt: iattTo(&a.Iatt)} }

func readvReplyFrom(r *parser, m *pb.ReadvReply) *fop.ReadvReply {
	return &fop.ReadvReply{Iatt: r.iatt(m.Iatt)}
}

func writevTo(q *fop.WritevReq) *pb.WritevReq {
	return &pb.WritevReq{Caller: callerTo(&q.Req), Off: q.Off, Flags: q.Flags}
}

func writevFrom(r *parser, m *pb.WritevReq) *fop.WritevReq {
	return &fop.WritevReq{Req: r.req(m.Caller), Off: m.Off, Flags: m.Flags}
}

func writevReplyTo(a *fop.WritevReply) *pb.WritevReply {
	return &pb.WritevReply{N: int64(a.N), Pre: iattTo(&a.Pre), Post: iattTo(&a.Post)}
}

func writevReplyFrom(r *parser, m *pb.WritevReply) *fop.WritevReply {
	return &fop.WritevReply{N: int(m.N), Pre: r.iatt(m.Pre), Post: r.iatt(m.Post)}
}

func fsyncTo(q *fop.FsyncReq) *pb.FsyncReq {
	return &pb.FsyncReq{Caller: callerTo(&q.Req), Datasync: q.Datasync}
}

func fsyncFrom(r *parser, m *pb.FsyncReq) *fop.FsyncReq {
	return &fop.FsyncReq{Req: r.req(m.Caller), Datasync: m.Datasync}
}

func flushTo(q *fop.FlushReq) *pb.FlushReq {
	return &pb.FlushReq{Caller: callerTo(&q.Req), Owner: uint64(q.Owner)}
}

func flushFrom(r *parser, m *pb.FlushReq) *fop.FlushReq {
	return &fop.FlushReq{Req: r.req(m.Caller), Owner: fop.LkOwner(m.Owner)}
}

func fallocateTo(q *fop.FallocateReq) *pb.FallocateReq {
	return &pb.FallocateReq{Caller: callerTo(&q.Req), Mode: q.Mode, Off: q.Off, Len: q.Len}
}

func fallocateFrom(r *parser, m *pb.FallocateReq) *fop.FallocateReq {
	return &fop.FallocateReq{Req: r.req(m.Caller), Mode: m.Mode, Off: m.Off, Len: m.Len}
}

func seekTo(q *fop.SeekReq) *pb.SeekReq {
	return &pb.SeekReq{Caller: callerTo(&q.Req), Off: q.Off, Whence: int64(q.Whence)}
}

func seekFrom(r *parser, m *pb.SeekReq) *fop.SeekReq {
	return &fop.SeekReq{Req: r.req(m.Caller), Off: m.Off, Whence: int(m.Whence)}
}

func seekReplyTo(a *fop.SeekReply) *pb.SeekReply { return &pb.SeekReply{Off: a.Off} }

func seekReplyFrom(_ *parser, m *pb.SeekReply) *fop.SeekReply { return &fop.SeekReply{Off: m.Off} }

func copyRangeTo(q *CopyRangeArgs) *pb.CopyRangeReq {
	return &pb.CopyRangeReq{Caller: callerTo(&q.Req), Off: q.Off, DstOff: q.DstOff, Len: q.Len, Dst: q.Dst}
}

func copyRangeFrom(r *parser, m *pb.CopyRangeReq) *CopyRangeArgs {
	return &CopyRangeArgs{CopyRangeReq: fop.CopyRangeReq{Req: r.req(m.Caller), Off: m.Off, DstOff: m.DstOff, Len: m.Len}, Dst: m.Dst}
}

func copyRangeReplyTo(a *fop.CopyRangeReply) *pb.CopyRangeReply {
	return &pb.CopyRangeReply{N: a.N, Pre: iattTo(&a.Pre), Post: iattTo(&a.Post)}
}

func copyRangeReplyFrom(r *parser, m *pb.CopyRangeReply) *fop.CopyRangeReply {
	return &fop.CopyRangeReply{N: m.N, Pre: r.iatt(m.Pre), Post: r.iatt(m.Post)}
}

func rchecksumTo(q *fop.RchecksumReq) *pb.RchecksumReq {
	return &pb.RchecksumReq{Caller: callerTo(&q.Req), Off: q.Off, Len: q.Len, Block: q.Block}
}

func rchecksumFrom(r *parser, m *pb.RchecksumReq) *fop.RchecksumReq {
	return &fop.RchecksumReq{Req: r.req(m.Caller), Off: m.Off, Len: m.Len, Block: m.Block}
}

func rchecksumReplyTo(a *fop.RchecksumReply) *pb.RchecksumReply {
	return &pb.RchecksumReply{N: a.N, Zero: a.Zero, Sha256: a.SHA256[:], Blocks: a.Blocks}
}

func rchecksumReplyFrom(r *parser, m *pb.RchecksumReply) *fop.RchecksumReply {
	a := &fop.RchecksumReply{N: m.N, Zero: m.Zero, Blocks: m.Blocks}
	if len(m.Sha256) != len(a.SHA256) {
		r.fail("SHA-256 of %d bytes", len(m.Sha256))
	}
	copy(a.SHA256[:], m.Sha256)
	return a
}

func lkTo(q *fop.LkReq) *pb.LkReq {
	return &pb.LkReq{Caller: callerTo(&q.Req), Cmd: uint32(q.Cmd), Type: uint32(q.Type), Owner: uint64(q.Owner), Pid: q.PID,
		Start: q.Start, End: q.End, Flock: q.Flock}
}

func lkFrom(r *parser, m *pb.LkReq) *fop.LkReq {
	return &fop.LkReq{Req: r.req(m.Caller), Cmd: fop.LkCmd(r.small(m.Cmd)), Type: fop.LkType(r.small(m.Type)), Owner: fop.LkOwner(m.Owner),
		PID: m.Pid, Start: m.Start, End: m.End, Flock: m.Flock}
}

func lkReplyTo(a *fop.LkReply) *pb.LkReply {
	return &pb.LkReply{Type: uint32(a.Type), Pid: a.PID, Start: a.Start, End: a.End}
}

func lkReplyFrom(r *parser, m *pb.LkReply) *fop.LkReply {
	return &fop.LkReply{Type: fop.LkType(r.small(m.Type)), PID: m.Pid, Start: m.Start, End: m.End}
}

func readdirpTo(q *fop.ReaddirpReq) *pb.ReaddirpReq {
	return &pb.ReaddirpReq{Caller: callerTo(&q.Req), Off: q.Off, Size: int64(q.Size), Plus: q.Plus, Want: rawAll(q.Want)}
}

func readdirpFrom(r *parser, m *pb.ReaddirpReq) *fop.ReaddirpReq {
	return &fop.ReaddirpReq{Req: r.req(m.Caller), Off: m.Off, Size: int(m.Size), Plus: m.Plus, Want: strAll(m.Want)}
}

func readdirpReplyTo(a *fop.ReaddirpReply) *pb.ReaddirpReply {
	ms := make([]pb.Dirent, len(a.Entries))
	out := make([]*pb.Dirent, len(a.Entries))
	for i := range a.Entries {
		e, m := &a.Entries[i], &ms[i]
		m.Name, m.Off, m.Iatt, m.Xattrs = raw(e.Name), e.Off, iattTo(&e.Iatt), xattrsTo(e.Xattrs)
		out[i] = m
	}
	return &pb.ReaddirpReply{Entries: out, Eof: a.EOF}
}

func readdirpReplyFrom(r *parser, m *pb.ReaddirpReply) *fop.ReaddirpReply {
	a := &fop.ReaddirpReply{EOF: m.Eof, Entries: make([]fop.Dirent, len(m.Entries))}
	for i, e := range m.Entries {
		a.Entries[i] = fop.Dirent{Name: str(e.Name), Off: e.Off, Iatt: r.iatt(e.Iatt), Xattrs: r.xattrs(e.Xattrs)}
	}
	return a
}
