package brick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofs/gofs/inspect"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/barrier"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
)

// asked are the questions that answer knows.
var asked = []string{mgmt.AskProfile, mgmt.AskTop, mgmt.AskView, mgmt.AskDump, mgmt.AskClear, mgmt.AskBarrier, mgmt.AskRotate, mgmt.AskMetrics,
	mgmt.AskBlame, mgmt.AskMissed, mgmt.AskGraph}

// answer answers the daemon.
func (b *process) answer(ctx context.Context, method string, args json.RawMessage) (any, error) {
	switch method {
	case mgmt.AskProfile:
		return with(args, b.profile)
	case mgmt.AskTop:
		return with(args, func(q *mgmt.TopAsk) (*mgmt.TopReport, error) { return b.top(ctx, q) })
	case mgmt.AskView:
		return with(args, b.view)
	case mgmt.AskDump:
		return with(args, func(q *mgmt.DumpAsk) (*mgmt.DumpReport, error) {
			file, err := b.dump(q.Parts)
			return &mgmt.DumpReport{File: file}, err
		})
	case mgmt.AskClear:
		return with(args, func(q *mgmt.ClearAsk) (*mgmt.ClearReport, error) { return b.clear(ctx, q) })
	case mgmt.AskBarrier:
		return with(args, b.setBarrier)
	case mgmt.AskRotate:
		return struct{}{}, b.rotate(true)
	case mgmt.AskMetrics:
		return b.metrics(), nil
	case mgmt.AskBlame:
		return with(args, func(q *mgmt.BlameAsk) (*mgmt.BlameReport, error) { return b.blame(ctx, q) })
	case mgmt.AskMissed:
		return with(args, func(q *mgmt.MissedAsk) (struct{}, error) { return struct{}{}, b.missedAll(ctx, q.Brick) })
	case mgmt.AskGraph:
		return with(args, b.graph)
	}
	return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("unknown request %q", method)}
}

// with reads the arguments of a question and answers it.
func with[Q, R any](args json.RawMessage, f func(*Q) (R, error)) (any, error) {
	q := new(Q)
	if len(args) > 0 {
		if err := json.Unmarshal(args, q); err != nil {
			return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("the request cannot be read: %v", err)}
		}
	}
	return f(q)
}

// rotate begins a new log file, or (anew is false) opens one again that somebody else has moved.
func (b *process) rotate(anew bool) error {
	if b.cfg.Rotate == nil {
		return mgmt.Errorf("the log is not a file")
	}
	return b.cfg.Rotate(anew)
}

// barrierTime is how long a barrier stays up at most, as in GlusterFS.
const barrierTime = 120 * time.Second

func (b *process) setBarrier(q *mgmt.BarrierAsk) (struct{}, error) {
	if !q.Up {
		err := b.parts.barrier.Disable()
		if errors.Is(err, barrier.ErrDown) {
			err = mgmt.Errorf("Failed to reconfigure barrier.")
		}
		return struct{}{}, err
	}
	d := barrierTime
	if q.Seconds > 0 {
		d = min(time.Duration(q.Seconds*float64(time.Second)), time.Hour)
	}
	err := b.parts.barrier.Enable(d)
	if errors.Is(err, barrier.ErrUp) {
		err = mgmt.Errorf("Failed to reconfigure barrier.")
	}
	return struct{}{}, err
}

const (
	// recalling is how long a client may take to give a lock up that is to be cleared.
	recalling = 2 * time.Second
	// looking is the pause between two looks whether it has.
	looking = 10 * time.Millisecond
)

// clear takes locks away. Clients that are well give translators' locks up when they are
// asked. One that does not is disconnected: it believes to hold the lock, and finds on its
// new connection that it does not.
func (b *process) clear(ctx context.Context, q *mgmt.ClearAsk) (*mgmt.ClearReport, error) {
	kind := map[string]locks.Kind{"inode": locks.Inode, "entry": locks.Entry, "posix": locks.Posix}[q.Kind]
	if kind == 0 || b.parts.locks == nil {
		return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("%q is no kind of lock", q.Kind)}
	}
	g, err := b.resolve(ctx, q.Path)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
		return nil, &mgmt.Error{Code: mgmt.CodeNoFile, Message: "No such file or directory"}
	}
	if err != nil {
		return nil, err
	}
	which := &locks.ClearReq{GFID: g, Kind: kind, Granted: q.Granted, Blocked: q.Blocked,
		Ranged: q.Ranged, Start: q.Start, Len: q.Len, Named: q.Named, Name: q.Name}
	count, left := b.parts.locks.Recall(which)
	for end := time.Now().Add(recalling); left() > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(looking)
	}
	given := count - left()
	c := b.parts.locks.Clear(which)
	c.Granted += given
	if c.Granted+c.Blocked > 0 {
		b.cfg.Log.Warn("locks were cleared", "vol", b.cfg.Volume, "brick", b.cfg.Path, "gfid", g, "kind", q.Kind, "granted", c.Granted, "blocked", c.Blocked)
	}
	b.srv.Disconnect(c.Holders, "its locks were cleared")
	return &mgmt.ClearReport{Xlator: b.parts.locksName, Granted: c.Granted, Blocked: c.Blocked}, nil
}

// resolve returns the inode at a path from the volume's root.
func (b *process) resolve(ctx context.Context, path string) (fop.GFID, error) {
	g := fop.RootGFID
	for name := range strings.SplitSeq(path, "/") {
		switch name {
		case "", ".":
			continue
		case "..":
			return g, syscall.ENOENT
		}
		r, err := b.parts.posix.Lookup(ctx, &fop.LookupReq{Req: fop.Req{Caller: &fop.Caller{PID: -1}}, Parent: g, Name: name})
		if err != nil {
			return g, err
		}
		g = r.Iatt.GFID
	}
	return g, nil
}

// metrics are the counters of this process.
func (b *process) metrics() *mgmt.ProcessMetrics {
	s := b.parts.stats
	m := &mgmt.ProcessMetrics{Volume: b.cfg.Volume, Brick: b.cfg.Path, Started: b.started, Fops: inspect.Fops(s), Memory: inspect.Memory(), CPU: inspect.CPU(), PID: syscall.Getpid()}
	m.Serving = b.status().Serving
	m.Read, m.Written = s.Bytes()
	m.Open, _, _ = s.OpenFiles()
	for _, c := range b.srv.Clients() {
		m.Clients++
		m.Received += c.BytesIn
		m.Sent += c.BytesOut
		m.InFlight += c.InFlight
	}
	if b.parts.locks != nil {
		for _, in := range b.parts.locks.Dump() {
			for _, k := range in.Locks {
				if k.Blocked.IsZero() {
					m.Locks++
				} else {
					m.LocksWait++
				}
			}
		}
	}
	return m
}

// dumpDir is where dumps go: the run directory.
func (b *process) dumpDir() string {
	if b.cfg.Socket != "" {
		return filepath.Dir(b.cfg.Socket)
	}
	return "/run/gofs"
}
