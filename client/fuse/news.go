package fuse

import (
	"sync"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

const (
	// forgetBatch is how many forgotten inodes are told downwards in one message.
	forgetBatch = 1024
	forgetDelay = time.Second
)

// newsQueue holds what is to be told to the kernel (invalidations) and downwards
// (forgotten inodes), neither of which may be waited for where it is noticed.
type newsQueue struct {
	mu      sync.Mutex
	closed  bool
	forgets []fop.GFID
	invals  map[fop.GFID]struct{}
	wake    chan struct{} // has a value when there is something to do; closed by close
}

func (q *newsQueue) init() {
	q.invals = map[fop.GFID]struct{}{}
	q.wake = make(chan struct{}, 1)
}

func (q *newsQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.wake)
	}
}

func (q *newsQueue) forgotten(g fop.GFID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forgets = append(q.forgets, g)
	if len(q.forgets) >= forgetBatch {
		q.signal()
	}
}

func (q *newsQueue) invalid(g fop.GFID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.invals[g] = struct{}{}
	q.signal()
}

// signal is called with mu held.
func (q *newsQueue) signal() {
	if q.closed {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *newsQueue) take() (forgets []fop.GFID, invals map[fop.GFID]struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	forgets, invals = q.forgets, q.invals
	q.forgets, q.invals = nil, map[fop.GFID]struct{}{}
	return forgets, invals
}

// event is told of news from below, and must not block.
func (b *Bridge) event(e xlator.Event) {
	if e.Kind == xlator.Invalidate {
		if n := b.nodes.find(e.GFID); n != nil {
			n.stale()
			b.news.invalid(e.GFID)
		}
	}
}

// tell delivers the news until the queue is closed.
func (b *Bridge) tell() {
	tick := time.NewTicker(forgetDelay)
	defer tick.Stop()
	nobody := &fop.Caller{PID: -1}
	for open := true; open; {
		select {
		case _, open = <-b.news.wake:
		case now := <-tick.C:
			b.aheads.expire(now.Add(-b.aheadKeep()))
		}
		forgets, invals := b.news.take()
		for len(forgets) > 0 {
			n := min(len(forgets), forgetBatch)
			b.top.Forget(background, &fop.ForgetReq{Req: fop.Req{Caller: nobody}, GFIDs: forgets[:n]}) // a hint
			forgets = forgets[n:]
		}
		server := b.server.Load()
		for gfid := range invals {
			if n := b.nodes.find(gfid); n != nil && server != nil && open {
				server.InodeNotify(n.id, 0, 0) // ENOENT: it has forgotten it
			}
		}
	}
}
