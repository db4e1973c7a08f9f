package heal

import (
	"context"
	"slices"
	"strings"
	"syscall"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// smallFile is the size up to which a file is made with its content.
	smallFile = 64 << 10
	// together is how much content travels in one message.
	together = 2 << 20
)

// A newcomer is a regular file that some copies of a directory lack, and all others agree
// about: it is made there with everything in it, under its own lock, many at a time. Each
// step is one message to each brick.
type newcomer struct {
	name    string
	gfid    fop.GFID
	c       *copies // of those who have it
	sinks   set
	from    int // whose copy is followed
	owner   fop.LkOwner
	locked  set // where its lock is held, or may be
	out     bool
	again   bool // some copy has the inode by now, and needs only the name
	xattrs  []fop.Xattr
	content []byte
}

// newcomers makes those of the names that are simple enough, whole, and returns the others.
// If something goes wrong halfway the marks say so, and a later healing goes on.
func (d *dirHeal) newcomers(ctx context.Context, names []string) (others []string) {
	ns, others := d.lacked(ctx, names)
	for len(ns) > 0 && ctx.Err() == nil {
		size, n := uint64(0), 0
		for n < len(ns) && (n == 0 || size+ns[n].c.iatt[ns[n].from].Size <= together) {
			size += min(ns[n].c.iatt[ns[n].from].Size, smallFile)
			n++
		}
		others = append(others, d.copyAll(ctx, ns[:n])...)
		ns = ns[n:]
	}
	for _, n := range ns {
		others = append(others, n.name)
	}
	return others
}

// asked performs, on each child in s, the requests that q makes for each newcomer that is
// not out, and gives the answers to f, newcomer by newcomer.
func (d *dirHeal) asked(ctx context.Context, s set, ns []*newcomer, q func(i int, n *newcomer) []any, f func(i int, n *newcomer, got []xlator.Result[any])) {
	var counts [changelog.MaxReplicas][]int
	got := on(s, func(i int) ([]xlator.Result[any], error) {
		var all []any
		for _, n := range ns {
			var qs []any
			if !n.out {
				qs = q(i, n)
			}
			counts[i] = append(counts[i], len(qs))
			all = append(all, qs...)
		}
		if len(all) == 0 {
			return nil, nil
		}
		return xlator.Batch(ctx, d.h.children[i], all), nil
	})
	for i := range s.Each {
		r := got[i].Reply
		for k, n := range ns {
			if c := counts[i][k]; c > 0 {
				f(i, n, r[:c])
				r = r[c:]
			}
		}
	}
}

// lacked finds out which names are of files that some copies lack.
func (d *dirHeal) lacked(ctx context.Context, names []string) (ns []*newcomer, others []string) {
	all := make([]*newcomer, len(names))
	for k, name := range names {
		all[k] = &newcomer{name: name, c: &copies{m: changelog.Matrix{N: len(d.h.children)}}}
		all[k].out = strings.HasPrefix(name, parkPrefix)
	}
	d.asked(ctx, d.c.m.Replied, all, func(i int, n *newcomer) []any {
		return []any{&fop.LookupReq{Req: d.l.req(i), Parent: d.gfid, Name: n.name, Want: d.h.want}}
	}, func(i int, n *newcomer, got []xlator.Result[any]) {
		n.see(d.h, i, got[0])
	})
	for _, n := range all {
		if n.out = n.out || !d.simple(n); n.out {
			others = append(others, n.name)
		}
	}
	d.asked(ctx, d.c.m.Replied, all, func(i int, n *newcomer) []any {
		if !n.sinks.Has(i) {
			return nil
		}
		return []any{&fop.LookupReq{Req: d.l.req(i), GFID: n.gfid}}
	}, func(i int, n *newcomer, got []xlator.Result[any]) {
		if !n.out && !fop.IsGone(got[0].Err) {
			n.out = true // it is there under another name, or nobody knows
			others = append(others, n.name)
		}
	})
	for _, n := range all {
		if !n.out {
			ns = append(ns, n)
		}
	}
	return ns, others
}

// see enters what child i answered to a lookup.
func (n *newcomer) see(h *Healer, i int, got xlator.Result[any]) {
	switch err := got.Err; {
	case err == nil:
		r := got.Reply.(*fop.LookupReply)
		if n.gfid.IsZero() {
			n.gfid = r.Iatt.GFID
		}
		n.out = n.out || r.Iatt.GFID != n.gfid || r.Iatt.Type != fop.TypeReg
		n.c.iatt[i] = r.Iatt
		h.row(n.c, i, r.Xattrs)
	case fop.Errno(err) == syscall.ENOENT:
		n.sinks |= changelog.Of(i)
	default:
		n.out = true
	}
}

