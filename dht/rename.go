package dht

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

// Rename of a file touches up to four subvolumes: the hashed and cached ones of the
// source (sh, sc) and of the target name (dh, dc).
func (d *distribute) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	if d.single() {
		r, err := d.subs[0].Rename(ctx, q)
		if err != nil {
			return nil, err
		}
		if r.Iatt.IsDir() {
			d.ctx.set(r.Iatt.GFID, &inodeCtx{parent: q.NewParent, name: q.NewName})
			showDir(&r.Iatt)
		}
		d.ofDir(&r.PreOldDir, &r.PostOldDir, &r.PreNewDir, &r.PostNewDir)
		return r, nil
	}
	for range renameTries {
		r, err := d.renameOnce(ctx, q)
		if err == nil {
			d.ofDir(&r.PreOldDir, &r.PostOldDir, &r.PreNewDir, &r.PostNewDir)
		}
		if fop.Errno(err) != syscall.EEXIST || q.Flags == fop.RenameNoReplace {
			return r, err
		}
	}
	return nil, syscall.EAGAIN
}

// renameTries is how often a rename starts anew because its target was created, which
// takes no lock, after it was found missing.
const renameTries = 64

func (d *distribute) renameOnce(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	sh, err := d.hashedOf(ctx, &q.Req, q.OldParent, q.OldName)
	if err != nil {
		return nil, err
	}
	dh, err := d.hashedOf(ctx, &q.Req, q.NewParent, q.NewName)
	if err != nil {
		return nil, err
	}
	guards, err := d.protectBoth(ctx, q, sh, dh)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, g := range guards {
			g.unprotect(ctx)
		}
	}()
	src, err := d.resolve(ctx, &fop.LookupReq{Req: q.Req, Parent: q.OldParent, Name: q.OldName})
	if err != nil {
		return nil, err
	}
	dst, err := d.resolve(ctx, &fop.LookupReq{Req: q.Req, Parent: q.NewParent, Name: q.NewName})
	if err != nil && fop.Errno(err) != syscall.ENOENT {
		return nil, err
	}
	if err := renameAllowed(q, src, dst); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if q.Flags == fop.RenameExchange {
		return d.exchange(ctx, q, sh, dh, src, dst)
	}
	if src.Iatt.IsDir() {
		return d.renameDir(ctx, q, dh, src, dst)
	}
	return d.renameFile(ctx, q, sh, dh, src, dst)
}

