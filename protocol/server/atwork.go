package server

import (
	"sync/atomic"
	"time"

	"github.com/gofs/gofs/protocol/wire"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// lately is for how long after its call a program counts as being at work.
const lately = 100 * time.Millisecond

// programs knows whether programs are at work on the brick, for healers, which give way to
// them (fop.AtWorkXattr). What gofs does by itself has a negative pid. The zero value has
// seen none.
type programs struct {
	calls atomic.Int64 // being performed, without those that may wait for locks
	last  atomic.Int64 // when one came or ended, in nanoseconds since 1970
}

// begin notes that a call begins. counts: end is to be called after it.
func (p *programs) begin(op wire.Op, caller *fop.Caller) (counts bool) {
	if caller.PID < 0 {
		return false
	}
	p.last.Store(time.Now().UnixNano())
	if mayWait(op) {
		return false
	}
	p.calls.Add(1)
	return true
}

func (p *programs) end() {
	p.calls.Add(-1)
	p.last.Store(time.Now().UnixNano())
}

func (p *programs) atWork() bool {
	return p.calls.Load() > 0 || time.Since(time.Unix(0, p.last.Load())) < lately
}

// getxattr handles Getxattr, and answers fop.AtWorkXattr itself.
func getxattr(q *request) {
	f := &wire.Getxattr
	m := parse(q, f)
	if m == nil {
		return
	}
	if m.Internal && m.Name == fop.AtWorkXattr {
		v := "0"
		if q.c.s.programs.atWork() {
			v = "1"
		}
		reply(q, f, &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: m.Name, Value: []byte(v)}}}, nil, nil)
		return
	}
	r, err := xlator.Xlator.Getxattr(q.c.s.top, q.ctx, m)
	reply(q, f, r, err, nil)
}