// simple reports whether a file can be made with all that is in it, and picks the copy to
// follow: those who have it are a quorum, right about the name, and right about the file.
func (d *dirHeal) simple(n *newcomer) bool {
	has := n.c.m.Replied
	if n.sinks == 0 || n.sinks&d.voters != 0 || !d.h.Quorum.Met(has) || n.c.broken != "" {
		return false
	}
	data := n.c.m.Direct(changelog.Data, d.h.Quorum, d.h.stores())
	meta := n.c.m.Direct(changelog.Metadata, d.h.Quorum, d.h.all())
	if data.Differ || meta.Differ || has&d.h.stores()&^data.Sources != 0 || has&^meta.Sources != 0 ||
		n.c.m.Accused(changelog.Data)&has != 0 {
		return false
	}
	if n.from = largest(n.c, data.Sources); n.from < 0 {
		return false
	}
	a := &n.c.iatt[n.from]
	for i := range has.Each {
		b := &n.c.iatt[i]
		if a.UID != b.UID || a.GID != b.GID || a.Mode != b.Mode {
			return false
		}
	}
	// What is sparse stays so.
	return n.sinks&d.h.stores() == 0 || a.Size <= smallFile && a.Blocks*512 >= a.Size
}

// copyAll makes newcomers on the copies that lack them, and returns the names that others have
// to heal.
func (d *dirHeal) copyAll(ctx context.Context, ns []*newcomer) (others []string) {
	defer func() { d.letGo(ctx, ns) }()
	d.turn.names(len(ns))
	d.read(ctx, ns)
	d.accuse(ctx, ns)
	var sinks set
	for _, n := range ns {
		if !n.out {
			sinks |= n.sinks
		}
	}
	d.fill(ctx, sinks, ns)
	for _, n := range ns {
		if n.out || n.again {
			others = append(others, n.name)
		}
	}
	// One message for all; nothing is unmarked that could be lost.
	synced := on(sinks, func(i int) (*fop.ReleaseReply, error) {
		return d.h.children[i].Release(ctx, &fop.ReleaseReq{Req: d.l.req(i), Sync: true})
	})
	for i := range sinks.Each {
		if err := synced[i].Err; err != nil {
			d.lose(i, "making files durable", err)
			for _, n := range ns {
				n.c.m.Replied &^= changelog.Of(i) & n.sinks
			}
		}
	}
	return others
}

// read locks the files where they are and reads what is in them, and how they are marked now.
func (d *dirHeal) read(ctx context.Context, ns []*newcomer) {
	seen := make(map[*newcomer]*copies, len(ns))
	for _, n := range ns {
		seen[n] = n.c
		n.locked, n.owner = n.c.m.Replied, fop.LkOwner(d.h.owners.Add(1))
		n.c = &copies{m: changelog.Matrix{N: len(d.h.children)}}
	}
	d.asked(ctx, d.c.m.Replied, ns, func(i int, n *newcomer) []any {
		if !n.locked.Has(i) {
			return nil
		}
		look := &fop.LookupReq{Req: d.l.req(i), GFID: n.gfid, Want: d.h.want}
		qs := []any{d.lockOf(i, n, fop.LockTry), look}
		if i == n.from {
			if n.sinks&d.h.stores() != 0 {
				look.Content = smallFile
			}
			qs = append(qs, &fop.GetxattrReq{Req: d.l.req(i), GFID: n.gfid, Internal: true})
		}
		return qs
	}, func(i int, n *newcomer, got []xlator.Result[any]) {
		if got[0].Err != nil { // somebody works on it
			n.out = true
			return
		}
		n.see(d.h, i, got[1])
		if i != n.from || n.out {
			return
		}
		r := got[1].Reply.(*fop.LookupReply)
		n.content = r.Content
		n.out = got[2].Err != nil || n.sinks&d.h.stores() != 0 && (!r.HasContent || uint64(len(r.Content)) != r.Iatt.Size)
		if !n.out {
			n.xattrs = replicated(got[2].Reply.(*fop.GetxattrReply).Xattrs)
		}
	})
	for _, n := range ns {
		was := n.from
		n.out = n.out || n.c.m.Replied != seen[n].m.Replied || !d.simple(n)
		n.from = was
		n.out = n.out || n.c.m.Accused(changelog.Data).Has(was)
	}
}

func (d *dirHeal) lockOf(i int, n *newcomer, cmd fop.LockCmd) *fop.InodelkReq {
	return &fop.InodelkReq{Req: d.l.req(i), GFID: n.gfid, Domain: d.h.Name, Owner: n.owner, Cmd: cmd, Type: fop.LkWrite}
}

// missing is what the copy on child i is accused of until it is whole.
func (h *Healer) missing(i int) changelog.Counters {
	if i == h.Arbiter {
		return changelog.One(changelog.Metadata)
	}
	return changelog.One(changelog.Data, changelog.Metadata)
}

