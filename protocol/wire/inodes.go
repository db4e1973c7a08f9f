package wire

import (
	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
)

func inodeTo(q *fop.Req, g *fop.GFID) *pb.InodeReq {
	return &pb.InodeReq{Caller: callerTo(q), Gfid: gfidTo(g)}
}

func statTo(q *fop.StatReq) *pb.InodeReq         { return inodeTo(&q.Req, &q.GFID) }
func readlinkTo(q *fop.ReadlinkReq) *pb.InodeReq { return inodeTo(&q.Req, &q.GFID) }
func statfsTo(q *fop.StatfsReq) *pb.InodeReq     { return inodeTo(&q.Req, &q.GFID) }
func opendirTo(q *fop.OpendirReq) *pb.InodeReq   { return inodeTo(&q.Req, &q.GFID) }

func statFrom(r *parser, m *pb.InodeReq) *fop.StatReq {
	return &fop.StatReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid)}
}

func readlinkFrom(r *parser, m *pb.InodeReq) *fop.ReadlinkReq {
	return &fop.ReadlinkReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid)}
}

func statfsFrom(r *parser, m *pb.InodeReq) *fop.StatfsReq {
	return &fop.StatfsReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid)}
}

func opendirFrom(r *parser, m *pb.InodeReq) *fop.OpendirReq {
	return &fop.OpendirReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid)}
}

func dirReplyTo(a *DirReply) *pb.IattReply { return &pb.IattReply{Iatt: iattTo(&a.Iatt)} }

func dirReplyFrom(r *parser, m *pb.IattReply) *DirReply { return &DirReply{Iatt: r.iatt(m.Iatt)} }

func setattrTo(q *fop.SetattrReq) *pb.SetattrReq {
	return &pb.SetattrReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Valid: uint32(q.Valid), Mode: q.Mode, Uid: q.UID, Gid: q.GID,
		Atime: timeTo(q.Atime), Mtime: timeTo(q.Mtime), Ctime: timeTo(q.Ctime)}
}

func setattrFrom(r *parser, m *pb.SetattrReq) *fop.SetattrReq {
	return &fop.SetattrReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Valid: fop.SetattrValid(m.Valid), Mode: m.Mode, UID: m.Uid, GID: m.Gid,
		Atime: r.time(m.Atime), Mtime: r.time(m.Mtime), Ctime: r.time(m.Ctime)}
}

func truncateTo(q *fop.TruncateReq) *pb.TruncateReq {
	return &pb.TruncateReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Size: q.Size}
}

func truncateFrom(r *parser, m *pb.TruncateReq) *fop.TruncateReq {
	return &fop.TruncateReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Size: m.Size}
}

func readlinkReplyTo(a *fop.ReadlinkReply) *pb.ReadlinkReply {
	return &pb.ReadlinkReply{Target: raw(a.Target), Iatt: iattTo(&a.Iatt)}
}

func readlinkReplyFrom(r *parser, m *pb.ReadlinkReply) *fop.ReadlinkReply {
	return &fop.ReadlinkReply{Target: str(m.Target), Iatt: r.iatt(m.Iatt)}
}

func statfsReplyTo(a *fop.StatfsReply) *pb.StatfsReply {
	return &pb.StatfsReply{Bsize: a.Bsize, Frsize: a.Frsize, Blocks: a.Blocks, Bfree: a.Bfree, Bavail: a.Bavail,
		Files: a.Files, Ffree: a.Ffree, Favail: a.Favail, Namemax: a.Namemax}
}

func statfsReplyFrom(r *parser, m *pb.StatfsReply) *fop.StatfsReply {
	return &fop.StatfsReply{Bsize: m.Bsize, Frsize: m.Frsize, Blocks: m.Blocks, Bfree: m.Bfree, Bavail: m.Bavail,
		Files: m.Files, Ffree: m.Ffree, Favail: m.Favail, Namemax: m.Namemax}
}

func getxattrTo(q *fop.GetxattrReq) *pb.GetxattrReq {
	return &pb.GetxattrReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Name: raw(q.Name), Internal: q.Internal}
}

func getxattrFrom(r *parser, m *pb.GetxattrReq) *fop.GetxattrReq {
	return &fop.GetxattrReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Name: str(m.Name), Internal: m.Internal}
}

func getxattrReplyTo(a *fop.GetxattrReply) *pb.GetxattrReply {
	return &pb.GetxattrReply{Xattrs: xattrsTo(a.Xattrs)}
}

func getxattrReplyFrom(r *parser, m *pb.GetxattrReply) *fop.GetxattrReply {
	return &fop.GetxattrReply{Xattrs: r.xattrs(m.Xattrs)}
}

func setxattrTo(q *fop.SetxattrReq) *pb.SetxattrReq {
	return &pb.SetxattrReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Xattrs: xattrsTo(q.Xattrs), Flags: q.Flags, Internal: q.Internal}
}

func setxattrFrom(r *parser, m *pb.SetxattrReq) *fop.SetxattrReq {
	return &fop.SetxattrReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Xattrs: r.xattrs(m.Xattrs), Flags: m.Flags, Internal: m.Internal}
}

func removexattrTo(q *fop.RemovexattrReq) *pb.RemovexattrReq {
	return &pb.RemovexattrReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Names: rawAll(q.Names), Internal: q.Internal}
}

func removexattrFrom(r *parser, m *pb.RemovexattrReq) *fop.RemovexattrReq {
	return &fop.RemovexattrReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Names: strAll(m.Names), Internal: m.Internal}
}

func openTo(q *fop.OpenReq) *pb.OpenReq {
	return &pb.OpenReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Flags: q.Flags, Want: rawAll(q.Want), Content: q.Content}
}

func openFrom(r *parser, m *pb.OpenReq) *fop.OpenReq {
	return &fop.OpenReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Flags: m.Flags, Want: strAll(m.Want), Content: m.Content}
}

func openReplyTo(a *OpenReply) *pb.OpenReply {
	return &pb.OpenReply{Iatt: iattTo(&a.Iatt), Xattrs: xattrsTo(a.Xattrs), HasContent: a.HasContent}
}

func openReplyFrom(r *parser, m *pb.OpenReply) *OpenReply {
	return &OpenReply{OpenAnswer: fop.OpenAnswer{Iatt: r.iatt(m.Iatt), Xattrs: r.xattrs(m.Xattrs)}, HasContent: m.HasContent}
}
