package mgmt

import (
	"context"
	"strings"
)

// The calls, one per command. Each returns an *Error if the daemon refused, an error
// with ErrConnection in its chain if it was not reached, or ctx's error.

// Node asks the daemon who it is.
func (c *Client) Node(ctx context.Context) (*Node, error) {
	return ask[Node](ctx, c, methodNode, struct{}{})
}

// Pool lists the nodes; the daemon's own is the last and called localhost.
func (c *Client) Pool(ctx context.Context) ([]Peer, error) {
	r, err := ask[[]Peer](ctx, c, methodPool, struct{}{})
	if err != nil {
		return nil, err
	}
	return *r, nil
}

// Probe takes the daemon at host into the pool.
func (c *Client) Probe(ctx context.Context, host string) (*ProbeReply, error) {
	return ask[ProbeReply](ctx, c, methodProbe, nameReq{host})
}

// Detach takes a node out of the pool.
func (c *Client) Detach(ctx context.Context, q *DetachReq) error {
	return order(ctx, c, methodDetach, q)
}

// Recover makes the daemon's node the only one that decides, after a majority was lost
// for good.
func (c *Client) Recover(ctx context.Context) error {
	return order(ctx, c, methodRecover, struct{}{})
}

// Create makes a volume.
func (c *Client) Create(ctx context.Context, q *CreateReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodCreate, q)
}

// Start starts a volume's bricks and returns when they serve.
func (c *Client) Start(ctx context.Context, q *VolumeReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodStart, q)
}

// Stop stops a volume's bricks and returns when they are gone.
func (c *Client) Stop(ctx context.Context, q *VolumeReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodStop, q)
}

// Delete forgets a stopped volume. Its bricks' contents stay.
func (c *Client) Delete(ctx context.Context, q *VolumeReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodDelete, q)
}

// Info describes one volume, or all sorted by name if name is "" or "all".
func (c *Client) Info(ctx context.Context, name string) ([]Volume, error) {
	r, err := ask[[]Volume](ctx, c, methodInfo, nameReq{name})
	if err != nil {
		return nil, err
	}
	return *r, nil
}

// Status tells the state of bricks.
func (c *Client) Status(ctx context.Context, q *StatusReq) (*StatusReply, error) {
	return ask[StatusReply](ctx, c, methodStatus, q)
}

// Set sets options: all of them or, if one is refused, none.
func (c *Client) Set(ctx context.Context, q *SetReq) error {
	_, err := ask[struct{}](ctx, c, methodSet, q)
	return err
}

// Get returns the values of options that are in force.
func (c *Client) Get(ctx context.Context, q *GetReq) ([]OptionValue, error) {
	r, err := ask[[]OptionValue](ctx, c, methodGet, q)
	if err != nil {
		return nil, err
	}
	return *r, nil
}

// Reset takes options back to their defaults.
func (c *Client) Reset(ctx context.Context, q *ResetReq) error {
	_, err := ask[struct{}](ctx, c, methodReset, q)
	return err
}

// Volfile returns the client volfile of a volume (a leading slash is ignored), or a
// brick's by its volfile id.
func (c *Client) Volfile(ctx context.Context, volume string) (string, error) {
	r, err := ask[textReply](ctx, c, methodVolfile, nameReq{strings.TrimPrefix(volume, "/")})
	if err != nil {
		return "", err
	}
	return r.Text, nil
}

// Portmap returns where the brick with this path, on the daemon's node, listens. Code
// CodeOffline: it is not running now; CodeStopped: because its volume is not started.
func (c *Client) Portmap(ctx context.Context, brickPath string) (*Place, error) {
	return ask[Place](ctx, c, methodPortmap, nameReq{brickPath})
}

// Brick asks a brick process for its state, on its admin socket.
func (c *Client) Brick(ctx context.Context) (*BrickStatus, error) {
	return ask[BrickStatus](ctx, c, methodBrick, struct{}{})
}

func ask[R any](ctx context.Context, c *Client, method string, in any) (*R, error) {
	r := new(R)
	if err := c.call(ctx, method, in, r); err != nil {
		return nil, err
	}
	return r, nil
}
