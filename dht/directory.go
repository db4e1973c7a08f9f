package dht

import (
	"context"
	"slices"
	"strings"
	"syscall"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

type lookups = []xlator.Result[*fop.LookupReply]

// merged is what the copies of a directory say together.
type merged struct {
	reply   *fop.LookupReply
	layout  layout.Layout
	mds     int // -1: none
	missing []int
	down    []int
	uneven  bool // owner or mode differ
	behind  bool // the mds copy says that others missed a change
}

// merge reads the copies.
func (d *distribute) merge(got lookups) *merged {
	m := &merged{layout: make(layout.Layout, len(got)), mds: -1}
	for i, a := range got {
		m.layout[i].Commit = layout.NoCommit
		switch {
		case a.Err != nil && (fop.IsGone(a.Err) || fop.Errno(a.Err) == syscall.ENODATA):
			m.missing = append(m.missing, i)
		case a.Err != nil:
			m.down = append(m.down, i)
		default:
			m.add(d, i, a.Reply)
		}
	}
	if m.mds >= 0 && m.reply != nil {
		best := got[m.mds].Reply.Iatt
		m.reply.Iatt.Mode, m.reply.Iatt.UID, m.reply.Iatt.GID = best.Mode, best.UID, best.GID
	}
	return m
}

func (m *merged) add(d *distribute, i int, r *fop.LookupReply) {
	if v, ok := fop.XattrOf(r.Xattrs, layout.Xattr); ok {
		e, err := layout.Parse(v)
		if err != nil {
			d.log.Error("a layout on a subvolume is not valid", "subvol", d.names[i], "gfid", r.Iatt.GFID, "err", err)
		} else {
			m.layout[i] = e
		}
	}
	if v, ok := mdsOf(r.Xattrs); ok && m.mds < 0 {
		m.mds, m.behind = i, v < 0
	}
	if m.reply == nil {
		c := *r
		m.reply = &c
		showDir(&m.reply.Iatt)
		return
	}
	a, b := &m.reply.Iatt, &r.Iatt
	if a.GFID != b.GFID {
		d.log.Error("the copies of a directory have different GFIDs", "gfid", a.GFID, "subvol", d.names[i], "other", b.GFID)
	}
	m.uneven = m.uneven || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID
	a.Atime, a.Mtime, a.Ctime = a.Atime.Later(b.Atime), a.Mtime.Later(b.Mtime), a.Ctime.Later(b.Ctime)
	a.Nlink = max(a.Nlink, b.Nlink)
	a.Flags &= b.Flags
}

// directory answers a lookup of a directory from its copies, healing what is missing
// or different unless a subvolume is down.
//
// ups is what distribute.ups was before the copies were asked.
func (d *distribute) directory(ctx context.Context, q *fop.LookupReq, hashed int, ups uint64, got lookups) (*fop.LookupReply, error) {
	m := d.merge(got)
	if m.reply == nil {
		return nil, syscall.ENOENT
	}
	g := m.reply.Iatt.GFID
	if g == fop.RootGFID {
		d.readCommit(m.reply.Xattrs)
	}
	if (len(m.missing) > 0 || m.uneven || m.behind || !m.layout.Whole()) && len(m.down) == 0 {
		if h, err := d.healDirectory(ctx, q, hashed, m); err != nil {
			d.log.Warn("a directory could not be healed", "gfid", g, "op_errno", fop.Errno(err))
		} else {
			m = h
		}
	}
	c := &inodeCtx{layout: m.layout, ups: ups, mds: m.mds, parent: q.Parent, name: q.Name}
	if old := d.ctx.get(g); q.Name == "" && old != nil {
		c.parent, c.name = old.parent, old.name
	}
	if c.mds < 0 {
		c.mds = max(hashed, 0)
	}
	d.ctx.set(g, c)
	return m.reply, nil
}

// healDirectory makes missing copies, evens out attributes, and completes the layout.
//
// Crash points: after some copies were made: the next lookup makes the others, without
// a range they own no name. After some ranges of a new layout were written: the ranges
// do not tile, and the next lookup computes them anew. Ranges are only rewritten when
// they do not tile, so no name that can be found gets lost; those written carry
// NoCommit, so names are looked for everywhere.
func (d *distribute) healDirectory(ctx context.Context, q *fop.LookupReq, hashed int, m *merged) (*merged, error) {
	g := m.reply.Iatt.GFID
	ctx = context.WithoutCancel(ctx)
	if q.Name != "" {
		guard, err := d.protect(ctx, &q.Req, max(hashed, 0), q.Parent, q.Name)
		if err != nil {
			return nil, err
		}
		defer guard.unprotect(ctx)
		// Somebody may have removed or healed it while we waited.
		again := on(d.but(), func(i int) (*fop.LookupReply, error) { return d.subs[i].Lookup(ctx, q) })
		if m = d.merge(again); m.reply == nil || m.reply.Iatt.GFID != g {
			return nil, syscall.ESTALE
		}
		if len(m.down) > 0 {
			return m, nil
		}
	}
	if err := d.makeCopies(ctx, q, m); err != nil {
		return nil, err
	}
	if m.uneven || m.behind {
		d.evenOut(ctx, &q.Req, g, m)
	}
	if m.layout.Whole() {
		return m, nil
	}
	lay := d.newLayout(ctx, &q.Req, g, q.Parent, q.Name, layout.NoCommit, nil)
	for _, a := range on(d.but(), func(i int) (*fop.InodeReply, error) {
		return d.subs[i].Setxattr(ctx, &fop.SetxattrReq{Req: rootCaller(&q.Req), GFID: g, Internal: true,
			Xattrs: []fop.Xattr{{Name: layout.Xattr, Value: lay[i].Bytes()}}})
	}) {
		if a.Err != nil {
			return nil, a.Err
		}
	}
	m.layout = lay
	return m, nil
}

// makeCopies makes the directory where it is missing.
func (d *distribute) makeCopies(ctx context.Context, q *fop.LookupReq, m *merged) error {
	if len(m.missing) == 0 {
		return nil
	}
	if q.Name == "" {
		return nil // by GFID alone its place is not known; a lookup by name will do it
	}
	a := &m.reply.Iatt
	rq := rootCaller(&q.Req)
	rq.Caller.UID, rq.Caller.GID = a.UID, a.GID
	for _, r := range on(m.missing, func(i int) (*fop.EntryReply, error) {
		return d.subs[i].Mkdir(ctx, &fop.MkdirReq{Req: rq, Parent: q.Parent, Name: q.Name, GFID: a.GFID, Mode: a.Mode})
	}) {
		if r.Err != nil && fop.Errno(r.Err) != syscall.EEXIST {
			return r.Err
		}
	}
	m.missing = nil
	m.uneven = true // mode bits that a creation does not take, and xattrs
	return nil
}

// evenOut copies owner, mode and user xattrs from the mds copy to the others.
func (d *distribute) evenOut(ctx context.Context, q *fop.Req, g fop.GFID, m *merged) {
	from := max(m.mds, 0)
	a := &m.reply.Iatt
	xs, err := d.subs[from].Getxattr(ctx, &fop.GetxattrReq{Req: rootCaller(q), GFID: g})
	if err != nil {
		d.log.Warn("a directory's attributes could not be evened out", "gfid", g, "op_errno", fop.Errno(err))
		return
	}
	keep := slices.DeleteFunc(xs.Xattrs, func(x fop.Xattr) bool { return !userXattr(x.Name) })
	ok := true
	for _, r := range on(d.but(from), func(i int) (*fop.InodeReply, error) {
		if len(keep) > 0 {
			if _, err := d.subs[i].Setxattr(ctx, &fop.SetxattrReq{Req: rootCaller(q), GFID: g, Xattrs: keep}); err != nil {
				return nil, err
			}
		}
		return d.subs[i].Setattr(ctx, &fop.SetattrReq{Req: rootCaller(q), GFID: g,
			Valid: fop.SetMode | fop.SetUID | fop.SetGID, Mode: a.Mode, UID: a.UID, GID: a.GID})
	}) {
		ok = ok && r.Err == nil
	}
	if ok && m.behind {
		d.subs[from].Setxattr(ctx, &fop.SetxattrReq{Req: rootCaller(q), GFID: g, Internal: true,
			Xattrs: []fop.Xattr{{Name: layout.MDSXattr, Value: make([]byte, 4)}}})
	}
}

// userXattr reports whether an xattr of a directory belongs on all copies.
func userXattr(name string) bool {
	return strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "system.posix_acl_") || strings.HasPrefix(name, "security.")
}

