package index

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// maxKnown bounds the links that a set remembers.
const maxKnown = 1 << 20

// linkSet is the directory of one Set.
type linkSet struct {
	prefix string // of the xattrs that are watched

	mu   sync.Mutex // guards all below, and the directory's content
	base base
	// known are links that are there; all of them if complete.
	known    map[fop.GFID]accused
	complete bool
	busy     map[fop.GFID]*changes // inodes whose xattrs are being changed
	accusations
}

// changes are the changes of one inode that are under way.
type changes struct {
	n          int    // how many
	began      uint64 // how many ever began since n was last 0
	overlapped bool   // at some time n was more than 1
	added      bool   // the link was made by one of them
}

func newLinkSet(root, name, uuid, prefix string) (*linkSet, error) {
	s := &linkSet{prefix: prefix, known: map[fop.GFID]accused{}, complete: true, busy: map[fop.GFID]*changes{}}
	if err := s.base.open(root+"/"+name, name+"-", uuid); err != nil {
		return nil, err
	}
	err := s.base.each(func(entry string) {
		if g, err := fop.ParseGFID(entry); err == nil {
			s.know(g, somebody)
		}
	})
	if err != nil {
		unix.Close(s.base.dir)
		return nil, err
	}
	return s, nil
}

func (s *linkSet) know(g fop.GFID, a accused) {
	if len(s.known) >= maxKnown {
		s.complete = false
		return
	}
	s.accuse(g, a)
}

// touches reports whether one of xs is watched.
func (s *linkSet) touches(xs []fop.Xattr) bool {
	for i := range xs {
		if watched(xs[i].Name, s.prefix) {
			return true
		}
	}
	return false
}

// changes reports whether one of xs is watched and not zero.
func (s *linkSet) changes(xs []fop.Xattr) bool {
	for i := range xs {
		if watched(xs[i].Name, s.prefix) && !zero(xs[i].Value) {
			return true
		}
	}
	return false
}

// zeros reports whether those of xs that are watched are counters, and zero.
func (s *linkSet) zeros(xs []fop.Xattr) bool {
	for i := range xs {
		if watched(xs[i].Name, s.prefix) && (!zero(xs[i].Value) || len(xs[i].Value) != counterSize) {
			return false
		}
	}
	return true
}

// begin says that watched xattrs of g are about to be changed by deltas, or, if these are
// zero, read.
func (s *linkSet) begin(g fop.GFID, deltas []fop.Xattr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	added, link := false, s.changes(deltas)
	if _, ok := s.known[g]; link && !ok {
		var others accused
		switch err := s.base.link(s.base.dir, g.String()); err {
		case nil:
			added = true
		case unix.EEXIST:
			others = somebody
		default:
			return fmt.Errorf("add %s to the index: %w", g, err)
		}
		s.know(g, others)
	}
	if link {
		s.see(g, deltas, false)
	}
	c := s.busy[g]
	if c == nil {
		c = &changes{}
		s.busy[g] = c
	}
	c.n++
	c.began++
	c.overlapped = c.overlapped || c.n > 1
	c.added = c.added || added
	return nil
}

// A verdict is what a change that returned knows about the inode's watched xattrs.
type verdict struct {
	zero bool // it saw zeros
	all  bool // there can be no others than those that it saw
	// values are what it saw; nil: it does not know.
	values []fop.Xattr
	// read asks the child whether all are zero; nil: nobody may ask.
	read func() (bool, error)
}

// end says that a change of g returned. If no other is under way, it removes the link if
// it is not needed any more. If changes overlapped, what each saw proves nothing, and the
// last one reads, without the lock; a change that begins meanwhile is the next last one.
// An error leaves the link, which does no harm.
func (s *linkSet) end(g fop.GFID, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.busy[g]
	if !c.overlapped {
		s.see(g, v.values, true)
	}
	for c.n == 1 && (v.zero || c.overlapped) && v.read != nil && s.mayHave(g) {
		if v.zero && v.all && !c.overlapped {
			_ = s.unlink(g)
			break
		}
		began := c.began
		s.mu.Unlock()
		zero, err := v.read()
		s.mu.Lock()
		if c.began == began || err != nil {
			if zero && err == nil {
				_ = s.unlink(g)
			}
			break
		}
	}
	if c.n--; c.n == 0 {
		delete(s.busy, g)
	}
}

