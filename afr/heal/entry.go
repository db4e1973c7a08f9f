package heal

import (
	"context"
	"strings"
	"sync"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A nameHeal is the healing of one name.
type nameHeal struct {
	*dirHeal
	name  string
	sight [changelog.MaxReplicas]changelog.Sight
	iatt  [changelog.MaxReplicas]fop.Iatt
	truth changelog.Truth
	going bool // truth is that there is no such name

	seenMu sync.Mutex
	seen   map[fop.GFID]*copies // guarded by seenMu
}

// name makes one name mean the same on all copies.
func (d *dirHeal) name(ctx context.Context, name string) {
	n := &nameHeal{dirHeal: d, name: name, seen: map[fop.GFID]*copies{}}
	if !n.look(ctx) {
		return
	}
	if !strings.HasPrefix(name, parkPrefix) {
		b := changelog.Ballot{N: len(d.h.children), Sights: n.sight, Voters: d.voters, Merge: d.d.Doubt == changelog.Split,
			Lives: func(g fop.GFID) set { return n.lives(ctx, g) }, Lost: func(s changelog.Sight) bool { return n.lost(ctx, s) }}
		n.truth = b.Judge()
		n.going = n.truth.GFID.IsZero() && !n.truth.Torn
	}
	if n.truth.Torn && !n.choose() {
		d.mu.Lock()
		d.torn = true
		d.mu.Unlock()
		return
	}
	wrong := set(0)
	for i := range d.c.m.Replied.Each {
		if n.sight[i].GFID != n.truth.GFID {
			wrong |= changelog.Of(i)
		}
	}
	last := set(0)
	if n.going {
		// Who stores no data may be the one that knows that a copy is stale: it forgets last.
		last = wrong &^ n.h.stores()
	}
	n.fixAll(ctx, wrong&^last)
	if last != 0 && n.gone(ctx, wrong&^last) {
		n.fixAll(ctx, last)
	}
}

// fixAll makes the name what it is to be on the children in s.
func (n *nameHeal) fixAll(ctx context.Context, s set) {
	on(s, func(i int) (struct{}, error) {
		if err := n.fix(ctx, i); err != nil {
			n.lose(i, "name "+n.name, err)
		}
		return struct{}{}, nil
	})
}

// gone reports whether no child in s has the name.
func (n *nameHeal) gone(ctx context.Context, s set) bool {
	for i := range s.Each {
		_, err := n.h.children[i].Lookup(ctx, &fop.LookupReq{Req: n.l.req(i), Parent: n.gfid, Name: n.name})
		if fop.Errno(err) != syscall.ENOENT {
			return false
		}
	}
	return true
}

// look sees what the copies have under the name. false: some cannot say.
func (n *nameHeal) look(ctx context.Context) bool {
	all := n.c.m.Replied
	got := on(all, func(i int) (*fop.LookupReply, error) {
		return n.h.children[i].Lookup(ctx, &fop.LookupReq{Req: n.l.req(i), Parent: n.gfid, Name: n.name})
	})
	ok := true
	for i := range all.Each {
		switch err := got[i].Err; {
		case err == nil:
			n.iatt[i] = got[i].Reply.Iatt
			n.sight[i] = changelog.Sight{GFID: n.iatt[i].GFID, Type: n.iatt[i].Type}
		case fop.Errno(err) == syscall.ENOENT:
		default:
			n.lose(i, "looking up "+n.name, err)
			n.postpone("a brick cannot say what it has under a name")
			n.noteSick(ctx, i, err)
			ok = false
		}
	}
	return ok
}

// noteSick marks the directory as one whose names are to be compared, if it is not: child i is
// sick under this one (err). So the index lists the directory, and who asks what is pending
// learns of it, until the brick is mended. Nobody is blamed: a brick that cannot tell what it has
// may have missed nothing, and be the one that is right.
func (n *nameHeal) noteSick(ctx context.Context, i int, err error) {
	n.mu.Lock()
	known := fop.Errno(err) != syscall.EIO || n.sick || n.c.m.Marked(changelog.Entry)
	n.sick = n.sick || !known
	n.mu.Unlock()
	if known {
		return
	}
	q := &fop.XattropReq{Req: fop.Req{Caller: caller()}, GFID: n.gfid, Op: fop.XattropAdd32,
		Deltas: []fop.Xattr{{Name: changelog.DirtyKey, Value: changelog.One(changelog.Entry).Bytes()}}}
	xlator.Wind(ctx, n.h.some(n.c.m.Replied&^changelog.Of(i)), xlator.Xlator.Xattrop, q) // else the next healing sees it
}

// copiesOf looks, once, on which children an inode exists, with marks and attributes.
func (n *nameHeal) copiesOf(ctx context.Context, g fop.GFID) *copies {
	n.seenMu.Lock()
	c := n.seen[g]
	n.seenMu.Unlock()
	if c == nil {
		c = n.h.look(ctx, n.l, g)
		n.seenMu.Lock()
		n.seen[g] = c
		n.seenMu.Unlock()
	}
	return c
}

// choose picks one of several inodes under a name, as the user or the policy wants.
func (n *nameHeal) choose() bool {
	pick := n.source
	if pick < 0 && n.h.Policy != PolicyNone {
		c := &copies{iatt: n.iatt}
		among := n.voters
		for i := range n.voters.Each {
			if n.sight[i].GFID.IsZero() || n.sight[i].Type == fop.TypeDir {
				among &^= changelog.Of(i)
			}
		}
		pick = lowest(n.favourite(c, among))
	}
	if pick < 0 || n.sight[pick].GFID.IsZero() {
		return false
	}
	n.truth = changelog.Truth{Sight: n.sight[pick], From: pick}
	return true
}

// fix makes the name on child i what it is to be.
func (n *nameHeal) fix(ctx context.Context, i int) error {
	if n.truth.GFID.IsZero() || !n.sight[i].GFID.IsZero() {
		n.moves <- struct{}{}
		gone, err := n.clear(ctx, i)
		<-n.moves
		if err != nil || !gone || n.truth.GFID.IsZero() {
			return err
		}
	}
	c := n.copiesOf(ctx, n.truth.GFID)
	switch {
	case c.m.Replied.Has(i):
		n.moves <- struct{}{}
		defer func() { <-n.moves }()
		return n.bring(ctx, i)
	case c.missing.Has(i):
		return n.make(ctx, i)
	}
	n.postpone("a brick cannot say whether it has an inode")
	return nil
}

// reference returns the copies that know better than child i.
func (n *nameHeal) reference(i int) set {
	if r := n.voters &^ changelog.Of(i); r != 0 {
		return r
	}
	return n.c.m.Replied &^ changelog.Of(i)
}

// clear takes away what child i has under the name. gone: it did. What lives on elsewhere
// goes to its place, or waits for it.
func (n *nameHeal) clear(ctx context.Context, i int) (gone bool, err error) {
	r := &removal{nameHeal: n, on: i, ref: n.reference(i)}
	return r.remove(ctx, n.gfid, n.name, n.sight[i], !n.truth.GFID.IsZero())
}

// bring gives an inode that child i has already the name: another link of a file; a
// directory is moved.
func (n *nameHeal) bring(ctx context.Context, i int) error {
	x, g := n.h.children[i], n.truth.GFID
	if n.truth.Type != fop.TypeDir {
		_, err := x.Link(ctx, &fop.LinkReq{Req: n.l.req(i), GFID: g, Parent: n.gfid, Name: n.name})
		if err == nil {
			n.count(i, 1, 0)
			n.noteTimes(ctx, i, g)
		}
		if fop.Errno(err) == syscall.EEXIST { // it went to its place meanwhile, or something else did
			n.postpone("a name changed under the healer")
			return nil
		}
		return err
	}
	for _, at := range n.linksOn(ctx, i, g) {
		done, err := n.rename(ctx, i, at, fop.Link{Parent: n.gfid, Name: n.name}, g)
		if done || err != nil {
			return err
		}
	}
	n.postpone("a directory has to be moved from where somebody is at work")
	return nil
}

// noteTimes puts back the times of an inode that linking or renaming changed.
func (n *nameHeal) noteTimes(ctx context.Context, i int, g fop.GFID) {
	c := n.copiesOf(ctx, g)
	from := lowest(c.m.Replied & n.reference(i) &^ c.m.Accused(changelog.Metadata))
	if from < 0 {
		return
	}
	a := c.iatt[from]
	_, err := n.h.children[i].Setattr(ctx, &fop.SetattrReq{Req: n.l.req(i), GFID: g, Valid: fop.SetCtime, Ctime: a.Ctime})
	if err != nil {
		n.h.Log.Debug("a ctime could not be put back", "child", n.h.Names[i], "gfid", g, "error", err)
	}
}

// linksOn returns the names of an inode on child i.
func (n *nameHeal) linksOn(ctx context.Context, i int, g fop.GFID) []fop.Link {
	return xlator.LinksOn(ctx, n.h.children[i], caller(), g)
}

// rename moves g on child i, if it is there and the target is free. The other directory's
// lock is tried for. done: it was moved.
func (n *nameHeal) rename(ctx context.Context, i int, from, to fop.Link, g fop.GFID) (done bool, err error) {
	for k, p := range [...]fop.GFID{from.Parent, to.Parent} {
		if p == n.gfid || k == 1 && p == from.Parent {
			continue
		}
		other := n.h.newLock(p)
		other.entry = true
		if other.try(ctx) != nil {
			return false, nil
		}
		defer other.release(ctx)
	}
	x := n.h.children[i]
	r, err := x.Lookup(ctx, &fop.LookupReq{Req: n.l.req(i), Parent: from.Parent, Name: from.Name})
	if err != nil || r.Iatt.GFID != g {
		return false, nil
	}
	_, err = x.Rename(ctx, &fop.RenameReq{Req: n.l.req(i), OldParent: from.Parent, OldName: from.Name,
		NewParent: to.Parent, NewName: to.Name, Flags: fop.RenameNoReplace})
	switch fop.Errno(err) {
	case 0:
		n.count(i, 1, 1)
		n.noteTimes(ctx, i, g)
		return true, nil
	case syscall.EEXIST, syscall.ENOENT, syscall.ESTALE, syscall.EINVAL, syscall.ENOTEMPTY:
		return false, nil // the place is not there, taken, or below what is moved
	}
	return false, err
}
