// Package barrier holds back the answers to what must be on the disk before a snapshot of
// it may claim to be complete, for as long as the barrier is up.
//
// The fops themselves are done: what programs have not been told is what a crash at this
// moment could have taken from them.
//
// Intercepts: Unlink, Rmdir, Rename, Truncate, Removexattr; on files Fsync and writes that
// were opened to be synchronous.
//
// Invariant: no answer is held for longer than the time that Enable was given.
//
// Volfile:
//
//	volume v-barrier
//	    type features/barrier
//	    subvolumes v-io-stats
//	end-volume
package barrier

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Errors of Enable and Disable.
var (
	ErrUp   = errors.New("the barrier is up already")
	ErrDown = errors.New("the barrier is not up")
)

// Barrier is the translator. Its methods are safe for concurrent use.
type Barrier struct {
	xlator.Pass
	gate atomic.Pointer[gate] // nil while the barrier is down

	mu sync.Mutex // of raising and lowering
}

// gate is what answers wait at.
type gate struct {
	open  chan struct{} // closed when they may go on
	timer *time.Timer
}

// New makes a barrier over one subvolume. It is down.
func New(env xlator.Env, _ xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("features/barrier %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	return Over(subvols[0]), nil
}

// Over makes a barrier over child.
func Over(child xlator.Xlator) *Barrier { return &Barrier{Pass: xlator.Pass{Child: child}} }

// Enable raises the barrier for at most d.
func (b *Barrier) Enable(d time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gate.Load() != nil {
		return ErrUp
	}
	g := &gate{open: make(chan struct{})}
	g.timer = time.AfterFunc(d, func() { b.lower(g) })
	b.gate.Store(g)
	return nil
}

// Disable lowers the barrier: what was held is answered.
func (b *Barrier) Disable() error {
	g := b.gate.Load()
	if g == nil || !b.lower(g) {
		return ErrDown
	}
	return nil
}

func (b *Barrier) lower(g *gate) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gate.Load() != g {
		return false
	}
	g.timer.Stop()
	b.gate.Store(nil)
	close(g.open)
	return true
}

// Close lowers the barrier and closes the child.
func (b *Barrier) Close() error {
	if err := b.Disable(); err != nil && !errors.Is(err, ErrDown) {
		return err
	}
	return b.Child.Close()
}

// held does a fop and answers when the barrier allows it.
func held[Q, R any](b *Barrier, do func(context.Context, Q) (R, error), ctx context.Context, q Q) (R, error) {
	r, err := do(ctx, q)
	if g := b.gate.Load(); g != nil {
		select {
		case <-g.open:
		case <-ctx.Done(): // the client is gone
		}
	}
	return r, err
}

func (b *Barrier) Unlink(ctx context.Context, q *fop.UnlinkReq) (*fop.RemoveReply, error) {
	return held(b, b.Child.Unlink, ctx, q)
}

func (b *Barrier) Rmdir(ctx context.Context, q *fop.RmdirReq) (*fop.RemoveReply, error) {
	return held(b, b.Child.Rmdir, ctx, q)
}

func (b *Barrier) Rename(ctx context.Context, q *fop.RenameReq) (*fop.RenameReply, error) {
	return held(b, b.Child.Rename, ctx, q)
}

func (b *Barrier) Truncate(ctx context.Context, q *fop.TruncateReq) (*fop.InodeReply, error) {
	return held(b, b.Child.Truncate, ctx, q)
}

func (b *Barrier) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	return held(b, b.Child.Removexattr, ctx, q)
}

func (b *Barrier) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	r, err := b.Child.Create(ctx, q)
	if err == nil {
		r.File = &file{xlator.PassFile{Child: r.File}, b, q.Flags&syscall.O_SYNC != 0 || q.Flags&syscall.O_DSYNC != 0}
	}
	return r, err
}

func (b *Barrier) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	r, err := b.Child.Open(ctx, q)
	if err == nil {
		r.File = &file{xlator.PassFile{Child: r.File}, b, q.Flags&syscall.O_SYNC != 0 || q.Flags&syscall.O_DSYNC != 0}
	}
	return r, err
}

// file is an open file.
type file struct {
	xlator.PassFile
	b    *Barrier
	sync bool // its writes are durable when they are answered
}

func (f *file) Writev(ctx context.Context, q *fop.WritevReq) (*fop.WritevReply, error) {
	if !f.sync {
		return f.Child.Writev(ctx, q)
	}
	return held(f.b, f.Child.Writev, ctx, q)
}

func (f *file) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.InodeReply, error) {
	return held(f.b, f.Child.Fsync, ctx, q)
}

// CopyFileRange hands the child its own file.
func (f *file) CopyFileRange(ctx context.Context, q *fop.CopyRangeReq, dst xlator.File) (*fop.CopyRangeReply, error) {
	d, ok := dst.(*file)
	if !ok {
		return nil, syscall.EXDEV
	}
	return f.Child.CopyFileRange(ctx, q, d.Child)
}
