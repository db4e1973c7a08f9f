package dht

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"syscall"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var lookupWant = []string{layout.Xattr, layout.LinktoXattr, layout.MDSXattr}

// dirSize is the size that every directory shows: the copies' sizes say nothing.
const dirSize = 4096

// Lookup finds a name: on its hashed subvolume, where a linkto file points to, or, if
// it may be anywhere, everywhere.
func (d *distribute) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	if q.Name == "" && q.GFID == fop.RootGFID && !d.rootDone.Load() {
		if err := d.healRoot(ctx, &q.Req); err != nil {
			d.log.Warn("the root's layout could not be completed; it is tried again", "op_errno", fop.Errno(err))
		}
	}
	if d.single() {
		return d.lookupSingle(ctx, q)
	}
	r, err := d.resolve(ctx, q)
	if err != nil {
		return nil, err
	}
	r.Xattrs = slices.DeleteFunc(r.Xattrs, func(x fop.Xattr) bool { return !slices.Contains(q.Want, x.Name) })
	return r, nil
}

func (d *distribute) lookupSingle(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	r, err := d.subs[0].Lookup(ctx, q)
	if err == nil && r.Iatt.IsDir() {
		showDir(&r.Iatt)
		if q.Name != "" && d.ctx.get(r.Iatt.GFID) == nil {
			d.ctx.set(r.Iatt.GFID, &inodeCtx{parent: q.Parent, name: q.Name})
		}
	}
	return r, err
}

func showDir(a *fop.Iatt) { a.Size, a.Blocks = dirSize, 8 }

// resolve is Lookup over several subvolumes; its reply holds our own xattrs too.
func (d *distribute) resolve(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	qq := *q
	qq.Want = append(slices.Clone(q.Want), lookupWant...)
	if q.Name == "" {
		return d.discover(ctx, &qq)
	}
	lay, err := d.layoutOf(ctx, &q.Req, q.Parent)
	if err != nil {
		return nil, err
	}
	hashed := lay.Search(d.munger.Hash(q.Name))
	if hashed < 0 {
		return d.everywhere(ctx, &qq, -1, nil)
	}
	r, err := d.subs[hashed].Lookup(ctx, &qq)
	switch {
	case err == nil && r.Iatt.IsDir():
		return d.everywhere(ctx, &qq, hashed, nil)
	case err == nil:
		if target, ok := d.linkto(r); ok {
			return d.follow(ctx, &qq, hashed, target, r)
		}
		d.found(hashed, r)
		return r, nil
	case fop.Errno(err) == syscall.ENOENT && d.optimize && lay.Commit() == d.commit.Load() && lay.Whole():
		return nil, err
	case fop.IsGone(err) || fop.IsDown(err) || fop.Errno(err) == syscall.ENODATA:
		return d.everywhere(ctx, &qq, hashed, err)
	}
	return nil, err
}

// found remembers where a file's data is.
func (d *distribute) found(sub int, r *fop.LookupReply) {
	if c := d.ctx.get(r.Iatt.GFID); c == nil || c.isDir() || c.cached != sub {
		d.ctx.set(r.Iatt.GFID, &inodeCtx{cached: sub})
	}
}

// linkto returns where a reply's linkto file points to: -1 if to no subvolume there is.
func (d *distribute) linkto(r *fop.LookupReply) (int, bool) {
	v, ok := fop.XattrOf(r.Xattrs, layout.LinktoXattr)
	if !ok || r.Iatt.Type != fop.TypeReg || r.Iatt.Mode&07777 != syscall.S_ISVTX {
		return 0, false
	}
	return slices.Index(d.names, string(bytes.TrimRight(v, "\x00"))), true
}

