package afr

import (
	"context"
	"strings"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// Programs look for names before they make them. While this client has a directory's
// lease, nobody else makes names there; so after a few lookups in vain the names are
// listed once, and those that are neither listed nor touched by this client since are
// known not to exist. What is known goes with the lease.
//
// That the lease is held is only known as of the last answer of the bricks over the
// connections that it was taken on; so the set must be clean, which is asked twice a
// second, and all bricks must have the lease. A process that was stopped for a minute
// does not believe in locks that it has lost meanwhile.

const (
	// absentAfter is how many lookups in vain under one lease make list its names.
	absentAfter = 4
	// absentNames is how many names are listed at most; a larger directory is not known.
	absentNames = 4096
	absentRead  = 64 << 10 // bytes of names asked for at once
)

// absence is what a directory's lease knows about names. Guarded by slot.in.mu.
type absence struct {
	vain  int  // lookups in vain
	begun bool // listed, or being listed
	known bool // every name is in may
	// may are the names that may exist, from when the listing began; nil before, and when
	// there were too many.
	may map[string]struct{}
}

// knows reports whether name does not exist.
func (a *absence) knows(name string) bool {
	if !a.known {
		return false
	}
	_, may := a.may[name]
	return !may && len(name) <= 255 && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

func (a *absence) mayExist(name string) {
	if a.may != nil && name != "" {
		a.may[name] = struct{}{}
	}
}

// sure reports whether lease l is held by all bricks as far as can be known without
// asking. slot.in.mu is held.
func (l *lease) sure(r *replicate, st *state) bool {
	return l.slot != nil && l.slot.state == held && l.slot.lease == l && !l.stale(st) && l.live(st) == r.all()
}

// absent reports whether a name is known not to exist. The set must be clean.
func (r *replicate) absent(q *fop.LookupReq, st *state) bool {
	in := r.inodes.peek(q.Parent)
	if in == nil || q.Name == "" || q.Caller == nil || q.Caller.PID < 0 { // -1: gofs itself, who sees more names
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	l := in.names.lease
	return l != nil && l.sure(r, st) && l.absent.knows(q.Name)
}

// claim says that the names are about to be made or taken away under l, and returns those
// that are known not to exist now.
func (r *replicate) claim(l *lease, names []string) (absent []string) {
	if l.slot == nil {
		return nil
	}
	st, clean := r.state.Load(), r.clean.now()
	l.slot.in.mu.Lock()
	defer l.slot.in.mu.Unlock()
	for _, n := range names {
		if clean && l.sure(r, st) && l.absent.knows(n) {
			absent = append(absent, n)
		}
		l.absent.mayExist(n)
	}
	return absent
}

// lookedInVain counts a lookup of a name that does not exist, and has the directory's
// names listed if there were some.
func (r *replicate) lookedInVain(dir fop.GFID, st *state) {
	in := r.inodes.peek(dir)
	if in == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	l := in.names.lease
	if l == nil || !l.sure(r, st) {
		return
	}
	a := &l.absent
	if a.vain++; a.vain < absentAfter || a.begun {
		return
	}
	a.begun, a.may = true, map[string]struct{}{}
	for _, k := range l.slot.running {
		a.mayExist(k.name1)
		a.mayExist(k.name2)
	}
	i := r.prefer(dir, l.good[changelog.Entry]&l.live(st))
	r.inodes.get(dir) // so that the slot stays in the table
	r.keeper.spawn(func() {
		defer r.inodes.put(in)
		names, ok := r.listNames(dir, i)
		in.mu.Lock()
		defer in.mu.Unlock()
		if !ok || !l.sure(r, r.state.Load()) {
			a.may = nil
			return
		}
		for _, n := range names {
			a.mayExist(n)
		}
		a.known = true
	})
}

// listNames returns all names of a directory on child i. Not ok: it cannot be read, or
// has too many.
func (r *replicate) listNames(dir fop.GFID, i int) (names []string, ok bool) {
	if i < 0 {
		return nil, false
	}
	ctx := context.Background()
	req := fop.Req{Caller: &fop.Caller{PID: internalCaller.PID, Time: fop.TimeOf(time.Now())}}
	d, err := r.children[i].Opendir(ctx, &fop.OpendirReq{Req: req, GFID: dir})
	if err != nil {
		return nil, false
	}
	defer d.Dir.Close()
	for off := uint64(0); len(names) <= absentNames; {
		l, err := d.Dir.Readdirp(ctx, &fop.ReaddirpReq{Req: req, Off: off, Size: absentRead})
		if err != nil {
			return nil, false
		}
		for k := range l.Entries {
			names, off = append(names, l.Entries[k].Name), l.Entries[k].Off
		}
		if l.EOF || len(l.Entries) == 0 {
			return names, true
		}
	}
	return nil, false
}
