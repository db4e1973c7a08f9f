package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// freshFor is how long afr may answer from a copy that another client has found to be
// bad meanwhile (afr's constant of the same name): it asks all bricks who is good at
// most that often. Programs on one client always see what they did themselves.
const freshFor = 0 * time.Second

// An owner works on its own names and files, and looks at those of others.
type owner struct {
	s     *sim
	c     *client
	id    int
	rng   *rand.Rand
	names names
	files []*openFile
	n     int // operations so far
}

// An openFile is a file that an owner has open for changing.
type openFile struct {
	xlator.File
	in     *inode
	append bool
}

func (o *owner) run() {
	for time.Since(o.s.start) < length && !o.c.isDead() && !o.s.hasFailed() {
		o.n++
		at := time.Now()
		what, err := o.step()
		if what.format == "" {
			continue
		}
		took := time.Since(at)
		o.s.logf("o%d %s: %v (%v)", o.id, what, err, took)
		switch {
		case o.c.isDead():
		case isViolation(err):
			o.s.fail("o%d %s: %v", o.id, what, err)
		case took > longest:
			o.s.fail("o%d %s took %v", o.id, what, took)
		case err != nil:
			o.judge(what, err)
		}
		if o.rng.IntN(3) == 0 {
			time.Sleep(time.Duration(o.rng.IntN(int(400 * time.Millisecond))))
		}
		if o.rng.IntN(40) == 0 {
			time.Sleep(time.Duration(o.rng.IntN(int(4 * time.Second))))
		}
	}
	for _, f := range o.files {
		f.Close()
	}
}

// judge checks that an error is one that what went wrong in this run can explain.
func (o *owner) judge(what say, err error) {
	switch e := fop.Errno(err); {
	case o.s.calm && (e == syscall.ENOTCONN || e == syscall.EIO || e == syscall.ENOSPC):
		o.s.fail("o%d %s: %v, but nothing went wrong", o.id, what, err)
	case o.s.masked() && (e == syscall.ENOTCONN || e == syscall.EIO || e == syscall.ENOSPC):
		o.s.fail("o%d %s: %v, but only one of three bricks failed", o.id, what, err)
	case !o.s.errors && e == syscall.ENOSPC, !o.s.errors && e == syscall.EIO && !o.s.unclear():
		o.s.fail("o%d %s: %v, but no disk failed", o.id, what, err)
	}
}

// unclear: two creations of one name that were not acknowledged, on two bricks, are a
// GFID split-brain until healed.
func (s *sim) unclear() bool {
	for _, o := range s.owners {
		for _, p := range o.names.places() {
			if len(o.names.at(p).now()) > 2 {
				return true
			}
		}
	}
	return false
}

// step does one random operation.
func (o *owner) step() (say, error) {
	switch k := o.rng.IntN(130); {
	case k < 14:
		return o.create()
	case k < 18:
		return o.mkdir()
	case k < 24:
		return o.remove()
	case k < 32:
		return o.rename()
	case k < 35:
		return o.link()
	case k < 41:
		return o.open()
	case k < 45:
		return o.closeOne()
	case k < 72:
		return o.write()
	case k < 79:
		return o.truncate()
	case k < 84:
		return o.setattr()
	case k < 88:
		return o.setxattr()
	case k < 100:
		return o.read(o.own())
	case k < 110:
		return o.read(o.anybodys())
	case k < 118:
		return o.lookup()
	case k < 124:
		return o.list()
	}
	return o.stat()
}

func pick[T any](rng *rand.Rand, s []T) (T, bool) {
	if len(s) == 0 {
		var zero T
		return zero, false
	}
	return s[rng.IntN(len(s))], true
}

// mine returns the places that may have something of this type in them, in directories
// that are there for sure.
func (o *owner) mine(t fop.FileType) []place {
	var out []place
	for _, p := range o.names.places() {
		if in := o.at(p); in != nil && in.typ == t && o.s.hasDir(p.dir, now()) {
			out = append(out, p)
		}
	}
	return out
}

// hasDir reports whether a directory has been there for sure since then.
func (s *sim) hasDir(g fop.GFID, since point) bool {
	if slices.Contains(s.shared, g) {
		return true
	}
	in := s.inode(g)
	return in != nil && certain(in, since)
}

func (s *sim) inode(g fop.GFID) *inode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byGFID[g]
}

// at returns what may be at a place, nil if nothing may.
func (o *owner) at(p place) *inode {
	for _, g := range o.names.at(p).now() {
		if g != none {
			return o.s.inode(g)
		}
	}
	return nil
}