// follow looks where a linkto file points to.
func (d *distribute) follow(ctx context.Context, q *fop.LookupReq, hashed, target int, link *fop.LookupReply) (*fop.LookupReply, error) {
	if target < 0 || target == hashed {
		return d.everywhere(ctx, q, hashed, nil)
	}
	r, err := d.subs[target].Lookup(ctx, q)
	switch {
	case err == nil:
		if _, again := d.linkto(r); again || r.Iatt.IsDir() || r.Iatt.GFID != link.Iatt.GFID {
			return d.everywhere(ctx, q, hashed, nil)
		}
		r.Parent = link.Parent
		d.found(target, r)
		return r, nil
	case fop.IsGone(err):
		return d.everywhere(ctx, q, hashed, nil)
	}
	return nil, err
}

// everywhere asks all subvolumes for a name. hashedErr is what the hashed one said
// already, if it failed.
func (d *distribute) everywhere(ctx context.Context, q *fop.LookupReq, hashed int, hashedErr error) (*fop.LookupReply, error) {
	ups := d.ups.Load()
	got := on(d.but(), func(i int) (*fop.LookupReply, error) {
		if i == hashed && hashedErr != nil {
			return nil, hashedErr
		}
		return d.subs[i].Lookup(ctx, q)
	})
	file, dirs, downErr := -1, 0, error(nil)
	var links []int
	for i, a := range got {
		switch {
		case a.Err != nil:
			if !fop.IsGone(a.Err) && fop.Errno(a.Err) != syscall.ENODATA {
				downErr = a.Err
			}
		case a.Reply.Iatt.IsDir():
			dirs++
		default:
			if _, link := d.linkto(a.Reply); link {
				links = append(links, i)
			} else if file < 0 {
				file = i
			}
		}
	}
	switch {
	case dirs > 0 && file >= 0:
		d.log.Error("a name is a file on one subvolume and a directory on another", "parent", q.Parent, "name", q.Name)
		return nil, syscall.EIO
	case dirs > 0:
		return d.directory(ctx, q, hashed, ups, got)
	case file >= 0:
		return d.foundElsewhere(ctx, q, hashed, file, got)
	case downErr != nil:
		return nil, downErr
	}
	for _, i := range links { // they lead nowhere
		d.dropLinkto(ctx, &q.Req, i, q.Parent, q.Name, got[i].Reply.Iatt.GFID)
	}
	return nil, syscall.ENOENT
}

// foundElsewhere puts a linkto file in place for a file that was found by asking all.
// Failing to is not fatal: the next lookup asks all again.
func (d *distribute) foundElsewhere(ctx context.Context, q *fop.LookupReq, hashed, file int, got []xlator.Result[*fop.LookupReply]) (*fop.LookupReply, error) {
	r := got[file].Reply
	d.found(file, r)
	if hashed < 0 || hashed == file {
		return r, nil
	}
	if h := got[hashed].Reply; h != nil {
		target, _ := d.linkto(h)
		if target == file && h.Iatt.GFID == r.Iatt.GFID {
			return r, nil
		}
		d.dropLinkto(ctx, &q.Req, hashed, q.Parent, q.Name, h.Iatt.GFID)
	} else if fop.IsDown(got[hashed].Err) {
		return r, nil
	}
	if err := d.makeLinkto(ctx, &q.Req, hashed, file, q.Parent, q.Name, &r.Iatt); err != nil {
		d.log.Info("a linkto file could not be made", "subvol", d.names[hashed], "gfid", r.Iatt.GFID, "op_errno", fop.Errno(err))
	}
	return r, nil
}

// rootCaller acts for the translator itself, at the caller's time.
func rootCaller(q *fop.Req) fop.Req {
	c := fop.Caller{PID: -1}
	if q.Caller != nil {
		c.Time = q.Caller.Time
	}
	return fop.Req{Caller: &c}
}

// makeLinkto makes the file on sub that says that a name's data is on target.
func (d *distribute) makeLinkto(ctx context.Context, q *fop.Req, sub, target int, parent fop.GFID, name string, a *fop.Iatt) error {
	rq := rootCaller(q)
	rq.Caller.UID, rq.Caller.GID = a.UID, a.GID
	_, err := d.subs[sub].Mknod(ctx, &fop.MknodReq{Req: rq, Parent: parent, Name: name, GFID: a.GFID, Type: fop.TypeReg,
		Mode: syscall.S_ISVTX, Xattrs: []fop.Xattr{{Name: layout.LinktoXattr, Value: []byte(d.names[target] + "\x00")}}})
	return err
}

