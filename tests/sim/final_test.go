package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// A copy is what one brick has of an inode.
type copied struct {
	iatt    fop.Iatt
	xattr   string
	data    string
	names   map[string]fop.GFID // directories
	dirty   changelog.Counters
	pending []changelog.Counters // against each brick
}

// finish ends the run: nobody works any more, all bricks are there. It checks what
// clients see and what bricks hold.
func (s *sim) finish() {
	time.Sleep(5 * time.Second)
	for _, c := range s.clients {
		if err := c.Close(); err != nil {
			s.fail("client %d: Close: %v", c.id, err)
		}
	}
	if s.hasFailed() {
		return
	}
	s.checkLocks()
	s.checkBricks()
	c := s.connect(900)
	s.checkView(c)
	time.Sleep(5 * time.Second)
	c.Close()
	s.checkLocks()
	if !s.hasFailed() {
		s.heal()
	}
}

// checkLocks tries each lock as a stranger.
func (s *sim) checkLocks() {
	gfids := slices.Clone(s.shared)
	for _, in := range s.all() {
		gfids = append(gfids, in.gfid)
	}
	r := fop.Req{Caller: &fop.Caller{Client: 9999}}
	for i, b := range s.bricks {
		for _, g := range gfids {
			for _, cmd := range []fop.LockCmd{fop.LockTry, fop.LockUnlock} {
				if _, err := b.Inodelk(ctx, &fop.InodelkReq{Req: r, GFID: g, Domain: "v-replicate-0", Owner: 1, Cmd: cmd, Type: fop.LkWrite}); err != nil {
					s.fail("somebody still holds the inodelk of %s on brick %d: %v", short(g), i, err)
					break
				}
			}
			for _, cmd := range []fop.LockCmd{fop.LockTry, fop.LockUnlock} {
				if _, err := b.Entrylk(ctx, &fop.EntrylkReq{Req: r, GFID: g, Domain: "v-replicate-0", Owner: 1, Cmd: cmd}); err != nil {
					s.fail("somebody still holds an entrylk of %s on brick %d: %v", short(g), i, err)
					break
				}
			}
		}
	}
}

// copyOf reads an inode from a brick; nil: it is not there.
func (s *sim) copyOf(i int, g fop.GFID) *copied {
	b := s.bricks[i].journal.inodes
	l, err := b.Lookup(ctx, &fop.LookupReq{Req: req(), GFID: g})
	if err != nil {
		return nil
	}
	c := &copied{iatt: l.Iatt, pending: make([]changelog.Counters, len(s.bricks))}
	x, err := b.Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: g, Internal: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range x.Xattrs {
		switch n, ok := strings.CutPrefix(x.Name, "trusted.afr.v-client-"); {
		case ok:
			c.pending[n[0]-'0'], _ = changelog.Parse(x.Value)
		case x.Name == changelog.DirtyKey:
			c.dirty, _ = changelog.Parse(x.Value)
		case x.Name == "user.x":
			c.xattr = string(x.Value)
		}
	}
	switch l.Iatt.Type {
	case fop.TypeDir:
		if c.names, err = listAll(b, g, "", func() {}); err != nil {
			s.t.Fatal(err)
		}
	case fop.TypeReg:
		f, err := b.Open(ctx, &fop.OpenReq{Req: req(), GFID: g})
		if err != nil {
			s.t.Fatal(err)
		}
		buf := make([]byte, 4096)
		r, err := f.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
		if err != nil {
			s.t.Fatal(err)
		}
		f.File.Close()
		c.data = string(buf[:r.N])
	}
	return c
}

// show logs what the bricks have of an inode.
func (s *sim) show(g fop.GFID) {
	for i := range s.bricks {
		s.logf("brick %d: %s = %v", i, short(g), s.copyOf(i, g))
	}
}

func (c *copied) String() string {
	if c == nil {
		return "none"
	}
	var names []string
	for n, g := range c.names {
		names = append(names, fmt.Sprint(n, "=", short(g)))
	}
	slices.Sort(names)
	return fmt.Sprintf("%q %o %q names %v dirty %v pending %v", c.data, c.iatt.Mode, c.xattr, names, c.dirty, c.pending)
}

