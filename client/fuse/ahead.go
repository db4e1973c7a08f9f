package fuse

import (
	"sync"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// A program that looks up several names of a directory one after the other will go on
// with the others. So after a few lookups a part of the directory is listed on the side,
// with attributes, and later lookups are answered from that.
//
// Such an answer is what a lookup would have got when the listing was asked for, and the
// kernel may keep it for as much less: it is never older than AttrTimeout and
// EntryTimeout allow. What this mount itself changed since is not answered: of names,
// forget keeps track; of attributes, node.changes; nor is the kernel told what is older
// than what it was told before. Only names that exist are answered
// for, and not directories or inodes with several names, which change through others.

const (
	// aheadAfter is how many lookups in a directory, within aheadWithin, make one look
	// ahead; if what was found that way is not used, it takes ever more, up to aheadNever.
	aheadAfter  = 4
	aheadNever  = 4096
	aheadWithin = time.Second
	// aheadSize is how much is listed at first, in bytes as in ReaddirpReq.Size; while it
	// is used it grows to readdirSize.
	aheadSize = 16 << 10
)

// lookAhead is what is known of a directory's names.
type lookAhead struct {
	mu      sync.Mutex
	asked   int       // lookups that had to ask since began
	began   time.Time // guarded by mu, like all that follows
	after   int       // how many lookups it takes; 0: aheadAfter
	size    int       // of the next listing; 0: aheadSize
	off     uint64    // where the next listing begins
	names   map[string]foundAhead
	taken   int // of names, how many were used since the last listing
	listed  int // how many names the last listing had
	listing bool
	touched map[string]struct{} // while listing: names changed meanwhile
}

// foundAhead is what a listing said of a name.
type foundAhead struct {
	iatt  fop.Iatt
	asked time.Time // when the listing began
	clock uint64    // nodeTable.clock then
}

// forget is called before and after name is changed.
func (a *lookAhead) forget(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.names, name)
	if a.listing {
		a.touched[name] = struct{}{}
	}
}

// take returns what is known of name, once: the kernel keeps it.
func (a *lookAhead) take(name string) (foundAhead, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.names[name]
	if ok {
		delete(a.names, name)
		a.taken++
	}
	return f, ok
}

// miss counts a lookup that had to ask, and reports whether to list now, at which offset
// and how much. The caller lists and calls add.
func (a *lookAhead) miss(now time.Time) (off uint64, size int, list bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.began) > aheadWithin {
		a.asked, a.began = 0, now
	}
	a.asked++
	if a.listing || a.asked < max(a.after, aheadAfter) {
		return 0, 0, false
	}
	a.judge()
	a.asked = 0
	a.listing, a.touched = true, map[string]struct{}{}
	return a.off, a.size, true
}

// judge adapts to how much of the last listing was used. mu is held.
func (a *lookAhead) judge() {
	switch {
	case a.listed == 0:
		a.size = max(a.size, aheadSize)
	case a.taken >= a.listed/2:
		a.after, a.size = aheadAfter, min(2*a.size, readdirSize)
	case a.taken < a.listed/4:
		a.after, a.size, a.off = min(2*max(a.after, aheadAfter), aheadNever), aheadSize, 0
	}
	a.taken, a.listed = 0, 0
}

// add ends a listing. r is nil if it failed.
func (a *lookAhead) add(r *fop.ReaddirpReply, asked time.Time, clock uint64, keep time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	touched := a.touched
	a.listing, a.touched = false, nil
	if r == nil {
		a.after = min(2*max(a.after, aheadAfter), aheadNever)
		return
	}
	a.expire(asked.Add(-keep))
	if a.names == nil {
		a.names = make(map[string]foundAhead, len(r.Entries))
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		a.off = e.Off
		_, changed := touched[e.Name]
		if changed || !e.Iatt.Known() || e.Iatt.IsDir() || e.Iatt.Nlink != 1 {
			continue
		}
		a.names[e.Name] = foundAhead{e.Iatt, asked, clock}
	}
	if a.listed = len(r.Entries); r.EOF || a.listed == 0 {
		a.off = 0
	}
}

// expire drops what was asked for before t and reports whether anything is left. mu is
// held.
func (a *lookAhead) expire(t time.Time) bool {
	for name, f := range a.names {
		if f.asked.Before(t) {
			delete(a.names, name)
		}
	}
	if len(a.names) == 0 {
		a.names = nil
	}
	return a.names != nil
}

// aheadKeep is how old a listing may be that lookups are answered from: so that the
// kernel can keep the answer for as long again. 0: there is no looking ahead.
func (b *Bridge) aheadKeep() time.Duration {
	if b.noReaddirplus {
		return 0
	}
	return min(b.opts.AttrTimeout, b.opts.EntryTimeout) / 2
}

// lookupAhead answers a lookup from a listing, if one can.
func (b *Bridge) lookupAhead(dir *node, name string, out *gofuse.EntryOut) bool {
	f, ok := dir.ahead.take(name)
	if !ok {
		return false
	}
	age := time.Since(f.asked)
	if age > b.aheadKeep() || !b.nodes.unchanged(f.iatt.GFID, f.clock, f.asked) {
		return false
	}
	b.entryOut(&f.iatt, age, out)
	return true
}

// lookAhead is called when a lookup in dir had to ask, and found a file.
func (b *Bridge) lookAhead(dir *node, q fop.Req) {
	keep := b.aheadKeep()
	if keep <= 0 {
		return
	}
	now := time.Now()
	off, size, list := dir.ahead.miss(now)
	if !list {
		return
	}
	clock := b.nodes.clock.Load()
	b.lists.Go(func() {
		dir.ahead.add(b.listAhead(dir, q, off, size), now, clock, keep)
		b.aheads.add(dir)
	})
}

// listAhead lists part of a directory; nil if it cannot.
func (b *Bridge) listAhead(dir *node, q fop.Req, off uint64, size int) *fop.ReaddirpReply {
	d, err := b.top.Opendir(background, &fop.OpendirReq{Req: q, GFID: dir.gfid})
	if err != nil {
		return nil
	}
	defer d.Dir.Close()
	r, err := d.Dir.Readdirp(background, &fop.ReaddirpReq{Req: q, Off: off, Size: size, Plus: true})
	if err != nil {
		return nil
	}
	return r
}

// aheadSet holds the directories that names are known of, so that these do not stay when
// nobody asks any more.
type aheadSet struct {
	mu   sync.Mutex
	dirs map[*node]struct{} // guarded by mu
}

func (s *aheadSet) add(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[n] = struct{}{}
}

// expire drops what was asked for before t. The locks are nested, or a directory could get
// names between the look at them and its leaving the set.
func (s *aheadSet) expire(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.dirs {
		n.ahead.mu.Lock()
		if !n.ahead.expire(t) {
			delete(s.dirs, n)
		}
		n.ahead.mu.Unlock()
	}
}