// somewhere returns a place for a file, or for a directory.
func (o *owner) somewhere(dir bool) place {
	parents := slices.Clone(o.s.shared)
	if dir {
		p, _ := pick(o.rng, parents)
		return place{p, fmt.Sprintf("o%d.dir%d", o.id, o.rng.IntN(2))}
	}
	for _, p := range o.mine(fop.TypeDir) {
		if in := o.at(p); certain(in, now()) {
			parents = append(parents, in.gfid)
		}
	}
	p, _ := pick(o.rng, parents)
	return place{p, fmt.Sprintf("o%d.f%d", o.id, o.rng.IntN(3))}
}

func (o *owner) create() (say, error) {
	p := o.somewhere(false)
	in := newInode(gfid(o.rng), fop.TypeReg, o, 0o644)
	o.s.add(in)
	f := &openFile{in: in, append: o.rng.IntN(4) == 0}
	flags := uint32(syscall.O_RDWR)
	if f.append {
		flags |= syscall.O_APPEND
	}
	what := says("create %v = %s", p, short(in.gfid))
	err := o.names.at(p).do(adding(in), func() error {
		r, err := o.c.Create(ctx, &fop.CreateReq{Req: req(), Parent: p.dir, Name: p.name, GFID: in.gfid, Mode: 0o644, Flags: flags})
		if err == nil {
			f.File = r.File
		}
		return err
	})
	if f.File != nil {
		if o.rng.IntN(2) == 0 {
			o.files = append(o.files, f)
		} else {
			f.Close()
		}
	}
	return what, err
}

func adding(in *inode) change[fop.GFID] {
	return func(g fop.GFID) (fop.GFID, syscall.Errno) {
		if g != none {
			return g, syscall.EEXIST
		}
		return in.gfid, 0
	}
}

func (o *owner) mkdir() (say, error) {
	p := o.somewhere(true)
	in := newInode(gfid(o.rng), fop.TypeDir, o, 0o755)
	o.s.add(in)
	return says("mkdir %v = %s", p, short(in.gfid)), o.names.at(p).do(adding(in), func() error {
		_, err := o.c.Mkdir(ctx, &fop.MkdirReq{Req: req(), Parent: p.dir, Name: p.name, GFID: in.gfid, Mode: 0o755})
		return err
	})
}

// remove is unlink or rmdir.
func (o *owner) remove() (say, error) {
	dir := o.rng.IntN(3) == 0
	t := fop.TypeReg
	if dir {
		t = fop.TypeDir
	}
	p, ok := pick(o.rng, o.mine(t))
	if !ok {
		return say{}, nil
	}
	if !dir {
		return says("unlink %v", p), o.names.at(p).do(removing(o, false), func() error {
			_, err := o.c.Unlink(ctx, &fop.UnlinkReq{Req: req(), Parent: p.dir, Name: p.name})
			return err
		})
	}
	var also []syscall.Errno
	if o.perhapsFull(p) {
		also = append(also, syscall.ENOTEMPTY)
	}
	return says("rmdir %v", p), o.names.at(p).do(removing(o, true), func() error {
		_, err := o.c.Rmdir(ctx, &fop.RmdirReq{Req: req(), Parent: p.dir, Name: p.name})
		return err
	}, also...)
}

func (o *owner) perhapsFull(p place) bool {
	for _, g := range o.names.at(p).now() {
		if _, perhaps := o.names.emptiness(g); perhaps {
			return true
		}
	}
	return false
}

func removing(o *owner, dir bool) change[fop.GFID] {
	return func(g fop.GFID) (fop.GFID, syscall.Errno) {
		if g == none {
			return g, syscall.ENOENT
		}
		if full, _ := o.names.emptiness(g); dir && full {
			return g, syscall.ENOTEMPTY
		}
		return none, 0
	}
}

func (o *owner) rename() (say, error) {
	dir := o.rng.IntN(3) == 0
	t := fop.TypeReg
	if dir {
		t = fop.TypeDir
	}
	from, ok := pick(o.rng, o.mine(t))
	to := o.somewhere(dir)
	if !ok || from == to {
		return say{}, nil
	}
	what := says("rename %v to %v", from, to)
	a, b := o.names.at(from), o.names.at(to)
	var right []syscall.Errno
	moved := slices.DeleteFunc(slices.Clone(a.now()), func(g fop.GFID) bool { return g == none })
	left := []fop.GFID{none}
	for _, g := range moved {
		if slices.Contains(b.now(), g) {
			left = append(left, g) // two names of one file: nothing happens
		}
	}
	if len(moved) < len(a.now()) {
		right = append(right, syscall.ENOENT)
	}
	if dir && o.perhapsFull(to) {
		right = append(right, syscall.ENOTEMPTY)
	}
	eitherA, eitherB := a.begin(left), b.begin(moved)
	_, err := o.c.Rename(ctx, &fop.RenameReq{Req: req(), OldParent: from.dir, OldName: from.name, NewParent: to.dir, NewName: to.name})
	if err != nil {
		a.end(eitherA)
		b.end(eitherB)
		return what, refusal(err, right)
	}
	replaced := func(g fop.GFID) bool { full, _ := o.names.emptiness(g); return !full }
	if dir && !slices.ContainsFunc(b.now(), replaced) {
		return what, violation("it was acknowledged, but the target is a directory that is not empty")
	}
	a.end(left)
	b.end(moved)
	return what, nil
}

