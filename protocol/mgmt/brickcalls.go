package mgmt

import (
	"context"
	"encoding/json"
)

// Ask asks a process on its admin socket: method is one of the Ask constants.
func (c *Client) Ask(ctx context.Context, method string, args json.RawMessage) (json.RawMessage, error) {
	if args == nil {
		args = json.RawMessage("{}")
	}
	r, err := ask[json.RawMessage](ctx, c, method, args)
	if err != nil {
		return nil, err
	}
	return *r, nil
}

// Profile starts, stops or shows the profile of a volume.
func (c *Client) Profile(ctx context.Context, q *ProfileReq) (*ProfileReply, error) {
	return ask[ProfileReply](ctx, c, methodProfile, q)
}

// Top ranks the files of a volume's bricks.
func (c *Client) Top(ctx context.Context, q *TopReq) (*TopReply, error) {
	return ask[TopReply](ctx, c, methodTop, q)
}

// Statedump makes bricks, or a client, write their state to files.
func (c *Client) Statedump(ctx context.Context, q *StatedumpReq) (*FilesReply, error) {
	return ask[FilesReply](ctx, c, methodStatedump, q)
}

// ClearLocks takes away locks on a file of a volume. Code CodeNoFile: no brick has it.
func (c *Client) ClearLocks(ctx context.Context, q *ClearReq) (*ClearReply, error) {
	return ask[ClearReply](ctx, c, methodClear, q)
}

// Barrier raises or lowers the barrier of a volume's bricks.
func (c *Client) Barrier(ctx context.Context, q *BarrierReq) error {
	_, err := ask[struct{}](ctx, c, methodBarrier, q)
	return err
}

// RotateLog makes bricks begin new log files.
func (c *Client) RotateLog(ctx context.Context, q *RotateReq) error {
	_, err := ask[struct{}](ctx, c, methodRotate, q)
	return err
}

// Sync takes the configuration from a peer, which has no other than this daemon.
func (c *Client) Sync(ctx context.Context, q *SyncReq) error {
	_, err := ask[struct{}](ctx, c, methodSync, q)
	return err
}

// State makes the daemon write what it knows to a file on its machine.
func (c *Client) State(ctx context.Context, q *StateReq) (*StateReply, error) {
	return ask[StateReply](ctx, c, methodState, q)
}

// AskBricks asks a node's bricks.
func (c *Client) AskBricks(ctx context.Context, q *BrickAsk) ([]BrickAnswer, error) {
	r, err := ask[[]BrickAnswer](ctx, c, methodAskBricks, q)
	if err != nil {
		return nil, err
	}
	return *r, nil
}