// checkBricks walks from the root through what may be read.
func (s *sim) checkBricks() {
	seen := map[fop.GFID]bool{}
	todo := []fop.GFID{fop.RootGFID}
	anywhere := map[fop.GFID]bool{} // named on some brick
	for len(todo) > 0 {
		g := todo[0]
		if todo = todo[1:]; seen[g] {
			continue
		}
		seen[g] = true
		todo = append(todo, s.checkInode(g, anywhere)...)
	}
	for _, in := range s.all() {
		if anywhere[in.gfid] || seen[in.gfid] {
			continue
		}
		for i := range s.bricks {
			if c := s.copyOf(i, in.gfid); c != nil && in.typ == fop.TypeReg && s.linksOn(i, in.gfid) == 0 {
				s.fail("brick %d keeps %s, which has no name and which nobody has open: %v", i, short(in.gfid), c)
			}
		}
	}
}

// linksOn is how many names a file has on a brick.
func (s *sim) linksOn(i int, g fop.GFID) uint32 {
	if c := s.copyOf(i, g); c != nil {
		return c.iatt.Nlink
	}
	return 0
}

// quorum reports whether this kind of set has one.
func (s *sim) quorum() bool { return len(s.bricks) > 2 }

// checkInode checks all copies of an inode, and returns what a directory leads to.
func (s *sim) checkInode(g fop.GFID, anywhere map[fop.GFID]bool) []fop.GFID {
	m := changelog.Matrix{N: len(s.bricks), Quorum: changelog.Quorum{N: len(s.bricks)}}
	if s.quorum() {
		m.Quorum.Type = changelog.QuorumAuto
	}
	if s.conf.arbiter {
		m.Stores = changelog.All(2)
	}
	copies := make([]*copied, len(s.bricks))
	for i := range s.bricks {
		if copies[i] = s.copyOf(i, g); copies[i] == nil {
			continue
		}
		m.Replied |= changelog.Of(i)
		m.Dirty[i] = copies[i].dirty
		copy(m.Pending[i][:], copies[i].pending)
		for _, h := range copies[i].names {
			anywhere[h] = true
		}
	}
	in := s.inode(g)
	report := func(format string, args ...any) {
		s.show(g)
		s.fail("%s: %s", short(g), fmt.Sprintf(format, args...))
	}
	stores := m.Replied
	if s.conf.arbiter {
		stores &^= changelog.Of(len(s.bricks) - 1)
	}
	for _, k := range []changelog.Class{changelog.Data, changelog.Metadata} {
		if s.quorum() && m.Replied != 0 && m.Readable(k) == 0 {
			report("split-brain of %v", k)
		}
	}
	if in != nil && in.typ == fop.TypeReg && certain(in, now()) && s.quorum() && m.Readable(changelog.Data)&stores == 0 {
		report("no brick that stores data is good")
	}
	var next []fop.GFID
	for i := range m.Replied.Each {
		c := copies[i]
		if s.calm && (!c.dirty.IsZero() || slices.ContainsFunc(c.pending, func(p changelog.Counters) bool { return !p.IsZero() })) {
			report("brick %d has marks after a calm run", i)
		}
		for j := range m.Replied.Each {
			s.checkPair(copies, i, j, &m, stores, report)
		}
		sure := in != nil && certain(in, now()) // else the copies that knew who is bad may be gone
		if sure && m.Readable(changelog.Data)&stores&changelog.Of(i) != 0 && in.typ == fop.TypeReg && !slices.Contains(in.data.now(), c.data) {
			report("brick %d is not accused and holds %q, want one of %q", i, c.data, in.data.now())
		}
		if sure && m.Readable(changelog.Metadata).Has(i) && !slices.Contains(in.attrs.now(), attrs{c.iatt.Mode, c.xattr}) {
			report("brick %d is not accused and holds attributes %o %q, want one of %v", i, c.iatt.Mode, c.xattr, in.attrs.now())
		}
		if c.names == nil || !m.Readable(changelog.Entry).Has(i) {
			continue
		}
		for _, h := range c.names {
			next = append(next, h)
		}
		if !s.hasDir(g, now()) {
			continue // the copies that knew who is bad may be gone
		}
		for _, o := range s.owners {
			if err := o.listed(g, c.names); err != nil {
				report("brick %d is not accused: %v", i, err)
			}
		}
	}
	return next
}

