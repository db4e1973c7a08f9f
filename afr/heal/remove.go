package heal

import (
	"context"
	"strings"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// A removal takes names away on one child. What is alive on the copies in ref is never
// lost with it.
type removal struct {
	*nameHeal
	on  int
	ref set
}

// remove takes away the name, with all that is below it. must: the name is needed for
// something else, so that what cannot be removed is parked. gone: the name is free.
func (r *removal) remove(ctx context.Context, dir fop.GFID, name string, s changelog.Sight, must bool) (gone bool, err error) {
	c := r.copiesOf(ctx, s.GFID)
	switch {
	case r.c.m.Replied&^(c.m.Replied|c.missing) != 0:
		r.postpone("a brick cannot say whether it has an inode")
		return false, nil
	case r.alive(ctx, s.GFID, only(r.on), 0):
		return r.keep(ctx, dir, name, s, must)
	}
	x := r.h.children[r.on]
	if s.Type != fop.TypeDir {
		_, err = x.Unlink(ctx, &fop.UnlinkReq{Req: r.l.req(r.on), Parent: dir, Name: name, GFID: s.GFID})
	} else {
		if gone, err := r.empty(ctx, s.GFID); err != nil || !gone {
			return false, err
		}
		_, err = x.Rmdir(ctx, &fop.RmdirReq{Req: r.l.req(r.on), Parent: dir, Name: name, GFID: s.GFID})
	}
	return r.removed(err)
}

func (r *removal) removed(err error) (bool, error) {
	if err == nil {
		r.count(r.on, 0, 1)
		return true, nil
	}
	if fop.IsGone(err) || fop.Errno(err) == syscall.ENOTEMPTY {
		r.postpone("a name changed under the healer")
		return false, nil
	}
	return false, err
}

// empty removes all names in a directory that no copy in ref has any more.
func (r *removal) empty(ctx context.Context, g fop.GFID) (gone bool, err error) {
	var es []fop.Dirent
	err = r.h.list(ctx, r.on, r.l.req(r.on), g, func(more []fop.Dirent) error {
		es = append(es, more...)
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, e := range es {
		gone, err := r.remove(ctx, g, e.Name, changelog.Sight{GFID: e.Iatt.GFID, Type: e.Iatt.Type}, true)
		if err != nil || !gone {
			return false, err
		}
	}
	return true, nil
}

// keep frees the name of an inode that lives: a file that has other names here loses this
// one; else it is moved to where it belongs, or (must) parked in the directory.
func (r *removal) keep(ctx context.Context, dir fop.GFID, name string, s changelog.Sight, must bool) (gone bool, err error) {
	guard := r.h.newLock(s.GFID) // or another healer takes another last name
	guard.domain = r.h.Name + ":self-heal"
	if guard.try(ctx) != nil {
		r.postpone("another healer is at work on what a name refers to")
		return false, nil
	}
	defer guard.release(ctx)
	x := r.h.children[r.on]
	if s.Type != fop.TypeDir {
		st, err := x.Stat(ctx, &fop.StatReq{Req: r.l.req(r.on), GFID: s.GFID})
		if err != nil {
			return false, err
		}
		if st.Iatt.Nlink > 1 {
			_, err := x.Unlink(ctx, &fop.UnlinkReq{Req: r.l.req(r.on), Parent: dir, Name: name, GFID: s.GFID, NotLast: true})
			if err == nil {
				r.noteTimes(ctx, r.on, s.GFID)
			}
			if fop.Errno(err) == syscall.EBUSY { // a client has removed the others
				err = syscall.ENOTEMPTY
			}
			return r.removed(err)
		}
	}
	at := fop.Link{Parent: dir, Name: name}
	for ref := range (r.copiesOf(ctx, s.GFID).m.Replied & r.ref).Each {
		for _, to := range r.linksOn(ctx, ref, s.GFID) {
			if to == at || !r.confirmed(ctx, ref, to, s.GFID) {
				continue
			}
			if done, err := r.rename(ctx, r.on, at, to, s.GFID); done || err != nil {
				return done, err
			}
		}
	}
	r.postpone("something waits for the directory that it was moved to")
	if !must || dir == r.gfid && strings.HasPrefix(name, parkPrefix) {
		return false, nil
	}
	park := parkPrefix + s.GFID.String()
	if !r.record(ctx, park) {
		return false, nil
	}
	return r.rename(ctx, r.on, at, fop.Link{Parent: r.gfid, Name: park}, s.GFID)
}

// record enters a name in the index of the copies in ref, so that it is looked at when
// the directory is healed again.
func (r *removal) record(ctx context.Context, name string) bool {
	zero := []fop.Xattr{{Name: r.h.Keys[r.on], Value: changelog.Counters{}.Bytes()}}
	got := on(r.ref, func(i int) (*fop.XattropReply, error) {
		return r.h.children[i].Xattrop(ctx, &fop.XattropReq{Req: r.l.req(i), GFID: r.gfid, Op: fop.XattropAdd32, Deltas: zero, EntryCreate: []string{name}})
	})
	for i := range r.ref.Each {
		if got[i].Err != nil {
			return false
		}
	}
	return true
}

// confirmed reports whether a copy has g under a name, and is one to be believed about the
// names of that directory, while the child where g is to be moved is not.
func (r *removal) confirmed(ctx context.Context, ref int, at fop.Link, g fop.GFID) bool {
	c := r.copiesOf(ctx, at.Parent)
	sources := c.m.Direct(changelog.Entry, r.h.Quorum, r.h.all()).Sources
	if !sources.Has(ref) || sources.Has(r.on) || c.broken != "" {
		return false
	}
	a, err := r.h.children[ref].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: caller()}, Parent: at.Parent, Name: at.Name})
	return err == nil && a.Iatt.GFID == g
}
