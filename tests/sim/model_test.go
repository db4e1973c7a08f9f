package sim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// A history is what one thing (a file's content, the names of one owner) may have been
// at each time. An operation that was not acknowledged may have happened or not, on any
// brick, so there are several possibilities; one that was acknowledged happened in all.
// Only one operation changes it at a time.
type history[S comparable] struct {
	mu  sync.Mutex
	cur []S // possibilities between operations
	log []moment[S]
}

// A moment is from when on which possibilities are.
type moment[S comparable] struct {
	point
	all []S
}

// A point is a point in time: by the clock, and by order, since much happens at once.
type point struct {
	at    time.Time
	order uint64 // 0: only the clock counts
}

// order counts what happened.
var order atomic.Uint64

func now() point { return point{time.Now(), order.Add(1)} }

// before reports whether p was before q, for sure.
func (p point) before(q point) bool {
	if q.order == 0 {
		return p.at.Before(q.at)
	}
	return p.order < q.order
}

// tooMany possibilities are not followed further: whoever changes the thing stops.
const tooMany = 48

func newHistory[S comparable](first ...S) *history[S] {
	h := &history[S]{cur: first}
	h.note(first)
	return h
}

func (h *history[S]) note(all []S) { h.log = append(h.log, moment[S]{now(), all}) }

// distinct drops what is there twice. There are few.
func distinct[S comparable](ss []S) []S {
	var out []S
	for _, s := range ss {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// A change makes a new possibility of one; or an errno, and nothing changes.
type change[S comparable] func(S) (S, syscall.Errno)

// apply returns what c makes of the possibilities in which it can happen.
func (h *history[S]) apply(c change[S]) []S {
	var out []S
	for _, s := range h.cur {
		if n, e := c(s); e == 0 {
			out = append(out, n)
		}
	}
	return distinct(out)
}

// begin notes that an operation runs which may lead to after.
func (h *history[S]) begin(after []S) (either []S) {
	h.mu.Lock()
	defer h.mu.Unlock()
	either = distinct(slices.Concat(h.cur, after))
	h.note(either)
	return either
}

// end notes what may be when it has returned.
func (h *history[S]) end(all []S) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cur = distinct(all)
	h.note(h.cur)
}

// do runs an operation that makes the change, and judges its answer. Errors in also are
// right as well as those of c.
func (h *history[S]) do(c change[S], op func() error, also ...syscall.Errno) error {
	cur := h.now()
	after := h.apply(c)
	either := h.begin(after)
	for _, s := range cur {
		if _, e := c(s); e != 0 {
			also = append(also, e)
		}
	}
	err := op()
	if err != nil {
		h.end(either)
		return refusal(err, also)
	}
	if len(after) == 0 {
		return violation("it was acknowledged, but could not happen in any of %d possibilities, of which the first is %v", len(cur), cur[0])
	}
	h.end(after)
	return nil
}

// refusal checks an error against those that the model expects.
func refusal(err error, right []syscall.Errno) error {
	e := fop.Errno(err)
	if e == syscall.ENOTCONN || e == syscall.EIO || e == syscall.ENOSPC || slices.Contains(right, e) || isViolation(err) {
		return err
	}
	return violation("the answer %q is none of %v", e, right)
}

func (h *history[S]) frozen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.cur) > tooMany
}

// now returns the possibilities between operations.
func (h *history[S]) now() []S {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cur
}

// since returns what may have been at some time from p until now.
func (h *history[S]) since(p point) []S {
	h.mu.Lock()
	defer h.mu.Unlock()
	return distinct(slices.Concat(h.from(p)...))
}

// from returns the possibilities of each moment from p until now; mu is held.
func (h *history[S]) from(p point) (all [][]S) {
	for i := len(h.log) - 1; i >= 0; i-- {
		all = append(all, h.log[i].all)
		if h.log[i].before(p) {
			break
		}
	}
	return all
}

// always reports whether it has been s, and nothing else, from p until now.
func (h *history[S]) always(s S, p point) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.log) - 1; i >= 0; i-- {
		for _, t := range h.log[i].all {
			if t != s {
				return false
			}
		}
		if h.log[i].before(p) {
			break
		}
	}
	return true
}

// violated is the error for a broken promise, as opposed to one that a fault explains.
type violated struct{ what string }

func (v *violated) Error() string { return v.what }

func isViolation(err error) bool {
	var v *violated
	return errors.As(err, &v)
}

func violation(format string, args ...any) error {
	return &violated{fmt.Sprintf(format, args...)}
}

// A place is a name in a directory.
type place struct {
	dir  fop.GFID
	name string
}

func (p place) String() string { return fmt.Sprintf("%s/%s", short(p.dir), p.name) }

// order sorts places as their strings would be.
func (p place) order(q place) int {
	if c := bytes.Compare(p.dir[10:], q.dir[10:]); c != 0 {
		return c
	}
	return strings.Compare(p.name, q.name)
}

// short is a GFID as it is shown: its last digits.
type short fop.GFID

func (s short) String() string { return fmt.Sprintf("%x", s[10:]) }

func shorts(gs []fop.GFID) (out []short) {
	for _, g := range gs {
		out = append(out, short(g))
	}
	return out
}

// none is what a name refers to that is not there.
var none fop.GFID

// names are the names of one owner: each is followed alone.
type names struct {
	mu     sync.Mutex
	m      map[place]*history[fop.GFID] // guarded by mu
	sorted []place                      // guarded by mu; replaced, never changed
}

func (n *names) at(p place) *history[fop.GFID] {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m[p] == nil {
		n.m[p] = newHistory(none)
		i, _ := slices.BinarySearchFunc(n.sorted, p, place.order)
		n.sorted = slices.Insert(slices.Clone(n.sorted), i, p)
	}
	return n.m[p]
}

// places lists all places that were ever used, in order.
func (n *names) places() []place {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sorted
}

// emptiness says what may be in a directory: something for sure, or perhaps.
func (n *names) emptiness(dir fop.GFID) (full, perhaps bool) {
	for _, p := range n.places() {
		if p.dir != dir {
			continue
		}
		now := n.at(p).now()
		some := slices.ContainsFunc(now, func(g fop.GFID) bool { return g != none })
		full = full || some && !slices.Contains(now, none)
		perhaps = perhaps || some
	}
	return full, perhaps
}

// attrs is what of a file's attributes the model follows.
type attrs struct {
	mode  uint32
	xattr string
}

func (a attrs) String() string { return fmt.Sprintf("%o %q", a.mode, a.xattr) }

// inode is what the model knows about a file or directory; its owner alone changes it.
type inode struct {
	gfid  fop.GFID
	typ   fop.FileType
	owner *owner
	data  *history[string]
	attrs *history[attrs]
}

func newInode(g fop.GFID, t fop.FileType, o *owner, mode uint32) *inode {
	return &inode{gfid: g, typ: t, owner: o, data: newHistory(""), attrs: newHistory(attrs{mode: mode})}
}

// written returns data with s at off.
func written(data string, off int, s string) string {
	b := []byte(data)
	for len(b) < off+len(s) {
		b = append(b, 0)
	}
	copy(b[off:], s)
	return string(b)
}

func truncated(data string, size int) string {
	if size <= len(data) {
		return data[:size]
	}
	return written(data, size, "")
}