func (o *owner) link() (say, error) {
	from, ok := pick(o.rng, o.mine(fop.TypeReg))
	if !ok {
		return say{}, nil
	}
	in, to := o.at(from), o.somewhere(false)
	if !certain(in, now()) {
		return say{}, nil // a file that is open may be linked though it has lost its last name
	}
	return says("link %s as %v", short(in.gfid), to), o.names.at(to).do(adding(in), func() error {
		_, err := o.c.Link(ctx, &fop.LinkReq{Req: req(), GFID: in.gfid, Parent: to.dir, Name: to.name})
		return err
	})
}

// certain reports whether some name has been the inode's for sure since p.
func certain(in *inode, since point) bool {
	o := in.owner
	for _, p := range o.names.places() {
		if o.names.at(p).always(in.gfid, since) {
			return true
		}
	}
	return false
}

// excuse lets the errors pass that come of the inode's being gone, or perhaps not made.
func excuse(in *inode, since point, err error) error {
	switch e := fop.Errno(err); e {
	case 0, syscall.ENOTCONN, syscall.EIO, syscall.ENOSPC:
	case syscall.ENOENT, syscall.ESTALE, syscall.EBADFD:
		if !certain(in, since) {
			return nil
		}
		return violation("%v, but %v has a name", e, short(in.gfid))
	default:
		return violation("%v on %s", e, short(in.gfid))
	}
	return err
}

func (o *owner) open() (say, error) {
	p, ok := pick(o.rng, o.mine(fop.TypeReg))
	if !ok || len(o.files) > 4 {
		return say{}, nil
	}
	f := &openFile{in: o.at(p), append: o.rng.IntN(3) == 0}
	flags := uint32(syscall.O_RDWR)
	if f.append {
		flags |= syscall.O_APPEND
	}
	r, err := o.c.Open(ctx, &fop.OpenReq{Req: req(), GFID: f.in.gfid, Flags: flags})
	if err == nil {
		f.File = r.File
		o.files = append(o.files, f)
	}
	return says("open %s", short(f.in.gfid)), excuse(f.in, now(), err)
}

func (o *owner) closeOne() (say, error) {
	if len(o.files) == 0 {
		return say{}, nil
	}
	i := o.rng.IntN(len(o.files))
	f := o.files[i]
	o.files = slices.Delete(o.files, i, i+1)
	return says("close %s", short(f.in.gfid)), f.Close()
}

// stamp is text that no other write has.
func (o *owner) stamp() string { return fmt.Sprintf("<%d.%d>", o.id, o.n) }

func (o *owner) write() (say, error) {
	f, ok := pick(o.rng, o.files)
	if !ok || f.in.data.frozen() {
		return say{}, nil
	}
	off, text := o.rng.IntN(40), o.stamp()
	what := says("write %s at %d: %s", short(f.in.gfid), off, text)
	if f.append {
		what = says("append %s: %s", short(f.in.gfid), text)
	}
	return what, o.changed(f.in, func(d string) (string, syscall.Errno) {
		if f.append {
			return d + text, 0
		}
		return written(d, off, text), 0
	}, func() error {
		r, err := f.Writev(ctx, &fop.WritevReq{Req: req(), Off: int64(off), Data: []byte(text)})
		if err == nil && r.N != len(text) {
			return violation("wrote %d of %d bytes", r.N, len(text))
		}
		return err
	})
}

// changed runs a change of data.
func (o *owner) changed(in *inode, c change[string], op func() error) error {
	return changedIn(in, in.data, c, op)
}

// changedIn runs a change of an inode; one that may be gone may answer so.
func changedIn[S comparable](in *inode, h *history[S], c change[S], op func() error) error {
	var gone error
	err := h.do(c, func() error {
		err := op()
		switch excused := excuse(in, now(), err); {
		case excused == nil && err != nil:
			gone = err
			return syscall.ENOTCONN
		default:
			return excused
		}
	})
	if gone != nil {
		return nil
	}
	return err
}