// checkPair checks that a difference between two copies is explained.
func (s *sim) checkPair(copies []*copied, i, j int, m *changelog.Matrix, stores changelog.Set, report func(string, ...any)) {
	if i >= j {
		return
	}
	a, b := copies[i], copies[j]
	both := changelog.Of(i) | changelog.Of(j)
	explained := func(k changelog.Class) bool {
		for n := range m.Replied.Each {
			if m.Dirty[n][k] != 0 {
				return true
			}
		}
		return m.Accused(k)&both != 0
	}
	if stores&both == both && a.data != b.data && !explained(changelog.Data) {
		report("bricks %d and %d differ in data, and no mark says so", i, j)
	}
	if (a.iatt.Mode != b.iatt.Mode || a.xattr != b.xattr) && !explained(changelog.Metadata) {
		report("bricks %d and %d differ in attributes, and no mark says so", i, j)
	}
	if !explained(changelog.Entry) {
		for name, g := range a.names {
			if b.names[name] != g {
				report("bricks %d and %d differ in %s, and no mark says so", i, j, name)
			}
		}
		for name, g := range b.names {
			if a.names[name] != g {
				report("bricks %d and %d differ in %s, and no mark says so", i, j, name)
			}
		}
	}
}

// checkView looks at everything through a fresh client.
func (s *sim) checkView(c *client) {
	s.checkShared(c)
	for _, o := range s.owners {
		for _, p := range o.names.places() {
			if !s.quorum() && !s.hasDir(p.dir, now()) {
				continue // of two copies, the one that is left tells
			}
			r, err := c.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: p.dir, Name: p.name})
			if err := o.seen(p, now(), r, err, s); err != nil && (isViolation(err) || o.certainOf(p)) {
				s.show(p.dir)
				for _, g := range o.names.at(p).now() {
					s.show(g)
				}
				s.fail("at the end, lookup of %v: %v", p, err)
			}
			if err == nil {
				s.checkFile(c, s.inode(r.Iatt.GFID))
			}
		}
	}
	for _, d := range s.shared {
		got, err := listAll(c, d, "", func() {})
		if err != nil {
			s.fail("at the end, listing %s: %v", short(d), err)
			continue
		}
		for _, o := range s.owners {
			if err := o.listed(d, got); err != nil {
				s.fail("at the end: %v", err)
			}
		}
	}
}

// certainOf reports whether there is one possibility for a place. If not, an unlink that
// was not acknowledged may have removed the only good copy, or two creations that were
// not may have left two files: then an error is the right answer.
func (o *owner) certainOf(p place) bool {
	return len(o.names.at(p).now()) == 1 && o.s.hasDir(p.dir, now())
}

func (s *sim) checkFile(c *client, in *inode) {
	if in.typ != fop.TypeReg {
		return
	}
	r, err := c.Open(ctx, &fop.OpenReq{Req: req(), GFID: in.gfid})
	if err != nil {
		if certain(in, now()) {
			s.fail("at the end, open of %s: %v", short(in.gfid), err)
		}
		return
	}
	defer r.File.Close()
	buf := make([]byte, 4096)
	a, err := r.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
	switch {
	case err != nil && certain(in, now()):
		s.fail("at the end, read of %s: %v", short(in.gfid), err)
	case err == nil && !slices.Contains(in.data.now(), string(buf[:a.N])):
		s.fail("at the end, %s reads %q, want one of %q", short(in.gfid), buf[:a.N], in.data.now())
	}
}
