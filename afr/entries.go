package afr

import (
	"bytes"
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A place is a directory with the names in it that a fop changes. No names: the whole
// directory.
type place struct {
	dir   fop.GFID
	names []string
}

// entered is a place with its lease.
type entered struct {
	place
	in     *inode
	lease  *lease
	key    opKey
	absent []string // of names, those known not to exist
}

// enter takes part in the entry leases of the places, in GFID order so that two
// clients never wait for each other. The result is in the order of the places; leave
// it when done.
func (r *replicate) enter(ctx context.Context, q *fop.Req, places ...place) ([]entered, error) {
	out := make([]entered, len(places))
	order := make([]int, len(places))
	for i := range places {
		out[i].place, order[i] = places[i], i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(places[a].dir[:], places[b].dir[:]) })
	for _, i := range order {
		if err := r.enterOne(ctx, q, &out[i]); err != nil {
			r.leave(out)
			return nil, err
		}
	}
	return out, nil
}

func (r *replicate) enterOne(ctx context.Context, q *fop.Req, e *entered) error {
	in := r.inodes.get(e.dir)
	var err error
	e.key = noRange
	switch {
	case len(e.names) == 1:
		e.key = nameKey(e.names[0], "")
	case len(e.names) == 2:
		e.key = nameKey(e.names[0], e.names[1])
	default:
		e.key.meta = true
	}
	in.mu.Lock()
	single := len(e.names) > 0 && time.Now().Before(in.contendedUntil) && in.names.state == free
	in.mu.Unlock()
	if single {
		e.lease, err = r.acquireNames(ctx, q, in, slices.Sorted(slices.Values(e.names)))
	} else {
		e.lease, err = r.begin(ctx, q, &in.names, e.key, changelog.Entry)
	}
	if err != nil {
		r.inodes.put(in)
		return err
	}
	e.in = in
	e.absent = r.claim(e.lease, e.names)
	return nil
}

// watch keeps everybody from changing a name until leave is called. Nothing is going to
// be changed, so that nothing is marked: a brick whose disk is full can take part.
func (r *replicate) watch(ctx context.Context, q *fop.Req, dir fop.GFID, name string) (leave func(), err error) {
	in := r.inodes.get(dir)
	in.mu.Lock()
	mine := in.names.state != free
	in.mu.Unlock()
	if mine {
		defer r.inodes.put(in)
		es, err := r.enter(ctx, q, place{dir, []string{name}})
		return func() { r.leave(es) }, err
	}
	l := &lease{gfid: dir, entry: true, names: []string{name}, owner: r.newOwner()}
	if err := r.lockAll(ctx, q, l); err != nil {
		r.inodes.put(in)
		return nil, err
	}
	return func() {
		r.releaseLeases([]*lease{l})
		r.inodes.put(in)
	}, nil
}

func (r *replicate) leave(es []entered) {
	for i := range es {
		if es[i].in != nil {
			r.end(es[i].lease, es[i].key)
			r.inodes.put(es[i].in)
			es[i].in = nil
		}
	}
}

// entryChange is the change that names in the places make.
func entryChange(es ...entered) *change {
	c := &change{class: changelog.Entry}
	for _, e := range es {
		c.leases, c.names = append(c.leases, e.lease), append(c.names, e.names)
	}
	return c
}

// newMark is what is stored on a new inode against bricks that missed its creation.
func newMark(t fop.FileType) changelog.Counters {
	switch t {
	case fop.TypeReg:
		return changelog.One(changelog.Data, changelog.Metadata)
	case fop.TypeDir: // the data counter of a directory says: look at all names
		return changelog.One(changelog.Data, changelog.Metadata, changelog.Entry)
	case fop.TypeLink:
		return changelog.Counters{}
	}
	return changelog.One(changelog.Metadata)
}

// accusations returns the pending xattrs against victims.
func (r *replicate) accusations(c changelog.Counters, victims set) []fop.Xattr {
	var xs []fop.Xattr
	if c.IsZero() {
		return nil
	}
	for j := range victims.Each {
		xs = append(xs, fop.Xattr{Name: r.keys[j], Value: c.Bytes()})
	}
	return xs
}