func (o *owner) truncate() (say, error) {
	p, ok := pick(o.rng, o.mine(fop.TypeReg))
	if !ok {
		return say{}, nil
	}
	in, size := o.at(p), o.rng.IntN(60)
	if in.data.frozen() {
		return say{}, nil
	}
	return says("truncate %s to %d", short(in.gfid), size), o.changed(in, func(d string) (string, syscall.Errno) {
		return truncated(d, size), 0
	}, func() error {
		_, err := o.c.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: in.gfid, Size: uint64(size)})
		return err
	})
}

// changedAttrs is changed for attributes.
func (o *owner) changedAttrs(in *inode, c change[attrs], op func() error) error {
	return changedIn(in, in.attrs, c, op)
}

func (o *owner) setattr() (say, error) {
	in := o.own()
	if in == nil || in.attrs.frozen() {
		return say{}, nil
	}
	mode := uint32(o.rng.IntN(0o777))
	return says("setattr %s mode %o", short(in.gfid), mode), o.changedAttrs(in, func(a attrs) (attrs, syscall.Errno) {
		a.mode = mode
		return a, 0
	}, func() error {
		_, err := o.c.Setattr(ctx, &fop.SetattrReq{Req: req(), GFID: in.gfid, Valid: fop.SetMode, Mode: mode})
		return err
	})
}

func (o *owner) setxattr() (say, error) {
	in := o.own()
	if in == nil || in.attrs.frozen() {
		return say{}, nil
	}
	v := o.stamp()
	return says("setxattr %s %s", short(in.gfid), v), o.changedAttrs(in, func(a attrs) (attrs, syscall.Errno) {
		a.xattr = v
		return a, 0
	}, func() error {
		_, err := o.c.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: in.gfid, Xattrs: []fop.Xattr{{Name: "user.x", Value: []byte(v)}}})
		return err
	})
}

// own returns an inode of this owner's that may be there, or nil.
func (o *owner) own() *inode {
	if len(o.files) > 0 && o.rng.IntN(2) == 0 {
		f, _ := pick(o.rng, o.files)
		return f.in
	}
	t := fop.TypeReg
	if o.rng.IntN(6) == 0 {
		t = fop.TypeDir
	}
	p, ok := pick(o.rng, o.mine(t))
	if !ok {
		return nil
	}
	return o.at(p)
}

func (o *owner) anybodys() *inode {
	x, _ := pick(o.rng, o.s.owners)
	p, ok := pick(o.rng, x.mine(fop.TypeReg))
	if !ok {
		return nil
	}
	return x.at(p)
}

// since is from when on a state of another owner's things may be seen.
func (o *owner) since(x *owner) point {
	if x.c == o.c {
		return now()
	}
	return point{at: time.Now().Add(-freshFor)}
}

// read reads a whole file, through a file that is open or one opened for it.
func (o *owner) read(in *inode) (say, error) {
	if in == nil || in.typ != fop.TypeReg {
		return say{}, nil
	}
	what := says("read %s", short(in.gfid))
	since := o.since(in.owner)
	i := slices.IndexFunc(o.files, func(f *openFile) bool { return f.in == in })
	var f xlator.File
	if i >= 0 && o.rng.IntN(2) == 0 {
		f = o.files[i]
	} else {
		r, err := o.c.Open(ctx, &fop.OpenReq{Req: req(), GFID: in.gfid})
		if err != nil {
			return what, excuse(in, since, err)
		}
		defer r.File.Close()
		f = r.File
		since = o.since(in.owner)
	}
	buf := make([]byte, 4096)
	r, err := f.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
	if err != nil {
		return what, excuse(in, since, err)
	}
	got := string(buf[:r.N])
	may := in.data.since(since)
	if !slices.Contains(may, got) && (in.owner.c == o.c || !mixed(got, may)) {
		return what, violation("read %q of %s, want one of %q", got, short(in.gfid), may)
	}
	return says("read %s = %s", short(in.gfid), got), nil
}

// mixed reports whether every byte, and the length, is from some possibility. A copy that
// has missed one change takes the next ones, so that within freshFor another client may
// see the later without the earlier.
func mixed(got string, may []string) bool {
	if !slices.ContainsFunc(may, func(m string) bool { return len(m) == len(got) }) {
		return false
	}
	for i := range len(got) {
		if !slices.ContainsFunc(may, func(m string) bool { return i < len(m) && m[i] == got[i] }) {
			return false
		}
	}
	return true
}