// count returns how many inodes are in the set; at least so many if there are more than
// maxKnown.
func (s *linkSet) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// mayHave reports whether g may have a link.
func (s *linkSet) mayHave(g fop.GFID) bool {
	_, known := s.known[g]
	return known || !s.complete
}

// abandon ends the change of an inode that was not made after all: the link that was
// made for it goes, if no other change relies on it.
func (s *linkSet) abandon(g fop.GFID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.busy[g]
	if c.added && !c.overlapped {
		_ = s.unlink(g) // a link too many does no harm
	}
	if c.n--; c.n == 0 {
		delete(s.busy, g)
	}
}

// unlink removes g's link. That it fails does no harm: the healer purges it.
func (s *linkSet) unlink(g fop.GFID) error {
	err := remove(s.base.dir, g.String())
	if err == nil || err == unix.ENOENT {
		s.accuse(g, 0)
		delete(s.known, g)
		return nil
	}
	return err
}

func (s *linkSet) purge(g fop.GFID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[g] != nil || !s.mayHave(g) {
		return nil
	}
	return s.unlink(g)
}

// list reads the directory, not memory: it may be long.
func (s *linkSet) list(ctx context.Context, cursor uint64, max int) (gfids []fop.GFID, next uint64, err error) {
	fd, err := unix.Openat(s.base.dir, ".", dirFlags, 0)
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(fd)
	if _, err := unix.Seek(fd, int64(cursor), 0); err != nil {
		return nil, 0, err
	}
	next, err = readNames(fd, func(name string, _ uint64) bool {
		if g, err := fop.ParseGFID(name); err == nil {
			gfids = append(gfids, g)
		}
		return len(gfids) < max && ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return gfids, next, err
}

// remove removes a link, or what somebody else put in its place, if that is no directory with
// something in it.
func remove(at int, name string) error {
	err := unix.Unlinkat(at, name, 0)
	if err == unix.EISDIR {
		err = unix.Unlinkat(at, name, unix.AT_REMOVEDIR)
	}
	return err
}

// entrySet is the directory entry-changes.
type entrySet struct {
	mu   sync.Mutex // held while its directories change
	base base
}

func newEntrySet(root, uuid string) (*entrySet, error) {
	e := &entrySet{}
	if err := e.base.open(root+"/entry-changes", "entry-changes-", uuid); err != nil {
		return nil, err
	}
	return e, nil
}

func checkNames(names []string) error {
	for _, n := range names {
		if n == "" || n == "." || n == ".." || strings.ContainsAny(n, "/\x00") {
			return unix.EINVAL
		}
	}
	return nil
}

// has reports whether names are recorded in the directory g.
func (e *entrySet) has(g fop.GFID) bool {
	var st unix.Stat_t
	return unix.Fstatat(e.base.dir, g.String(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// add records names in the directory g.
func (e *entrySet) add(g fop.GFID, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := checkNames(names); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	dir := g.String()
	if err := unix.Mkdirat(e.base.dir, dir, 0600); err != nil && err != unix.EEXIST {
		return fmt.Errorf("add names in %s to the index: %w", g, err)
	}
	fd, err := unix.Openat(e.base.dir, dir, dirFlags, 0)
	if err == unix.ENOTDIR || err == unix.ELOOP { // somebody else's
		if err = unix.Unlinkat(e.base.dir, dir, 0); err == nil {
			err = unix.Mkdirat(e.base.dir, dir, 0600)
		}
		if err == nil {
			fd, err = unix.Openat(e.base.dir, dir, dirFlags, 0)
		}
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, n := range names {
		if err := e.base.link(fd, n); err != nil && err != unix.EEXIST {
			return fmt.Errorf("add a name in %s to the index: %w", g, err)
		}
	}
	return nil
}

// remove forgets names in the directory g.
func (e *entrySet) remove(g fop.GFID, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := checkNames(names); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	dir := g.String()
	fd, err := unix.Openat(e.base.dir, dir, dirFlags, 0)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, n := range names {
		if err := remove(fd, n); err != nil && err != unix.ENOENT {
			return err
		}
	}
	err = unix.Unlinkat(e.base.dir, dir, unix.AT_REMOVEDIR)
	if err == unix.ENOTEMPTY || err == unix.EEXIST || err == unix.ENOENT {
		return nil
	}
	return err
}

// names returns the recorded names in the directory g.
func (e *entrySet) names(g fop.GFID) ([]string, error) {
	fd, err := e.open(g)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var out []string
	_, err = readNames(fd, func(name string, _ uint64) bool {
		out = append(out, name)
		return true
	})
	return out, err
}