// markNew blames those who failed in creating an inode, on the inode itself, and returns
// whether a quorum has stored that. (Their names are marked anyway.)
func (r *replicate) markNew(ctx context.Context, g fop.GFID, t fop.FileType, o *outcome, l *lease) bool {
	deltas := r.accusations(newMark(t), o.failed)
	if len(deltas) == 0 {
		return true
	}
	on := &lease{gfid: g, session: l.session}
	ok, _ := r.xattrop(context.WithoutCancel(ctx), on, o.ok, &fop.XattropReq{Deltas: deltas})
	return r.quorum.Met(ok)
}

// Create makes a file and with it the file's lease.
func (r *replicate) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	sum := r.state.Load().sum
	es, err := r.enter(ctx, &q.Req, place{q.Parent, []string{q.Name}})
	if err != nil {
		return nil, err
	}
	defer r.leave(es)
	nl := &lease{gfid: q.GFID, owner: r.newOwner(), mark: newMark(fop.TypeReg), gen: es[0].lease.gen, lastUse: time.Now()}
	nl.missed.since = nl.lastUse
	nl.changed[changelog.Data], nl.changed[changelog.Metadata] = true, true
	replies := make([]*xlator.CreateReply, len(r.children))
	c := entryChange(es[0])
	reply, o, err := transactAll(ctx, r, &q.Req, c, func(ctx context.Context, idx []int, header func(i int) fop.Req) []xlator.Result[*xlator.CreateReply] {
		got := windOn(ctx, r, idx, xlator.Xlator.Create, func(i int) *fop.CreateReq {
			qq := *q
			qq.Req = header(i)
			qq.Flags &^= syscall.O_TRUNC
			qq.Lock = &fop.Lock{Domain: r.name, Owner: nl.owner}
			qq.Mark = append(r.accusations(newMark(fop.TypeReg), c.missing), fop.Xattr{Name: changelog.DirtyKey, Value: nl.mark.Bytes()})
			return &qq
		})
		for k, i := range idx {
			replies[i] = got[k].Reply
		}
		return got
	})
	if err != nil {
		r.abandonCreate(nl, replies)
		return nil, err
	}
	blamed := o.missing
	if r.markNew(ctx, q.GFID, fop.TypeReg, &o, es[0].lease) {
		blamed |= o.failed
	}
	in := r.inodes.get(q.GFID)
	in.open(sum)
	f := &file{r: r, in: in, flags: q.Flags &^ (syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC)}
	for i := range o.ok.Each {
		f.files[i] = replies[i].File
		nl.session[i] = replies[i].Session
	}
	nl.locked, nl.active = o.ok, o.ok
	nl.good = [3]set{o.ok, o.ok, o.ok}
	nl.blamed = [3]set{blamed, blamed, 0}
	r.install(in, nl)
	reply.File = f
	return reply, nil
}

// install puts the lease that came with a creation into its slot.
func (r *replicate) install(in *inode, l *lease) {
	s := &in.data
	in.mu.Lock()
	defer in.mu.Unlock()
	if s.state != free {
		// The GFID was used before: somebody resolved it already. Give this lock back.
		l.keepDirty = true
		r.keeper.spawn(func() { r.releaseLeases([]*lease{l}) })
		return
	}
	l.slot = s
	s.state, s.lease = held, l
	r.keeper.add(r, s)
	s.tell()
}

// abandonCreate gives back what a failed creation left on some bricks: open files and
// locks. The name, if it is there, is marked by the directory's dirty mark.
func (r *replicate) abandonCreate(l *lease, replies []*xlator.CreateReply) {
	for i, rep := range replies {
		if rep != nil {
			rep.File.Close()
			l.locked |= changelog.Of(i)
			l.session[i] = rep.Session
		}
	}
	l.keepDirty = true
	if l.locked != 0 {
		r.releaseLeases([]*lease{l})
	}
}

