package dht

import (
	"context"
	"slices"
	"syscall"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Create makes a file on its hashed subvolume, or, if that is full, elsewhere with a
// linkto file on the hashed one.
//
// Crash point: after the linkto file was made: a name that leads nowhere; lookup
// removes it.
func (d *distribute) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	target := hashed
	if !d.single() {
		if target = d.place(hashed, d.room(ctx, &q.Req)); target != hashed {
			a := fop.Iatt{GFID: q.GFID, UID: q.Caller.UID, GID: q.Caller.GID}
			if err := d.makeLinkto(ctx, &q.Req, hashed, target, q.Parent, q.Name, &a); err != nil {
				return nil, err
			}
		}
	}
	r, err := d.subs[target].Create(ctx, q)
	if err != nil {
		if target != hashed {
			d.dropLinkto(ctx, &q.Req, hashed, q.Parent, q.Name, q.GFID)
		}
		return nil, err
	}
	if !d.single() {
		d.ctx.set(q.GFID, &inodeCtx{cached: target})
	}
	d.ofDir(&r.PreDir, &r.PostDir)
	return r, nil
}

func (d *distribute) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	if c := d.ctx.get(q.GFID); c != nil && !d.single() && !c.isDir() && c.cached != hashed {
		return d.Link(ctx, &fop.LinkReq{Req: q.Req, GFID: q.GFID, Parent: q.Parent, Name: q.Name})
	}
	return d.made(hashed, q.GFID)(d.subs[hashed].Mknod(ctx, q))
}

func (d *distribute) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	return d.made(hashed, q.GFID)(d.subs[hashed].Symlink(ctx, q))
}

// ofDir makes the attributes of a directory in a reply those that the volume shows: of
// one copy they are right if there is no other, else not known.
func (d *distribute) ofDir(as ...*fop.Iatt) {
	for _, a := range as {
		if d.single() {
			showDir(a)
		} else {
			*a = fop.Iatt{}
		}
	}
}

// made remembers where a new inode is.
func (d *distribute) made(sub int, g fop.GFID) func(*fop.EntryReply, error) (*fop.EntryReply, error) {
	return func(r *fop.EntryReply, err error) (*fop.EntryReply, error) {
		if err != nil {
			return nil, err
		}
		if !d.single() {
			d.ctx.set(g, &inodeCtx{cached: sub})
		}
		d.ofDir(&r.PreDir, &r.PostDir)
		return r, nil
	}
}

// Mkdir makes a directory on its hashed subvolume, which decides who wins, then on the
// others.
//
// Crash points: after the hashed copy: a lookup makes the others (healDirectory), and
// the layout, which does not tile before all are there.
func (d *distribute) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	commit := uint32(layout.NoCommit)
	if d.optimize {
		commit = d.commit.Load()
	}
	able := make([]bool, len(d.subs))
	for i := range able {
		able[i] = d.isUp(i)
	}
	lay := d.newLayout(ctx, &q.Req, q.GFID, q.Parent, q.Name, commit, able)
	with := func(i int, mds bool) *fop.MkdirReq {
		qq := *q
		qq.Xattrs = append(slices.Clone(q.Xattrs), fop.Xattr{Name: layout.Xattr, Value: lay[i].Bytes()})
		if mds {
			qq.Xattrs = append(qq.Xattrs, fop.Xattr{Name: layout.MDSXattr, Value: make([]byte, 4)})
		}
		return &qq
	}
	if d.single() {
		r, err := d.subs[0].Mkdir(ctx, with(0, true))
		if err == nil {
			d.ctx.set(q.GFID, &inodeCtx{parent: q.Parent, name: q.Name})
			showDir(&r.Iatt)
			d.ofDir(&r.PreDir, &r.PostDir)
		}
		return r, err
	}
	ups := d.ups.Load()
	guard, err := d.protect(ctx, &q.Req, hashed, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	defer guard.unprotect(ctx)
	r, err := d.subs[hashed].Mkdir(ctx, with(hashed, true))
	if err != nil {
		return nil, err
	}
	d.mkdirOthers(ctx, hashed, lay, with)
	d.ctx.set(q.GFID, &inodeCtx{layout: lay, ups: ups, mds: hashed, parent: q.Parent, name: q.Name})
	showDir(&r.Iatt)
	d.ofDir(&r.PreDir, &r.PostDir)
	return r, nil
}

