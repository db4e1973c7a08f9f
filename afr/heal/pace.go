package heal

import (
	"context"
	"sync"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Healing gives way to programs. It is done in pieces, and while programs are at work on the
// set's bricks the pieces are small, and each has as many times as long as it took to itself.
// So healing takes its part of the time whatever is scarce: processors, disks or the network.
// What is healed side by side shares that part.

const (
	// share of the time is for healing beside programs: one part in so many.
	share = 10
	// forInode, forWindow and forName are how much time an inode, a window of a large one, and a
	// name among others have at most, however long they took: healing does not become slower
	// than that, whatever programs do. Inodes have little: what is changed in a directory that a
	// brick lacks is one more inode to heal.
	forInode  = 10 * time.Millisecond
	forWindow = 40 * time.Millisecond
	forName   = 8 * time.Millisecond
	// mostRest bounds a rest when many share.
	mostRest = time.Second
)

// A pacer spreads the pieces of one set's healing over time. Its zero value has had none.
type pacer struct {
	mu     sync.Mutex
	beside bool          // guarded by mu; programs were at work when last asked
	next   time.Time     // guarded by mu; when the next piece may begin
	usual  time.Duration // guarded by mu; what the last piece had
}

// begin books a piece and returns how long to rest before it, and the time that it has.
// beside: programs are at work.
func (p *pacer) begin(beside bool, now time.Time) (rest, booked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beside = beside
	if !beside || p.next.Before(now) {
		p.next = now
	}
	rest = min(p.next.Sub(now), mostRest)
	p.next = now.Add(rest + p.usual)
	return rest, p.usual
}

// end corrects what was booked for a piece by how long it took; it has no more than most.
func (p *pacer) end(booked, took, most time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usual = min(share*took, most)
	p.next = p.next.Add(p.usual - booked)
}

// A turn is one piece of work after the other of what heals one inode. It is used by one
// goroutine.
type turn struct {
	h      *Healer
	began  time.Time
	booked time.Duration
	most   time.Duration
}

// turn begins a first piece when healing may go on. No lock of clients is held.
func (h *Healer) turn(ctx context.Context) *turn {
	t := &turn{h: h}
	t.begin(ctx)
	return t
}

func (t *turn) begin(ctx context.Context) {
	var rest time.Duration
	if rest, t.booked = t.h.pacer.begin(t.h.besidePrograms(ctx), time.Now()); rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	t.began, t.most = time.Now(), forInode
}

func (t *turn) end() { t.h.pacer.end(t.booked, time.Since(t.began), t.most) }

// wait takes a lock that programs may have. To wait for them is no work.
func (t *turn) wait(ctx context.Context, l *lock) error {
	begin := time.Now()
	err := l.wait(ctx)
	t.began = t.began.Add(time.Since(begin))
	return err
}

// next ends a piece and begins another. No lock of clients is held.
func (t *turn) next(ctx context.Context) {
	t.end()
	t.begin(ctx)
}

// names says that n names are healed together in this piece.
func (t *turn) names(n int) { t.most += time.Duration(n) * forName }

// windows says that so many windows of a file are looked at in this piece.
func (t *turn) windows(n int64) { t.most += time.Duration(n) * forWindow }

// beside reports whether programs were at work when the last piece began.
func (t *turn) beside() bool {
	t.h.pacer.mu.Lock()
	defer t.h.pacer.mu.Unlock()
	return t.h.pacer.beside
}

// much is how much to do in one piece: few beside programs, else many.
func (t *turn) much(few, many int) int {
	if t.beside() {
		return few
	}
	return many
}

// besidePrograms asks the bricks whether programs are at work there.
func (h *Healer) besidePrograms(ctx context.Context) bool {
	q := &fop.GetxattrReq{Req: fop.Req{Caller: caller()}, GFID: fop.RootGFID, Name: fop.AtWorkXattr, Internal: true}
	for _, a := range xlator.Wind(ctx, h.children, xlator.Xlator.Getxattr, q) {
		if a.Err == nil && len(a.Reply.Xattrs) == 1 && string(a.Reply.Xattrs[0].Value) == "1" {
			return true
		}
	}
	return false
}
