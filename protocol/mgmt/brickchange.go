package mgmt

import "context"

// BlameAsk asks a brick of which inodes it knows that one of the bricks has missed changes.
type BlameAsk struct {
	Bricks []string `json:"bricks"` // their IDs
}

// BlameReport lists them.
type BlameReport struct {
	Inodes []Blame `json:"inodes"`
	// More tells that there are others still.
	More bool `json:"more,omitempty"`
}

// Blame is an inode, and who of those that were asked about has missed changes of it.
type Blame struct {
	GFID   string   `json:"gfid"`
	Bricks []string `json:"bricks"`
}

// MissedAsk tells a brick that another one of its set has nothing of the volume, which it then
// records on its disk.
type MissedAsk struct {
	Brick string `json:"brick"` // its ID
}

// GraphAsk asks which clients have a graph from before a change of the volume's bricks.
type GraphAsk struct {
	Graph uint64 `json:"graph"`
}

// GraphReport says what a brick knows of a change of the volume's bricks.
type GraphReport struct {
	Graph uint64   `json:"graph"`           // of the newest change that it knows of
	Older []string `json:"older,omitempty"` // clients that do not know of that one which was asked for
}

// ReplaceReq is volume replace-brick, or reset-brick with What start or commit.
type ReplaceReq struct {
	Name  string `json:"name"`
	What  string `json:"what"` // replace, start or commit
	Brick string `json:"brick"`
	New   string `json:"new,omitempty"`
	Force bool   `json:"force,omitempty"`
}

// AddReq is volume add-brick.
type AddReq struct {
	Name    string   `json:"name"`
	Replica int      `json:"replica,omitempty"` // 0: as it is
	Arbiter int      `json:"arbiter,omitempty"`
	Bricks  []string `json:"bricks"`
	Force   bool     `json:"force,omitempty"`
}

// RemoveReq is volume remove-brick.
type RemoveReq struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`              // start, stop, status, commit or force
	Replica int      `json:"replica,omitempty"` // 0: as it is
	Bricks  []string `json:"bricks"`
}

// BrickChanges are the commands of a Service that change a volume's bricks.
type BrickChanges interface {
	Replace(context.Context, *ReplaceReq) (*VolumeReply, error)
	AddBricks(context.Context, *AddReq) (*VolumeReply, error)
	RemoveBricks(context.Context, *RemoveReq) (*VolumeReply, error)
}

const (
	methodReplace = "volume replace-brick"
	methodAdd     = "volume add-brick"
	methodRemove  = "volume remove-brick"
)

func brickChangeRoutes(s BrickChanges) Routes {
	return Routes{
		methodReplace: route(func(ctx context.Context, _ *Conn, q *ReplaceReq) (*VolumeReply, error) { return s.Replace(ctx, q) }),
		methodAdd:     route(func(ctx context.Context, _ *Conn, q *AddReq) (*VolumeReply, error) { return s.AddBricks(ctx, q) }),
		methodRemove:  route(func(ctx context.Context, _ *Conn, q *RemoveReq) (*VolumeReply, error) { return s.RemoveBricks(ctx, q) }),
	}
}

// Replace puts another directory in a brick's place, or the same one anew.
func (c *Client) Replace(ctx context.Context, q *ReplaceReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodReplace, q)
}

// AddBricks adds bricks to the sets of a volume.
func (c *Client) AddBricks(ctx context.Context, q *AddReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodAdd, q)
}

// RemoveBricks takes bricks out of the sets of a volume.
func (c *Client) RemoveBricks(ctx context.Context, q *RemoveReq) (*VolumeReply, error) {
	return ask[VolumeReply](ctx, c, methodRemove, q)
}