// mkdirOthers makes the copies beside the hashed one. A failure there is no error for
// the caller: the range of that copy is a hole until a lookup heals it.
func (d *distribute) mkdirOthers(ctx context.Context, hashed int, lay layout.Layout, with func(int, bool) *fop.MkdirReq) {
	others := d.but(hashed)
	for k, a := range on(others, func(i int) (*fop.EntryReply, error) { return d.subs[i].Mkdir(ctx, with(i, false)) }) {
		i := others[k]
		if a.Err == nil {
			continue
		}
		d.log.Warn("a copy of a new directory could not be made", "subvol", d.names[i], "op_errno", fop.Errno(a.Err))
		lay[i] = layout.Entry{Commit: layout.NoCommit}
	}
}

// Link gives a file another name. All links of a file live on its cached subvolume; if
// the new name hashes elsewhere, a linkto file comes first.
//
// Crash point: after the linkto file: a name that leads nowhere; lookup removes it.
func (d *distribute) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	if d.single() {
		r, err := d.subs[0].Link(ctx, q)
		if err == nil {
			d.ofDir(&r.PreDir, &r.PostDir)
		}
		return r, err
	}
	cached, a, err := d.cachedOf(ctx, &q.Req, q.GFID)
	if err != nil {
		return nil, err
	}
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	if hashed != cached {
		if err := d.makeLinkto(ctx, &q.Req, hashed, cached, q.Parent, q.Name, a); err != nil {
			return nil, err
		}
	}
	r, err := d.subs[cached].Link(ctx, q)
	if err != nil {
		if hashed != cached {
			d.dropLinkto(ctx, &q.Req, hashed, q.Parent, q.Name, q.GFID)
		}
		return nil, err
	}
	d.ofDir(&r.PreDir, &r.PostDir)
	return r, nil
}

// cachedOf finds the subvolume with an inode's data, and its attributes.
func (d *distribute) cachedOf(ctx context.Context, q *fop.Req, g fop.GFID) (int, *fop.Iatt, error) {
	r, err := d.discover(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, GFID: g, Want: lookupWant})
	if err != nil {
		return 0, nil, err
	}
	if r.Iatt.IsDir() {
		return 0, nil, syscall.EPERM
	}
	return d.ctx.get(g).cached, &r.Iatt, nil
}

// Unlink removes the data's name first, then the linkto file's.
//
// Crash point: between the two: a name that leads nowhere; lookup removes it.
func (d *distribute) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	if d.single() {
		return d.removed(d.subs[0].Unlink(ctx, q))
	}
	r, err := d.resolve(ctx, &fop.LookupReq{Req: q.Req, Parent: q.Parent, Name: q.Name})
	if err != nil {
		return nil, err
	}
	if r.Iatt.IsDir() {
		return nil, syscall.EISDIR
	}
	if !q.GFID.IsZero() && q.GFID != r.Iatt.GFID {
		return nil, syscall.ESTALE
	}
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	cached := d.ctx.get(r.Iatt.GFID).cached
	qq := *q
	qq.GFID = r.Iatt.GFID
	out, err := d.subs[cached].Unlink(ctx, &qq)
	if err == nil && hashed != cached {
		d.dropLinkto(ctx, &q.Req, hashed, q.Parent, q.Name, qq.GFID)
	}
	return d.removed(out, err)
}

// removed finishes the reply of a removal.
func (d *distribute) removed(r *fop.RemoveReply, err error) (*fop.RemoveReply, error) {
	if err == nil {
		d.ofDir(&r.PreDir, &r.PostDir)
	}
	return r, err
}