// makeEntry is Mkdir, Mknod and Symlink: f, with the request that request makes from the header
// and what is to be stored on the new inode.
func makeEntry[Q any](ctx context.Context, r *replicate, q *fop.Req, p place, g fop.GFID, t fop.FileType,
	f func(xlator.Xlator, context.Context, *Q) (*fop.EntryReply, error), request func(req fop.Req, mark []fop.Xattr) *Q) (*fop.EntryReply, error) {
	es, err := r.enter(ctx, q, p)
	if err != nil {
		return nil, err
	}
	defer r.leave(es)
	c := entryChange(es[0])
	reply, o, err := transactOn(ctx, r, q, c, f, func(_ int, req fop.Req) *Q {
		return request(req, r.accusations(newMark(t), c.missing))
	})
	if err != nil {
		return nil, err
	}
	r.markNew(ctx, g, t, &o, es[0].lease)
	return reply, nil
}

func (r *replicate) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	return makeEntry(ctx, r, &q.Req, place{q.Parent, []string{q.Name}}, q.GFID, fop.TypeDir, xlator.Xlator.Mkdir,
		func(req fop.Req, mark []fop.Xattr) *fop.MkdirReq {
			qq := *q
			qq.Req, qq.Mark = req, mark
			return &qq
		})
}

func (r *replicate) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	return makeEntry(ctx, r, &q.Req, place{q.Parent, []string{q.Name}}, q.GFID, q.Type, xlator.Xlator.Mknod,
		func(req fop.Req, mark []fop.Xattr) *fop.MknodReq {
			qq := *q
			qq.Req, qq.Mark = req, mark
			return &qq
		})
}

func (r *replicate) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	return makeEntry(ctx, r, &q.Req, place{q.Parent, []string{q.Name}}, q.GFID, fop.TypeLink, xlator.Xlator.Symlink,
		func(req fop.Req, _ []fop.Xattr) *fop.SymlinkReq {
			qq := *q
			qq.Req = req
			return &qq
		})
}

func (r *replicate) Link(ctx context.Context, q *fop.LinkReq) (*fop.EntryReply, error) {
	es, err := r.enter(ctx, &q.Req, place{q.Parent, []string{q.Name}})
	if err != nil {
		return nil, err
	}
	defer r.leave(es)
	reply, _, err := transactOn(ctx, r, &q.Req, entryChange(es[0]), xlator.Xlator.Link, func(_ int, req fop.Req) *fop.LinkReq {
		qq := *q
		qq.Req = req
		return &qq
	})
	return reply, err
}

func (r *replicate) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	es, err := r.enter(ctx, &q.Req, place{q.Parent, []string{q.Name}})
	if err != nil {
		return nil, err
	}
	defer r.leave(es)
	r.keepName(ctx, &q.Req, q.Parent, q.Name, es[0].lease)
	for tries := 0; ; tries++ {
		c, notLast := entryChange(es[0]), false
		c.moves = true
		c.spare, notLast = r.lastName(ctx, es[0].lease, q.Parent, q.Name)
		reply, _, err := transactOn(ctx, r, &q.Req, c, xlator.Xlator.Unlink, func(_ int, req fop.Req) *fop.UnlinkReq {
			qq := *q
			qq.Req, qq.NotLast = req, notLast || q.NotLast
			return &qq
		})
		if !notLast || fop.Errno(err) != syscall.EBUSY || tries == 2 { // else its other names went meanwhile
			return reply, err
		}
	}
}

// Rmdir holds all names of the victim too: nobody may create in a directory that is
// being removed.
func (r *replicate) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	victim := q.GFID
	if victim.IsZero() {
		found, err := r.Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, Parent: q.Parent, Name: q.Name})
		if err != nil {
			return nil, err
		}
		if !found.Iatt.IsDir() {
			return nil, syscall.ENOTDIR
		}
		victim = found.Iatt.GFID
	}
	es, err := r.enter(ctx, &q.Req, place{q.Parent, []string{q.Name}}, place{dir: victim})
	if err != nil {
		return nil, err
	}
	defer r.leave(es)
	if err := r.checkEmpty(ctx, &q.Req, es[1]); err != nil {
		return nil, err
	}
	c := entryChange(es[0])
	c.moves, c.spare = true, r.missedIn(es[1])
	reply, _, err := transactOn(ctx, r, &q.Req, c, xlator.Xlator.Rmdir, func(_ int, req fop.Req) *fop.RmdirReq {
		qq := *q
		qq.Req, qq.GFID = req, victim
		return &qq
	})
	return reply, err
}

