package mgmt

import (
	"context"
	"encoding/json"
)

// BrickCommands are the commands of a Service that ask bricks something.
type BrickCommands interface {
	Profile(context.Context, *ProfileReq) (*ProfileReply, error)
	Top(context.Context, *TopReq) (*TopReply, error)
	Statedump(context.Context, *StatedumpReq) (*FilesReply, error)
	ClearLocks(context.Context, *ClearReq) (*ClearReply, error)
	Barrier(context.Context, *BarrierReq) error
	RotateLog(context.Context, *RotateReq) error
	Sync(context.Context, *SyncReq) error
	State(context.Context, *StateReq) (*StateReply, error)
}

const (
	methodProfile   = "volume profile"
	methodTop       = "volume top"
	methodStatedump = "volume statedump"
	methodClear     = "volume clear-locks"
	methodBarrier   = "volume barrier"
	methodRotate    = "volume log rotate"
	methodSync      = "volume sync"
	methodState     = "get-state"
)

// brickCommandRoutes are the methods of s; all of them change something, be it only what
// counters begin from.
func brickCommandRoutes(s BrickCommands) Routes {
	done := func(err error) (struct{}, error) { return struct{}{}, err }
	return Routes{
		methodProfile:   route(func(ctx context.Context, _ *Conn, q *ProfileReq) (*ProfileReply, error) { return s.Profile(ctx, q) }),
		methodTop:       route(func(ctx context.Context, _ *Conn, q *TopReq) (*TopReply, error) { return s.Top(ctx, q) }),
		methodStatedump: route(func(ctx context.Context, _ *Conn, q *StatedumpReq) (*FilesReply, error) { return s.Statedump(ctx, q) }),
		methodClear:     route(func(ctx context.Context, _ *Conn, q *ClearReq) (*ClearReply, error) { return s.ClearLocks(ctx, q) }),
		methodBarrier:   route(func(ctx context.Context, _ *Conn, q *BarrierReq) (struct{}, error) { return done(s.Barrier(ctx, q)) }),
		methodRotate:    route(func(ctx context.Context, _ *Conn, q *RotateReq) (struct{}, error) { return done(s.RotateLog(ctx, q)) }),
		methodSync:      route(func(ctx context.Context, _ *Conn, q *SyncReq) (struct{}, error) { return done(s.Sync(ctx, q)) }),
		methodState:     route(func(ctx context.Context, _ *Conn, q *StateReq) (*StateReply, error) { return s.State(ctx, q) }),
	}
}

// An Asked answers the questions of a process's admin socket. Errors of type *Error travel as
// they are.
type Asked func(ctx context.Context, method string, args json.RawMessage) (any, error)

// AdminRoutes returns the methods of an admin socket: a brick's status, if status is not
// nil, and those named, which answer is asked.
func AdminRoutes(status func() *BrickStatus, answer Asked, methods ...string) Routes {
	r := Routes{}
	if status != nil {
		r = BrickRoutes(status)
	}
	for _, m := range methods {
		r[m] = func(ctx context.Context, _ *Conn, body json.RawMessage) (any, error) { return answer(ctx, m, body) }
	}
	return r
}