// protectBoth locks both names in the order of (subvolume, parent, name).
func (d *distribute) protectBoth(ctx context.Context, q *fop.RenameReq, sh, dh int) ([]*guard, error) {
	type name struct {
		sub    int
		parent fop.GFID
		name   string
	}
	names := []name{{sh, q.OldParent, q.OldName}, {dh, q.NewParent, q.NewName}}
	slices.SortFunc(names, func(a, b name) int {
		return cmp.Or(cmp.Compare(d.names[a.sub], d.names[b.sub]), bytes.Compare(a.parent[:], b.parent[:]), cmp.Compare(a.name, b.name))
	})
	names = slices.Compact(names)
	var out []*guard
	for _, n := range names {
		g, err := d.protect(ctx, &q.Req, n.sub, n.parent, n.name)
		if err != nil {
			for _, h := range out {
				h.unprotect(ctx)
			}
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func renameAllowed(q *fop.RenameReq, src, dst *fop.LookupReply) error {
	switch {
	case q.Flags == fop.RenameExchange && dst == nil:
		return syscall.ENOENT
	case q.Flags == fop.RenameExchange:
		return nil
	case dst == nil:
		return nil
	case q.Flags == fop.RenameNoReplace:
		return syscall.EEXIST
	case src.Iatt.IsDir() && !dst.Iatt.IsDir():
		return syscall.ENOTDIR
	case !src.Iatt.IsDir() && dst.Iatt.IsDir():
		return syscall.EISDIR
	}
	return nil
}

// renameFile moves a name; the data stays where it is.
//
// Crash points: after the linkto file on dh: leads to the data, whose old name is still
// there; lookup of the new name finds no such name on sc and removes it. After the hard
// link on sc: both names are there. After the rename: leftovers are links that lead
// nowhere, or the replaced file's data without a linkto file; lookups everywhere
// remove the former, and the latter cannot be found by its name, which belongs to the
// new file on dh.
func (d *distribute) renameFile(ctx context.Context, q *fop.RenameReq, sh, dh int, src, dst *fop.LookupReply) (*fop.RenameReply, error) {
	g := src.Iatt.GFID
	sc := d.ctx.get(g).cached
	dc := -1
	if dst != nil {
		if dst.Iatt.GFID == g { // two names of one file: nothing happens
			return &fop.RenameReply{Iatt: src.Iatt, PostOldDir: src.Parent, PostNewDir: dst.Parent}, nil
		}
		dc = d.ctx.get(dst.Iatt.GFID).cached
	}
	if dh != sc {
		// The new name's hashed subvolume must lead to the data before the name moves.
		if dst != nil && dc != dh {
			d.dropLinkto(ctx, &q.Req, dh, q.NewParent, q.NewName, dst.Iatt.GFID)
		}
		if err := d.linktoForRename(ctx, q, sh, dh, sc, dc, src); err != nil {
			return nil, err
		}
	}
	qq := *q
	qq.Flags = 0
	r, err := d.subs[sc].Rename(ctx, &qq)
	if err != nil {
		return nil, err
	}
	if sh != sc {
		d.dropLinkto(ctx, &q.Req, sh, q.OldParent, q.OldName, g)
	}
	if dst != nil {
		r.Replaced = d.dropReplaced(ctx, q, dh, dc, sc, dst, r.Replaced)
	}
	return r, nil
}

// exchange swaps two files whose data is on one subvolume; anything else could not be
// done at once (EINVAL).
//
// Crash point: after the swap: linkto files with the other file's GFID; a lookup finds
// the mismatch and makes them anew.
func (d *distribute) exchange(ctx context.Context, q *fop.RenameReq, sh, dh int, src, dst *fop.LookupReply) (*fop.RenameReply, error) {
	if src.Iatt.IsDir() || dst.Iatt.IsDir() {
		return nil, syscall.EINVAL
	}
	sc := d.ctx.get(src.Iatt.GFID).cached
	if d.ctx.get(dst.Iatt.GFID).cached != sc {
		return nil, syscall.EINVAL
	}
	r, err := d.subs[sc].Rename(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		hashed   int
		parent   fop.GFID
		name     string
		was, now *fop.Iatt
	}{{sh, q.OldParent, q.OldName, &src.Iatt, &dst.Iatt}, {dh, q.NewParent, q.NewName, &dst.Iatt, &src.Iatt}} {
		if l.hashed == sc {
			continue
		}
		d.dropLinkto(ctx, &q.Req, l.hashed, l.parent, l.name, l.was.GFID)
		if err := d.makeLinkto(ctx, &q.Req, l.hashed, sc, l.parent, l.name, l.now); err != nil {
			d.log.Info("a linkto file could not be made", "subvol", d.names[l.hashed], "gfid", l.now.GFID, "op_errno", fop.Errno(err))
		}
	}
	return r, nil
}

// linktoForRename puts a linkto file for the new name on dh. Where the replaced file's
// data is there, a linkto file under the old name takes its place atomically.
func (d *distribute) linktoForRename(ctx context.Context, q *fop.RenameReq, sh, dh, sc, dc int, src *fop.LookupReply) error {
	if dc != dh {
		return d.makeLinkto(ctx, &q.Req, dh, sc, q.NewParent, q.NewName, &src.Iatt)
	}
	if sh != dh { // else the source's own linkto file is there
		if err := d.makeLinkto(ctx, &q.Req, dh, sc, q.OldParent, q.OldName, &src.Iatt); err != nil && fop.Errno(err) != syscall.EEXIST {
			return err
		}
	}
	_, err := d.subs[dh].Rename(ctx, &fop.RenameReq{Req: rootCaller(&q.Req), OldParent: q.OldParent, OldName: q.OldName, NewParent: q.NewParent, NewName: q.NewName})
	return err
}

// dropReplaced removes the data of the file that lost its name, where the renames did
// not do so already.
func (d *distribute) dropReplaced(ctx context.Context, q *fop.RenameReq, dh, dc, sc int, dst *fop.LookupReply, replaced fop.Iatt) fop.Iatt {
	if dc == sc || dc == dh {
		if !replaced.Known() {
			replaced = dst.Iatt
			replaced.Nlink--
		}
		return replaced
	}
	u, err := d.subs[dc].Unlink(ctx, &fop.UnlinkReq{Req: q.Req, Parent: q.NewParent, Name: q.NewName, GFID: dst.Iatt.GFID})
	if err != nil {
		if !fop.IsGone(err) {
			d.log.Warn("a replaced file's data stays", "subvol", d.names[dc], "gfid", dst.Iatt.GFID, "op_errno", fop.Errno(err))
		}
		return dst.Iatt
	}
	return u.Iatt
}

// renameDir renames on the new name's hashed subvolume first, then on the others; if
// one fails, those that succeeded are renamed back.
//
// Crash point: between the subvolumes: the directory has its old name on some and its
// new name on others, with one GFID; a lookup of either name would make it complete
// under that name.
func (d *distribute) renameDir(ctx context.Context, q *fop.RenameReq, dh int, src, dst *fop.LookupReply) (*fop.RenameReply, error) {
	if dst != nil {
		if err := d.empty(ctx, &q.Req, dst.Iatt.GFID); err != nil {
			return nil, err
		}
	}
	for i := range d.subs {
		if !d.isUp(i) {
			return nil, syscall.ENOTCONN
		}
	}
	qq := *q
	qq.Flags = 0
	r, err := d.subs[dh].Rename(ctx, &qq)
	if err != nil {
		return nil, err
	}
	others := d.but(dh)
	done := []int{dh}
	var failed error
	for k, a := range on(others, func(i int) (*fop.RenameReply, error) { return d.subs[i].Rename(ctx, &qq) }) {
		if a.Err == nil {
			done = append(done, others[k])
		} else if !fop.IsGone(a.Err) { // a copy that is missing is made by the next lookup
			failed = a.Err
		}
	}
	if failed != nil {
		d.renameBack(ctx, q, done, dst)
		return nil, failed
	}
	if dst != nil {
		r.Replaced = dst.Iatt
		r.Replaced.Nlink = 0
		d.ctx.drop(dst.Iatt.GFID)
	}
	if c := d.ctx.get(src.Iatt.GFID); c != nil {
		moved := *c
		moved.parent, moved.name = q.NewParent, q.NewName
		d.ctx.set(src.Iatt.GFID, &moved)
	}
	showDir(&r.Iatt)
	return r, nil
}

func (d *distribute) renameBack(ctx context.Context, q *fop.RenameReq, done []int, dst *fop.LookupReply) {
	back := &fop.RenameReq{Req: rootCaller(&q.Req), OldParent: q.NewParent, OldName: q.NewName, NewParent: q.OldParent, NewName: q.OldName}
	for k, a := range on(done, func(i int) (*fop.RenameReply, error) { return d.subs[i].Rename(ctx, back) }) {
		if a.Err != nil {
			d.log.Error("a directory has two names: its rename failed and could not be taken back", "subvol", d.names[done[k]], "op_errno", fop.Errno(a.Err))
		}
	}
	if dst != nil {
		d.restore(ctx, &q.Req, q.NewParent, q.NewName, &dst.Iatt, done)
	}
}