// missedIn returns the children whose copy of a directory that is about to go is bad. They take
// no part: such a copy may not be empty, so that the fop is done on a few good ones only and
// fails, and what these knew of the names in it, and against others, would be lost with them.
func (r *replicate) missedIn(e entered) set {
	return r.all() &^ (e.lease.good[changelog.Entry] & e.lease.taking(r.state.Load()))
}

// checkEmpty looks into a directory that is about to go, if a copy of it is bad: that
// one may be empty only because it missed what others have, and would let it go.
func (r *replicate) checkEmpty(ctx context.Context, q *fop.Req, e entered) error {
	good := e.lease.good[changelog.Entry] & e.lease.taking(r.state.Load())
	if good == r.all() {
		return nil
	}
	err := error(errDown)
	for i := range good.Each {
		var d *xlator.OpendirReply
		if d, err = r.children[i].Opendir(ctx, &fop.OpendirReq{Req: fop.Req{Caller: q.Caller}, GFID: e.dir}); err != nil {
			continue
		}
		var l *fop.ReaddirpReply
		l, err = d.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: fop.Req{Caller: q.Caller}, Size: 1})
		d.Dir.Close()
		switch {
		case err != nil:
			continue
		case len(l.Entries) > 0:
			return syscall.ENOTEMPTY
		}
		return nil
	}
	return err
}

// Rename holds both directories and, if a directory is replaced, all of its names.
func (r *replicate) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	var victim fop.GFID // the directory that is replaced, as far as known
	for {
		reply, found, err := r.renameOver(ctx, q, victim)
		if found == victim {
			return reply, err
		}
		victim = found
	}
}

// alike reports whether all copies of the lease's directory have the same names, for sure:
// all granted it, nobody is accused, and no change was cut short, before or under it.
func (r *replicate) alike(l *lease) bool {
	mu := l.lockState()
	defer mu.unlock()
	return l.pristine && !l.keepDirty && l.live(r.state.Load()) == r.all()
}

// compare looks at both names of a rename on all children that may take part. Copies may
// differ after a change that was cut short. EIO: the old name is of different inodes, which
// must not get the same new name. idle are the children on which both names are of one file,
// so that the rename changes nothing there.
func (r *replicate) compare(ctx context.Context, q *fop.RenameReq, from, to entered) (idle set, err error) {
	st := r.state.Load()
	idx := r.indexes(from.lease.taking(st) & to.lease.taking(st))
	look := func(i int, parent fop.GFID, name string) (fop.GFID, error) {
		a, err := r.children[i].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, Parent: parent, Name: name})
		if err != nil {
			return fop.GFID{}, err
		}
		return a.Iatt.GFID, nil
	}
	got := xlator.Each(len(idx), func(k int) (g fop.GFID, err error) { return look(idx[k], q.OldParent, q.OldName) })
	target := xlator.Each(len(idx), func(k int) (g fop.GFID, err error) { return look(idx[k], q.NewParent, q.NewName) })
	var source fop.GFID
	for k, i := range idx {
		switch g := got[k].Reply; {
		case got[k].Err != nil:
		case !source.IsZero() && g != source && from.lease.good[changelog.Entry].Has(i):
			r.log.Error("bricks disagree about what a name is (GFID split-brain)", "parent", q.OldParent, "name", q.OldName)
			return 0, syscall.EIO
		default:
			if from.lease.good[changelog.Entry].Has(i) {
				source = g
			}
			if target[k].Err == nil && target[k].Reply == g {
				idle |= changelog.Of(i)
			}
		}
	}
	return idle, nil
}

// named returns what a name refers to, the zero GFID if it is not there. The caller
// holds the name's lease, so any good copy tells.
func (r *replicate) named(ctx context.Context, q *fop.Req, l *lease, parent fop.GFID, name string) (fop.Iatt, error) {
	good := l.good[changelog.Entry] & l.taking(r.state.Load())
	err := error(errDown)
	for good != 0 {
		i := r.prefer(parent, good)
		var found *fop.LookupReply
		found, err = r.children[i].Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, Parent: parent, Name: name})
		switch {
		case err == nil:
			return found.Iatt, nil
		case fop.Errno(err) == syscall.ENOENT:
			return fop.Iatt{}, nil
		case !elsewhere(err):
			return fop.Iatt{}, err
		}
		good &^= changelog.Of(i)
	}
	return fop.Iatt{}, err
}

