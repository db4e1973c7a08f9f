package wire

import (
	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
)

func lookupTo(q *fop.LookupReq) *pb.LookupReq {
	return &pb.LookupReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID), Want: rawAll(q.Want), Content: q.Content}
}

func lookupFrom(r *parser, m *pb.LookupReq) *fop.LookupReq {
	return &fop.LookupReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid), Want: strAll(m.Want), Content: m.Content}
}

func lookupReplyTo(a *fop.LookupReply) *pb.LookupReply {
	return &pb.LookupReply{Iatt: iattTo(&a.Iatt), Parent: iattTo(&a.Parent), Xattrs: xattrsTo(a.Xattrs),
		HasContent: a.HasContent, Content: a.Content}
}

func lookupReplyFrom(r *parser, m *pb.LookupReply) *fop.LookupReply {
	return &fop.LookupReply{Iatt: r.iatt(m.Iatt), Parent: r.iatt(m.Parent), Xattrs: r.xattrs(m.Xattrs),
		HasContent: m.HasContent, Content: m.Content}
}

func createTo(q *fop.CreateReq) *pb.CreateReq {
	m := &pb.CreateReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID),
		Mode: q.Mode, Umask: q.Umask, Flags: q.Flags, Xattrs: xattrsTo(q.Xattrs), Mark: xattrsTo(q.Mark)}
	if l := q.Lock; l != nil {
		m.Lock = &pb.Lock{Domain: raw(l.Domain), Owner: uint64(l.Owner)}
	}
	return m
}

func createFrom(r *parser, m *pb.CreateReq) *fop.CreateReq {
	q := &fop.CreateReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid),
		Mode: m.Mode, Umask: m.Umask, Flags: m.Flags, Xattrs: r.xattrs(m.Xattrs), Mark: r.xattrs(m.Mark)}
	if l := m.Lock; l != nil {
		q.Lock = &fop.Lock{Domain: str(l.Domain), Owner: fop.LkOwner(l.Owner)}
	}
	return q
}

func mkdirTo(q *fop.MkdirReq) *pb.MkdirReq {
	return &pb.MkdirReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID),
		Mode: q.Mode, Umask: q.Umask, Xattrs: xattrsTo(q.Xattrs), Mark: xattrsTo(q.Mark)}
}

func mkdirFrom(r *parser, m *pb.MkdirReq) *fop.MkdirReq {
	return &fop.MkdirReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid),
		Mode: m.Mode, Umask: m.Umask, Xattrs: r.xattrs(m.Xattrs), Mark: r.xattrs(m.Mark)}
}

func mknodTo(q *fop.MknodReq) *pb.MknodReq {
	m := &pb.MknodReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID),
		Type: uint32(q.Type), Mode: q.Mode, Umask: q.Umask, Rdev: q.Rdev, Xattrs: xattrsTo(q.Xattrs), Mark: xattrsTo(q.Mark)}
	if c := q.Copy; c != nil {
		m.Copy = &pb.Copy{Content: c.Content, Atime: timeTo(c.Atime), Mtime: timeTo(c.Mtime), Ctime: timeTo(c.Ctime)}
	}
	return m
}

func mknodFrom(r *parser, m *pb.MknodReq) *fop.MknodReq {
	q := &fop.MknodReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid),
		Type: fop.FileType(r.small(m.Type)), Mode: m.Mode, Umask: m.Umask, Rdev: m.Rdev, Xattrs: r.xattrs(m.Xattrs), Mark: r.xattrs(m.Mark)}
	if c := m.Copy; c != nil {
		q.Copy = &fop.Copy{Content: c.Content, Atime: r.time(c.Atime), Mtime: r.time(c.Mtime), Ctime: r.time(c.Ctime)}
	}
	return q
}

func symlinkTo(q *fop.SymlinkReq) *pb.SymlinkReq {
	return &pb.SymlinkReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID),
		Target: raw(q.Target), Xattrs: xattrsTo(q.Xattrs), Mark: xattrsTo(q.Mark)}
}

func symlinkFrom(r *parser, m *pb.SymlinkReq) *fop.SymlinkReq {
	return &fop.SymlinkReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid),
		Target: str(m.Target), Xattrs: r.xattrs(m.Xattrs), Mark: r.xattrs(m.Mark)}
}

func linkTo(q *fop.LinkReq) *pb.LinkReq {
	return &pb.LinkReq{Caller: callerTo(&q.Req), Gfid: gfidTo(&q.GFID), Parent: gfidTo(&q.Parent), Name: raw(q.Name)}
}

func linkFrom(r *parser, m *pb.LinkReq) *fop.LinkReq {
	return &fop.LinkReq{Req: r.req(m.Caller), GFID: r.gfid(m.Gfid), Parent: r.gfid(m.Parent), Name: str(m.Name)}
}

func unlinkTo(q *fop.UnlinkReq) *pb.UnlinkReq {
	return &pb.UnlinkReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID), OnlyLinkto: q.OnlyLinkto, NotLast: q.NotLast}
}

func unlinkFrom(r *parser, m *pb.UnlinkReq) *fop.UnlinkReq {
	return &fop.UnlinkReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid), OnlyLinkto: m.OnlyLinkto, NotLast: m.NotLast}
}

func rmdirTo(q *fop.RmdirReq) *pb.RmdirReq {
	return &pb.RmdirReq{Caller: callerTo(&q.Req), Parent: gfidTo(&q.Parent), Name: raw(q.Name), Gfid: gfidTo(&q.GFID)}
}

func rmdirFrom(r *parser, m *pb.RmdirReq) *fop.RmdirReq {
	return &fop.RmdirReq{Req: r.req(m.Caller), Parent: r.gfid(m.Parent), Name: str(m.Name), GFID: r.gfid(m.Gfid)}
}

func renameTo(q *fop.RenameReq) *pb.RenameReq {
	return &pb.RenameReq{Caller: callerTo(&q.Req), OldParent: gfidTo(&q.OldParent), OldName: raw(q.OldName),
		NewParent: gfidTo(&q.NewParent), NewName: raw(q.NewName), Flags: q.Flags}
}

func renameFrom(r *parser, m *pb.RenameReq) *fop.RenameReq {
	return &fop.RenameReq{Req: r.req(m.Caller), OldParent: r.gfid(m.OldParent), OldName: str(m.OldName),
		NewParent: r.gfid(m.NewParent), NewName: str(m.NewName), Flags: m.Flags}
}
