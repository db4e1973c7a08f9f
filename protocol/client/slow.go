package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// DefaultFrameTimeout is how long a brick may take for an answer before it counts as slow.
// GlusterFS waits half an hour; its clients stand still as long as a disk hangs.
const DefaultFrameTimeout = 10 * time.Second

// longer is how many times the frame-timeout what waits for much of a disk may take.
const longer = 6

var _ xlator.Ejector = (*client)(nil)

// allowance is how many times the frame-timeout a brick may take for an op; 0: for ever,
// since the answer waits for other clients.
func allowance(op wire.Op) time.Duration {
	switch op {
	case wire.OpInodelk, wire.OpEntrylk, wire.OpLk:
		return 0
	case wire.OpRelease, wire.OpFsync, wire.OpFsyncdir, wire.OpFlush, wire.OpFallocate, wire.OpCopyFileRange, wire.OpRchecksum,
		wire.OpTruncate, wire.OpUnlink, wire.OpRename:
		return longer
	}
	return 1
}

// late returns how long the call that is the furthest above what it may take has waited;
// 0: none is.
func (s *session) late(now int64) (waited time.Duration, op wire.Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pending {
		if w := time.Duration(now - p.since); w > waited && p.op != 0 && allowance(p.op) > 0 && w > allowance(p.op)*s.c.frameTimeout {
			waited, op = w, p.op
		}
	}
	return waited, op
}

// tellSlow tells of calls that take too long.
func (s *session) tellSlow(now time.Time) {
	s.clock.Store(now.UnixNano())
	if s.c.frameTimeout <= 0 || s.c.cur.Load() != s {
		return
	}
	if waited, op := s.late(now.UnixNano()); waited > 0 {
		s.c.watchers.Tell(xlator.Event{Kind: xlator.ChildSlow, Reason: fmt.Sprintf("a request (%v) has waited for %v", op, waited.Round(100*time.Millisecond))})
	}
}

// Eject implements xlator.Ejector.
func (c *client) Eject(reason string) {
	s := c.cur.Load()
	if s == nil {
		return
	}
	c.ejected.Store(true)
	c.env.Log.Warn("giving up the brick until its disk takes a write", "reason", reason)
	s.conn.Close()
}

// probe asks a brick that was ejected to write to its disk, and is the reason why it is not
// used if it does not.
func (c *client) probe(ctx context.Context, s *session) error {
	if !c.ejected.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.pingTimeout)
	defer cancel()
	q := &fop.GetxattrReq{Req: fop.Req{Caller: &fop.Caller{PID: -1}}, GFID: fop.RootGFID, Name: fop.HealthXattr, Internal: true}
	if _, err := do(ctx, s, &wire.Getxattr, q, transfer{}); err != nil {
		return errors.Join(errors.New("the brick was given up and does not write to its disk yet"), err)
	}
	c.ejected.Store(false)
	return nil
}
