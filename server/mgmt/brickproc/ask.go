package brickproc

import (
	"context"
	"encoding/json"

	"github.com/gofs/gofs/protocol/mgmt"
)

// ErrSilent is of a process that runs and cannot be asked.
var ErrSilent = &mgmt.Error{Code: mgmt.CodeOffline, Message: "the brick's process does not answer"}

// Ask asks the process of a brick on its admin socket: method is one of mgmt's Ask
// constants. An error of type *mgmt.Error with code mgmt.CodeOffline: it has no process.
func (s *Supervisor) Ask(ctx context.Context, path, method string, args json.RawMessage) (json.RawMessage, error) {
	k := s.keeper(path)
	if k == nil {
		return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "the brick is not running"}
	}
	if now, _ := k.now(); now.PID == 0 {
		return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "the brick is not running"}
	}
	c, err := mgmt.Dial(ctx, Socket(s.cfg.RunDir, &k.spec))
	if err != nil {
		return nil, ErrSilent
	}
	defer c.Close()
	return c.Ask(ctx, method, args)
}