// newLayout deals out ranges for a directory.
func (d *distribute) newLayout(ctx context.Context, q *fop.Req, g, parent fop.GFID, name string, commit uint32, able []bool) layout.Layout {
	shares := make([]layout.Share, len(d.subs))
	var stats []*fop.StatfsReply
	if d.weighted && !d.single() {
		stats = d.room(ctx, q)
	}
	for i := range shares {
		shares[i] = layout.Share{Name: d.names[i], Able: able == nil || able[i]}
		if i < len(stats) && stats[i] != nil && stats[i].Frsize > 0 {
			perMiB := max((1<<20)/stats[i].Frsize, 1)
			shares[i].Chunks = uint32((stats[i].Blocks + perMiB - 1) / perMiB)
		}
	}
	rotation := d.munger.Hash(g.String())
	if !d.byGFID {
		if g == fop.RootGFID {
			rotation = d.munger.Hash("/")
		} else if p, ok := d.ctx.path(parent, name); ok {
			rotation = d.munger.Hash(p)
		}
	}
	return layout.New(shares, rotation, d.spread, commit)
}

// healRoot writes the root's first layout.
func (d *distribute) healRoot(ctx context.Context, q *fop.Req) error {
	lq := &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, GFID: fop.RootGFID, Want: append(slices.Clone(lookupWant), layout.CommitHashXattr)}
	got := on(d.but(), func(i int) (*fop.LookupReply, error) { return d.subs[i].Lookup(ctx, lq) })
	for _, a := range got {
		if a.Err != nil {
			return a.Err
		}
	}
	d.readCommit(got[0].Reply.Xattrs)
	m := d.merge(got)
	if !m.layout.Whole() {
		if _, err := d.healDirectory(ctx, lq, 0, m); err != nil {
			return err
		}
	}
	d.rootDone.Store(true)
	return nil
}