// renameVictim returns the GFID of the directory that the rename would replace. Copies may
// differ after a change that was cut short: then the name is there if a quorum has it, as for
// lookup.
func (r *replicate) renameVictim(ctx context.Context, q *fop.RenameReq, e entered) (dir fop.GFID, err error) {
	if q.Flags != 0 || slices.Contains(e.absent, q.NewName) {
		return fop.GFID{}, nil // nothing is replaced
	}
	var found fop.Iatt
	if r.alike(e.lease) {
		found, err = r.named(ctx, &q.Req, e.lease, q.NewParent, q.NewName)
	} else {
		var l *looked
		l, err = r.lookupAll(ctx, &fop.LookupReq{Req: fop.Req{Caller: q.Caller}, Parent: q.NewParent, Name: q.NewName}, r.state.Load(), true)
		if err == nil {
			found = *l.iatt
		}
		if fop.Errno(err) == syscall.ENOENT {
			err = nil
		}
	}
	if err != nil {
		return fop.GFID{}, err
	}
	if !found.IsDir() {
		r.keepOpen(ctx, found.GFID)
		return fop.GFID{}, nil
	}
	return found.GFID, nil
}

// checkVictim refuses, before any brick does it, that a directory takes the place of
// another that is not empty.
func (r *replicate) checkVictim(ctx context.Context, q *fop.RenameReq, from, victim entered) error {
	err := r.checkEmpty(ctx, &q.Req, victim)
	if fop.Errno(err) != syscall.ENOTEMPTY {
		return err
	}
	source, e := r.named(ctx, &q.Req, from.lease, q.OldParent, q.OldName)
	switch {
	case e != nil:
		return e
	case source.IsDir() && source.GFID != victim.dir:
		return err
	}
	return nil // every brick does the same, whatever it knows of the victim
}

// renameOver renames while holding victim's names. found is the directory that would
// be replaced; if it is another one, nothing was done.
func (r *replicate) renameOver(ctx context.Context, q *fop.RenameReq, victim fop.GFID) (reply *fop.RenameReply, found fop.GFID, err error) {
	places := []place{{q.OldParent, []string{q.OldName, q.NewName}}}
	if q.OldParent != q.NewParent {
		places = []place{{q.OldParent, []string{q.OldName}}, {q.NewParent, []string{q.NewName}}}
	} else if q.OldName == q.NewName {
		places[0].names = places[0].names[:1]
	}
	dirs := len(places)
	if !victim.IsZero() && victim != q.OldParent && victim != q.NewParent {
		places = append(places, place{dir: victim})
	}
	es, err := r.enter(ctx, &q.Req, places...)
	if err != nil {
		return nil, victim, err
	}
	defer r.leave(es)
	if found, err = r.renameVictim(ctx, q, es[dirs-1]); err != nil || found != victim {
		if err != nil {
			found = victim
		}
		return nil, found, err
	}
	if len(es) > dirs {
		if err := r.checkVictim(ctx, q, es[0], es[dirs]); err != nil {
			return nil, found, err
		}
	}
	c := entryChange(es[:dirs]...)
	c.moves = true
	if q.Flags == 0 && !(r.alike(es[0].lease) && r.alike(es[dirs-1].lease)) {
		if c.idle, err = r.compare(ctx, q, es[0], es[dirs-1]); err != nil {
			return nil, found, err
		}
	}
	if q.Flags == 0 {
		c.spare, _ = r.lastName(ctx, es[dirs-1].lease, q.NewParent, q.NewName)
	}
	if len(es) > dirs {
		c.spare |= r.missedIn(es[dirs])
	}
	reply, _, err = transactOn(ctx, r, &q.Req, c, xlator.Xlator.Rename, func(_ int, req fop.Req) *fop.RenameReq {
		qq := *q
		qq.Req = req
		return &qq
	})
	return reply, found, err
}