// Rmdir removes a directory that is empty on all subvolumes: from the others first,
// from the hashed one last. If that fails, the removed copies are made again.
//
// Crash points: after some copies: a lookup makes them again, or a second rmdir goes
// on.
func (d *distribute) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	if d.single() {
		return d.removed(d.subs[0].Rmdir(ctx, q))
	}
	hashed, err := d.hashedOf(ctx, &q.Req, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	guard, err := d.protect(ctx, &q.Req, hashed, q.Parent, q.Name)
	if err != nil {
		return nil, err
	}
	defer guard.unprotect(ctx)
	r, err := d.resolve(ctx, &fop.LookupReq{Req: q.Req, Parent: q.Parent, Name: q.Name})
	if err != nil {
		return nil, err
	}
	if !r.Iatt.IsDir() {
		return nil, syscall.ENOTDIR
	}
	g := r.Iatt.GFID
	if !q.GFID.IsZero() && q.GFID != g {
		return nil, syscall.ESTALE
	}
	if err := d.empty(ctx, &q.Req, g); err != nil {
		return nil, err
	}
	return d.rmdirCopies(context.WithoutCancel(ctx), q, g, hashed, r)
}

func (d *distribute) rmdirCopies(ctx context.Context, q *fop.RmdirReq, g fop.GFID, hashed int, r *fop.LookupReply) (*fop.RemoveReply, error) {
	qq := *q
	qq.GFID = g
	others := d.but(hashed)
	got := on(others, func(i int) (*fop.RemoveReply, error) { return d.subs[i].Rmdir(ctx, &qq) })
	var gone []int
	var failed error
	for k, a := range got {
		switch {
		case a.Err == nil:
			gone = append(gone, others[k])
		case !fop.IsGone(a.Err):
			failed = a.Err
		}
	}
	if failed == nil {
		out, err := d.subs[hashed].Rmdir(ctx, &qq)
		if err == nil {
			d.ctx.drop(g)
			return d.removed(out, nil)
		}
		failed = err
	}
	d.restore(ctx, &q.Req, q.Parent, q.Name, &r.Iatt, gone)
	return nil, failed
}

// restore makes copies of a directory again whose removal could not be finished.
func (d *distribute) restore(ctx context.Context, q *fop.Req, parent fop.GFID, name string, a *fop.Iatt, subs []int) {
	rq := rootCaller(q)
	rq.Caller.UID, rq.Caller.GID = a.UID, a.GID
	lay, _ := d.layoutOf(ctx, q, a.GFID)
	for k, r := range on(subs, func(i int) (*fop.EntryReply, error) {
		mk := &fop.MkdirReq{Req: rq, Parent: parent, Name: name, GFID: a.GFID, Mode: a.Mode}
		if i < len(lay) {
			mk.Xattrs = []fop.Xattr{{Name: layout.Xattr, Value: lay[i].Bytes()}}
		}
		return d.subs[i].Mkdir(ctx, mk)
	}) {
		if r.Err != nil {
			d.log.Error("a copy of a directory could not be made again", "subvol", d.names[subs[k]], "gfid", a.GFID, "op_errno", fop.Errno(r.Err))
		}
	}
}

// empty checks that no subvolume has a name in the directory, and removes linkto files
// that lead nowhere. ENOTEMPTY otherwise.
func (d *distribute) empty(ctx context.Context, q *fop.Req, g fop.GFID) error {
	for _, a := range on(d.but(), func(i int) (struct{}, error) { return struct{}{}, d.emptyOn(ctx, q, g, i) }) {
		if a.Err != nil && !fop.IsGone(a.Err) {
			return a.Err
		}
	}
	return nil
}

func (d *distribute) emptyOn(ctx context.Context, q *fop.Req, g fop.GFID, i int) error {
	o, err := d.subs[i].Opendir(ctx, &fop.OpendirReq{Req: fop.Req{Caller: q.Caller}, GFID: g})
	if err != nil {
		return err
	}
	defer o.Dir.Close()
	all := fop.ReaddirpReq{Req: fop.Req{Caller: q.Caller}, Size: 64 << 10, Plus: true, Want: []string{layout.LinktoXattr}}
	return xlator.ListAll(ctx, o.Dir, all, func(es []fop.Dirent) error {
		for _, e := range es {
			if _, link := fop.XattrOf(e.Xattrs, layout.LinktoXattr); !link || e.Iatt.Type != fop.TypeReg {
				return syscall.ENOTEMPTY
			}
			// A linkto file counts if it leads somewhere; resolve removes it if not.
			if _, err := d.resolve(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, Parent: g, Name: e.Name}); err == nil {
				return syscall.ENOTEMPTY
			}
			d.dropLinkto(ctx, q, i, g, e.Name, e.Iatt.GFID)
		}
		return nil
	})
}
