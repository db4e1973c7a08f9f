package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
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
type history[S any] struct {
	key func(S) string

	mu  sync.Mutex
	cur []S // possibilities between operations
	log []moment[S]
}

// A moment is from when on which possibilities are.
type moment[S any] struct {
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

func newHistory[S any](key func(S) string, first ...S) *history[S] {
	h := &history[S]{key: key, cur: first}
	h.note(first)
	return h
}

func (h *history[S]) note(all []S) { h.log = append(h.log, moment[S]{now(), all}) }

func (h *history[S]) distinct(ss []S) []S {
	seen := map[string]bool{}
	var out []S
	for _, s := range ss {
		if k := h.key(s); !seen[k] {
			seen[k] = true
			out = append(out, s)
		}
	}
	return out
}

// A change makes a new possibility of one; or an errno, and nothing changes.
type change[S any] func(S) (S, syscall.Errno)

// apply returns what c makes of the possibilities in which it can happen.
func (h *history[S]) apply(c change[S]) []S {
	var out []S
	for _, s := range h.cur {
		if n, e := c(s); e == 0 {
			out = append(out, n)
		}
	}
	return h.distinct(out)
}

// do runs an operation that makes the change, and judges its answer.
func (h *history[S]) do(c change[S], op func() error) error {
	h.mu.Lock()
	after := h.apply(c)
	refusable := map[syscall.Errno]bool{}
	for _, s := range h.cur {
		_, e := c(s)
		refusable[e] = true
	}
	either := h.distinct(slices.Concat(h.cur, after))
	h.note(either)
	h.mu.Unlock()
	err := op()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.cur = either
		switch e := fop.Errno(err); e {
		case syscall.ENOTCONN, syscall.EIO, syscall.ENOSPC:
		default:
			if !refusable[e] {
				return violation("answer %q fits none of the %d possibilities, of which the first is %q", e, len(either), h.key(either[0]))
			}
		}
		return err
	}
	if len(after) == 0 {
		return violation("it was acknowledged, but could happen in none of %d possibilities, of which the first is %q", len(h.cur), h.key(h.cur[0]))
	}
	h.cur = after
	h.note(after)
	return nil
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
	var out []S
	for i := len(h.log) - 1; i >= 0; i-- {
		out = append(out, h.log[i].all...)
		if h.log[i].before(p) {
			break
		}
	}
	return h.distinct(out)
}

// violated is the error for a broken promise, as opposed to one that a fault explains.
type violated struct{ what string }

func (v *violated) Error() string { return v.what }

func isViolation(err error) bool {
	var v *violated
	return errors.As(err, &v)
}

func violation(format string, args ...any) error { return &violated{fmt.Sprintf(format, args...)} }

// A place is a name in a directory.
type place struct {
	dir  fop.GFID
	name string
}

func (p place) String() string { return fmt.Sprintf("%s/%s", short(p.dir), p.name) }

func short(g fop.GFID) string { return g.String()[24:] }

// names are the names of one owner; never changed once made.
type names map[place]fop.GFID

func namesKey(n names) string {
	var out []string
	for p, g := range n {
		out = append(out, p.String()+"="+short(g))
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

// in keeps the names that are in one directory.
func (n names) in(dir fop.GFID) names {
	out := names{}
	for p, g := range n {
		if p.dir == dir {
			out[p] = g
		}
	}
	return out
}

func (n names) has(g fop.GFID) bool {
	for _, h := range n {
		if h == g {
			return true
		}
	}
	return false
}

// parent reports ESTALE if the directory of p does not exist.
func (n names) parent(p place, shared []fop.GFID) syscall.Errno {
	if slices.Contains(shared, p.dir) || n.has(p.dir) {
		return 0
	}
	return syscall.ESTALE
}

func (n names) with(p place, g fop.GFID) names {
	out := maps.Clone(n)
	out[p] = g
	return out
}

func (n names) without(p place) names {
	out := maps.Clone(n)
	delete(out, p)
	return out
}

// attrs is what of a file's attributes the model follows.
type attrs struct {
	mode  uint32
	xattr string
}

func attrsKey(a attrs) string { return fmt.Sprintf("%o %s", a.mode, a.xattr) }

func same(s string) string { return s }

// inode is what the model knows about a file or directory; its owner alone changes it.
type inode struct {
	gfid  fop.GFID
	typ   fop.FileType
	owner *owner
	data  *history[string]
	attrs *history[attrs]
}

func newInode(g fop.GFID, t fop.FileType, o *owner, mode uint32) *inode {
	return &inode{gfid: g, typ: t, owner: o, data: newHistory(same, ""), attrs: newHistory(attrsKey, attrs{mode: mode})}
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