func (o *owner) stat() (say, error) {
	in := o.own()
	if o.rng.IntN(2) == 0 {
		in = o.anybodys()
	}
	if in == nil {
		return say{}, nil
	}
	what, since := says("stat %s", short(in.gfid)), o.since(in.owner)
	r, err := o.c.Stat(ctx, &fop.StatReq{Req: req(), GFID: in.gfid})
	if err != nil {
		return what, excuse(in, since, err)
	}
	if in.typ == fop.TypeReg && !slices.ContainsFunc(in.data.since(since), func(d string) bool { return len(d) == int(r.Iatt.Size) }) {
		return what, violation("size is %d, want that of one of %q", r.Iatt.Size, in.data.since(since))
	}
	if !slices.ContainsFunc(in.attrs.since(since), func(a attrs) bool { return a.mode == r.Iatt.Mode }) {
		return what, violation("mode is %o, want one of %v", r.Iatt.Mode, in.attrs.since(since))
	}
	return what, nil
}

// lookup looks at a name of anybody's, which may or may not be there.
func (o *owner) lookup() (say, error) {
	x, _ := pick(o.rng, o.s.owners)
	p := place{o.s.shared[o.rng.IntN(len(o.s.shared))], fmt.Sprintf("o%d.f%d", x.id, o.rng.IntN(3))}
	if q, ok := pick(o.rng, x.mine(fop.TypeReg)); ok && o.rng.IntN(2) == 0 {
		p = q
	}
	since := o.since(x)
	r, err := o.c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: p.dir, Name: p.name})
	what := says("lookup %v", p)
	return what, x.seen(p, since, r, err, o.s)
}

// seen checks what a lookup of one of the owner's names said.
func (o *owner) seen(p place, since point, r *fop.LookupReply, err error, s *sim) error {
	may := o.names.at(p).since(since)
	got := none
	switch e := fop.Errno(err); e {
	case 0:
		got = r.Iatt.GFID
	case syscall.ENOENT:
	case syscall.ESTALE:
		if s.hasDir(p.dir, since) {
			return violation("%v", e)
		}
	case syscall.ENOTCONN, syscall.EIO:
		return err
	default:
		return violation("%v", e)
	}
	if !slices.Contains(may, got) {
		return violation("%v is %s, want one of %v", p, short(got), shorts(may))
	}
	return nil
}

// list lists a shared directory in small pieces and checks the owner's own names.
func (o *owner) list() (say, error) {
	d, _ := pick(o.rng, o.s.shared)
	what := says("list %s", short(d))
	got, err := listAll(o.c, d, fmt.Sprintf("o%d.", o.id), func() { time.Sleep(time.Duration(o.rng.IntN(int(100 * time.Millisecond)))) })
	if err != nil {
		return what, err
	}
	return what, o.listed(d, got)
}

// listAll lists a directory. Names that begin with still, which nobody changes meanwhile,
// may not be listed twice; others may, if they were made anew.
func listAll(x xlator.Xlator, d fop.GFID, still string, between func()) (map[string]fop.GFID, error) {
	r, err := x.Opendir(ctx, &fop.OpendirReq{Req: req(), GFID: d})
	if err != nil {
		return nil, err
	}
	defer r.Dir.Close()
	got := map[string]fop.GFID{}
	for off := uint64(0); ; {
		l, err := r.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: req(), Off: off, Size: 150})
		if err != nil {
			return nil, err
		}
		for _, e := range l.Entries {
			if _, twice := got[e.Name]; twice && strings.HasPrefix(e.Name, still) {
				return nil, violation("%s is listed twice", e.Name)
			}
			got[e.Name], off = e.Iatt.GFID, e.Off
		}
		if l.EOF {
			return got, nil
		}
		if len(l.Entries) == 0 {
			return nil, violation("a listing goes on without entries")
		}
		between()
	}
}

// listed checks the owner's names in a directory. (Pieces of a listing may come from
// different bricks; each name is judged alone.)
func (o *owner) listed(d fop.GFID, got map[string]fop.GFID) error {
	known := map[string]bool{}
	for _, p := range o.names.places() {
		if p.dir != d {
			continue
		}
		known[p.name] = true
		if may := o.names.at(p).now(); !slices.Contains(may, got[p.name]) {
			return violation("%v is listed as %s, want one of %v", p, short(got[p.name]), shorts(may))
		}
	}
	for name := range got {
		if strings.HasPrefix(name, fmt.Sprintf("o%d.", o.id)) && !known[name] {
			return violation("%s in %s is listed, but was never there", name, short(d))
		}
	}
	return nil
}
