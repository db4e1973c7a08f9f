package client

import (
	"math"
	"sync"

	"github.com/gofs/gofs/xlators/fop"
)

// heldLock is a granted POSIX or flock lock, as the request that would take it again.
type heldLock struct {
	handle uint64 // of the file it was taken through
	fop.LkReq
}

// lockTable remembers which locks programs hold, by inode: an owner may unlock through
// another file than it locked through.
type lockTable struct {
	mu     sync.Mutex
	inodes map[fop.GFID][]heldLock // guarded by mu; no empty slices
}

// record notes that q succeeded on the file handle of gfid: a lock replaces what its
// owner had in that range, an unlock removes it.
func (t *lockTable) record(gfid fop.GFID, handle uint64, q *fop.LkReq) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var left []heldLock
	for _, h := range t.inodes[gfid] {
		if h.Flock != q.Flock || h.Owner != q.Owner || h.End < q.Start || h.Start > q.End {
			left = append(left, h)
			continue
		}
		if h.Start < q.Start {
			before := h
			before.End = q.Start - 1
			left = append(left, before)
		}
		if h.End > q.End && q.End < math.MaxInt64 {
			after := h
			after.Start = q.End + 1
			left = append(left, after)
		}
	}
	if q.Type != fop.LkUnlock {
		left = append(left, heldLock{handle: handle, LkReq: *q})
		left[len(left)-1].Req = fop.Req{}
	}
	t.set(gfid, left)
}

// flush notes that the POSIX locks of owner are gone.
func (t *lockTable) flush(gfid fop.GFID, owner fop.LkOwner) {
	t.filter(gfid, func(h *heldLock) bool { return h.Flock || h.Owner != owner })
}

// close notes that the locks taken through handle are gone.
func (t *lockTable) close(gfid fop.GFID, handle uint64) {
	t.filter(gfid, func(h *heldLock) bool { return h.handle != handle })
}

func (t *lockTable) filter(gfid fop.GFID, keep func(*heldLock) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := t.inodes[gfid]
	if len(held) == 0 {
		return
	}
	var left []heldLock
	for i := range held {
		if keep(&held[i]) {
			left = append(left, held[i])
		}
	}
	t.set(gfid, left)
}

func (t *lockTable) set(gfid fop.GFID, held []heldLock) {
	if len(held) == 0 {
		delete(t.inodes, gfid)
		return
	}
	t.inodes[gfid] = held
}

// of returns the locks held through handle.
func (t *lockTable) of(gfid fop.GFID, handle uint64) []fop.LkReq {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []fop.LkReq
	for _, h := range t.inodes[gfid] {
		if h.handle == handle {
			out = append(out, h.LkReq)
		}
	}
	return out
}