// dropLinkto removes a linkto file that leads nowhere; the brick checks that it still
// is one and that nobody has it open.
func (d *distribute) dropLinkto(ctx context.Context, q *fop.Req, sub int, parent fop.GFID, name string, g fop.GFID) {
	_, err := d.subs[sub].Unlink(context.WithoutCancel(ctx), &fop.UnlinkReq{Req: rootCaller(q), Parent: parent, Name: name, GFID: g, OnlyLinkto: true})
	if err != nil && !fop.IsGone(err) && fop.Errno(err) != syscall.EBUSY {
		d.log.Info("a stale linkto file stays", "subvol", d.names[sub], "gfid", g, "op_errno", fop.Errno(err))
	}
}

// discover finds an inode by GFID alone.
func (d *distribute) discover(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	if c := d.ctx.get(q.GFID); c != nil && !c.isDir() {
		r, err := d.subs[c.cached].Lookup(ctx, q)
		if err == nil {
			if _, link := d.linkto(r); !link {
				return r, nil
			}
		} else if !fop.IsGone(err) {
			return nil, err
		}
	}
	ups := d.ups.Load()
	got := on(d.but(), func(i int) (*fop.LookupReply, error) { return d.subs[i].Lookup(ctx, q) })
	err := error(syscall.ESTALE)
	for i, a := range got {
		switch {
		case a.Err != nil:
			if !fop.IsGone(a.Err) {
				err = a.Err
			}
		case a.Reply.Iatt.IsDir():
			return d.directory(ctx, q, -1, ups, got)
		default:
			if _, link := d.linkto(a.Reply); !link {
				d.found(i, a.Reply)
				return a.Reply, nil
			}
		}
	}
	return nil, err
}

// layoutOf returns a directory's layout.
func (d *distribute) layoutOf(ctx context.Context, q *fop.Req, dir fop.GFID) (layout.Layout, error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	if c := d.ctx.get(dir); c != nil && c.isDir() && (c.ups == d.ups.Load() || c.layout.Whole()) {
		return c.layout, nil
	}
	if _, err := d.discover(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, GFID: dir, Want: lookupWant}); err != nil {
		return nil, err
	}
	if c := d.ctx.get(dir); c != nil && c.isDir() {
		return c.layout, nil
	}
	return nil, syscall.ENOTDIR
}

// hashedOf returns the subvolume that a name in a directory hashes to. Where the layout
// has a hole: ENOTCONN if a subvolume is down, else EIO.
func (d *distribute) hashedOf(ctx context.Context, q *fop.Req, parent fop.GFID, name string) (int, error) {
	if d.single() {
		return 0, nil
	}
	lay, err := d.layoutOf(ctx, q, parent)
	if err != nil {
		return 0, err
	}
	if h := lay.Search(d.munger.Hash(name)); h >= 0 {
		return h, nil
	}
	for i := range d.subs {
		if !d.isUp(i) {
			return 0, syscall.ENOTCONN
		}
	}
	return 0, syscall.EIO
}

// readCommit takes the volume's commit hash from the root.
func (d *distribute) readCommit(xs []fop.Xattr) {
	if v, ok := fop.XattrOf(xs, layout.CommitHashXattr); ok {
		if n, err := strconv.ParseUint(string(bytes.TrimRight(v, "\x00")), 10, 32); err == nil {
			d.commit.Store(uint32(n))
		}
	}
}

// mdsOf returns the value of the mds xattr; ok is false where it is absent.
func mdsOf(xs []fop.Xattr) (int32, bool) {
	v, ok := fop.XattrOf(xs, layout.MDSXattr)
	if !ok || len(v) != 4 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(v)), true
}