// accuse has those who have a file know that others lack it, if they do not yet. (A file is
// small: nobody asks which of its bytes are missed.)
func (d *dirHeal) accuse(ctx context.Context, ns []*newcomer) {
	add := func(i int, n *newcomer) (deltas []fop.Xattr) {
		for s := range n.sinks.Each {
			need := d.h.missing(s)
			for k := range need {
				if n.c.m.Pending[i][s][k] != 0 {
					need[k] = 0
				}
			}
			if !need.IsZero() {
				deltas = append(deltas, fop.Xattr{Name: d.h.Keys[s], Value: need.Bytes()})
			}
		}
		return deltas
	}
	d.asked(ctx, d.c.m.Replied, ns, func(i int, n *newcomer) []any {
		if !n.c.m.Replied.Has(i) {
			return nil
		}
		if deltas := add(i, n); len(deltas) > 0 {
			return []any{&fop.XattropReq{Req: d.l.req(i), GFID: n.gfid, Op: fop.XattropAdd32, Deltas: deltas}}
		}
		return nil
	}, func(i int, n *newcomer, got []xlator.Result[any]) {
		if got[0].Err != nil {
			n.out = true
			return
		}
		for s := range n.sinks.Each {
			for k, had := range d.h.missing(s) {
				if n.c.m.Pending[i][s][k] == 0 {
					n.c.m.Pending[i][s][k] = had
				}
			}
		}
	})
}

// fill makes the files. Who made one counts as a copy from then on, which accuses itself
// until all is durable.
func (d *dirHeal) fill(ctx context.Context, sinks set, ns []*newcomer) {
	d.asked(ctx, sinks, ns, func(i int, n *newcomer) []any {
		if !n.sinks.Has(i) {
			return nil
		}
		a := &n.c.iatt[n.from]
		q := &fop.MknodReq{Req: d.l.req(i), Parent: d.gfid, Name: n.name, GFID: n.gfid, Type: fop.TypeReg, Mode: a.Mode, Xattrs: n.xattrs,
			Mark: []fop.Xattr{{Name: d.h.Keys[i], Value: d.h.missing(i).Bytes()}},
			Copy: &fop.Copy{Atime: a.Atime, Mtime: a.Mtime, Ctime: a.Ctime}}
		q.Caller = &fop.Caller{PID: selfHeal, UID: a.UID, GID: a.GID, Time: a.Mtime}
		if i != d.h.Arbiter {
			q.Copy.Content = n.content
		}
		return []any{q}
	}, func(i int, n *newcomer, got []xlator.Result[any]) {
		switch err := got[0].Err; {
		case fop.Errno(err) == syscall.EEXIST:
			n.again = true
			return
		case err != nil:
			d.lose(i, "making "+n.name, err)
			return
		}
		n.c.m.Replied |= changelog.Of(i)
		n.c.m.Pending[i][i] = d.h.missing(i)
		n.c.iatt[i] = n.c.iatt[n.from]
		d.mu.Lock()
		defer d.mu.Unlock()
		d.out.NamesMade++
		if i != d.h.Arbiter {
			d.out.BytesWritten += int64(len(n.content))
		}
	})
}

// letGo undoes the marks of newcomers that are whole now and unlocks all.
func (d *dirHeal) letGo(ctx context.Context, ns []*newcomer) {
	ctx = context.WithoutCancel(ctx)
	var items [changelog.MaxReplicas][]fop.ReleaseItem
	where, last := set(0), set(0)
	for _, n := range ns {
		var u undo
		if !n.out && n.c.m.Replied&n.sinks != 0 {
			u = d.h.undoing(n.c, n.c.m.Replied, n.locked, changelog.Data, changelog.Metadata)
		}
		last |= d.h.toLast(u)
		for i := range d.h.children {
			if n.locked.Has(i) || len(u.deltas[i]) > 0 {
				where |= changelog.Of(i)
				items[i] = append(items[i], fop.ReleaseItem{GFID: n.gfid, Domain: d.h.Name, Owner: n.owner, NoUnlock: !n.locked.Has(i), Undo: u.deltas[i]})
			}
		}
	}
	got := on(where, func(i int) (*fop.ReleaseReply, error) {
		q := &fop.ReleaseReq{Req: d.l.req(i), Items: slices.Clone(items[i])}
		for k := range q.Items {
			q.Items[k].NoUnlock = q.Items[k].NoUnlock || last != 0
		}
		return d.h.children[i].Release(ctx, q)
	})
	if last != 0 {
		d.makeLast(ctx, last, where, items)
	}
	for i := range where.Each {
		if got[i].Err != nil {
			d.postpone("some marks could not be undone")
			continue
		}
		for k, e := range got[i].Reply.Errnos {
			if e != 0 && len(items[i][k].Undo) > 0 {
				d.postpone("some marks could not be undone")
			}
		}
	}
}
