package mgmt

import (
	"context"
	"encoding/json"
	"net"
)

// A PeerService is what a daemon answers to the other daemons of its pool. Commands and
// volumes travel in the configuration's own JSON.
type PeerService interface {
	// Commit appends a command to the pool's log; only the leader can.
	Commit(ctx context.Context, command json.RawMessage) (*CommitReply, error)
	// Index is the newest log entry that the leader's state contains; an error at others.
	Index(ctx context.Context) (uint64, error)
	// Prepare makes and marks the directories of new bricks on this node.
	Prepare(ctx context.Context, q *PrepareReq) error
	// Unprepare takes back what Prepare did, if the bricks did not come to be the volume's.
	Unprepare(ctx context.Context, order string) error
	// CheckStart refuses if a brick on this node cannot be the volume's.
	CheckStart(ctx context.Context, q *AwaitReq) error
	// Await waits until this node's bricks are as the configuration of Index says.
	Await(ctx context.Context, q *AwaitReq) error
	// LocalStatus is Status, of this node's bricks only.
	LocalStatus(ctx context.Context, q *StatusReq) (*StatusReply, error)
	// AskBricks asks this node's bricks of a volume.
	AskBricks(ctx context.Context, q *BrickAsk) ([]BrickAnswer, error)
	// HealerState is the state of this node's heal daemon.
	HealerState(ctx context.Context) (*ProcessState, error)
	// Detached tells that this node is no longer of the pool.
	Detached(ctx context.Context) error
	// Readmit tells that this node is to forget its log and be given the pool's anew.
	Readmit(ctx context.Context, q *JoinReq) error
}

// Methods between daemons of a pool.
const (
	methodCommit      = "peer commit"
	methodPrepare     = "peer prepare"
	methodUnprepare   = "peer unprepare"
	methodCheckStart  = "peer check start"
	methodAwait       = "peer await"
	methodLocalStatus = "peer status"
	methodAskBricks   = "peer ask bricks"
	methodDetached    = "peer detached"
	methodReadmit     = "peer readmit"
	methodPing        = "peer ping"
	methodHealer      = "peer healer"
	methodIndex       = "peer index"
)

// CommitReply tells where a command is in the log.
type CommitReply struct {
	Index     uint64 `json:"index"`
	NotLeader bool   `json:"notLeader,omitempty"` // nothing was done
	Refusal   string `json:"refusal,omitempty"`   // it does not fit the state
	Unknown   string `json:"unknown,omitempty"`   // why it is not known whether it was done
}

// PrepareReq asks to prepare bricks of a volume.
type PrepareReq struct {
	Order  string          `json:"order"`  // names this request to Unprepare
	Volume json.RawMessage `json:"volume"` // with no other bricks than these
	Force  bool            `json:"force,omitempty"`
	// Joins: the volume is in use, and the bricks are to be filled by healing.
	Joins bool `json:"joins,omitempty"`
	// Same: they are the volume's already, and may hold what they held.
	Same bool `json:"same,omitempty"`
}

// AwaitReq waits for a volume's bricks.
type AwaitReq struct {
	Volume string `json:"volume"`
	Index  uint64 `json:"index"` // of the log, to be applied first
	Gone   bool   `json:"gone"`  // wait for their end instead of their start
	// Paths are those of the bricks that are waited for; none: all that are to run.
	Paths []string `json:"paths,omitempty"`
}

// JoinReq asks a daemon that is alone to become a node of a pool.
type JoinReq struct {
	Pool  string   `json:"pool"`  // UUID
	Key   []byte   `json:"key"`   // the pool's secret
	Life  int      `json:"life"`  // how often the daemon has been taken into the pool
	Seeds []string `json:"seeds"` // where its daemons listen, IP:port
	Hosts []string `json:"hosts"` // names of the daemon that is asked
	Addr  string   `json:"addr"`  // where it listens, IP:port
}

// Greeting is what a daemon says of itself to one that may want it in its pool.
type Greeting struct {
	UUID    string `json:"uuid"`
	Version string `json:"version"`
	// State is the version of the log's commands. Daemons of one pool have the same.
	State   int    `json:"state"`
	Pool    string `json:"pool"` // UUID of its pool, "" if it has never been in one
	Nodes   int    `json:"nodes"`
	Volumes int    `json:"volumes"`
	// YourAddr is from where the other daemon is seen to come, an IP address.
	YourAddr string `json:"yourAddr"`
}

// Fresh tells whether the daemon may be taken into a pool.
func (g *Greeting) Fresh() bool { return g.Nodes <= 1 && g.Volumes == 0 }

// PeerRoutes returns the methods for a daemon of the same pool.
func PeerRoutes(s PeerService) Routes {
	done := struct{}{}
	return Routes{
		methodCommit: route(func(ctx context.Context, _ *Conn, q *json.RawMessage) (*CommitReply, error) { return s.Commit(ctx, *q) }),
		methodPrepare: route(func(ctx context.Context, _ *Conn, q *PrepareReq) (struct{}, error) {
			return done, s.Prepare(ctx, q)
		}),
		methodUnprepare: route(func(ctx context.Context, _ *Conn, q *nameReq) (struct{}, error) {
			return done, s.Unprepare(ctx, q.Name)
		}),
		methodCheckStart: route(func(ctx context.Context, _ *Conn, q *AwaitReq) (struct{}, error) {
			return done, s.CheckStart(ctx, q)
		}),
		methodAwait:       route(func(ctx context.Context, _ *Conn, q *AwaitReq) (struct{}, error) { return done, s.Await(ctx, q) }),
		methodLocalStatus: route(func(ctx context.Context, _ *Conn, q *StatusReq) (*StatusReply, error) { return s.LocalStatus(ctx, q) }),
		methodAskBricks:   route(func(ctx context.Context, _ *Conn, q *BrickAsk) ([]BrickAnswer, error) { return s.AskBricks(ctx, q) }),
		methodDetached:    route(func(ctx context.Context, _ *Conn, _ *struct{}) (struct{}, error) { return done, s.Detached(ctx) }),
		methodIndex: route(func(ctx context.Context, _ *Conn, _ *struct{}) (*CommitReply, error) {
			index, err := s.Index(ctx)
			return &CommitReply{Index: index}, err
		}),
		methodHealer:  route(func(ctx context.Context, _ *Conn, _ *struct{}) (*ProcessState, error) { return s.HealerState(ctx) }),
		methodPing:    route(func(context.Context, *Conn, *struct{}) (struct{}, error) { return done, nil }),
		methodReadmit: route(func(ctx context.Context, _ *Conn, q *JoinReq) (struct{}, error) { return done, s.Readmit(ctx, q) }),
	}
}

// NewPeer returns a Client on a stream that Greet has opened.
func NewPeer(nc net.Conn) *Client { return newClient(nc) }

// HealerState asks a node for the state of its heal daemon.
func (c *Client) HealerState(ctx context.Context) (*ProcessState, error) {
	return ask[ProcessState](ctx, c, methodHealer, struct{}{})
}

// Ping returns when the other daemon has answered.
func (c *Client) Ping(ctx context.Context) error { return order(ctx, c, methodPing, struct{}{}) }

// Index asks the leader which entry of the log its state contains.
func (c *Client) Index(ctx context.Context) (uint64, error) {
	r, err := ask[CommitReply](ctx, c, methodIndex, struct{}{})
	if err != nil {
		return 0, err
	}
	return r.Index, nil
}

// Commit asks the leader to append a command to the log.
func (c *Client) Commit(ctx context.Context, command json.RawMessage) (*CommitReply, error) {
	return ask[CommitReply](ctx, c, methodCommit, command)
}

// Prepare asks a node to prepare its bricks of those that are new.
func (c *Client) Prepare(ctx context.Context, q *PrepareReq) error {
	return order(ctx, c, methodPrepare, q)
}

// Unprepare takes Prepare back.
func (c *Client) Unprepare(ctx context.Context, made string) error {
	return order(ctx, c, methodUnprepare, nameReq{made})
}

// CheckStart asks a node whether its bricks of a volume can be started.
func (c *Client) CheckStart(ctx context.Context, q *AwaitReq) error {
	return order(ctx, c, methodCheckStart, q)
}

// Await waits for a node's bricks.
func (c *Client) Await(ctx context.Context, q *AwaitReq) error { return order(ctx, c, methodAwait, q) }

// LocalStatus asks a node for the state of its bricks.
func (c *Client) LocalStatus(ctx context.Context, q *StatusReq) (*StatusReply, error) {
	return ask[StatusReply](ctx, c, methodLocalStatus, q)
}

// Detached tells a node that it is no longer of the pool.
func (c *Client) Detached(ctx context.Context) error {
	return order(ctx, c, methodDetached, struct{}{})
}

// Readmit tells a node of the pool to begin anew.
func (c *Client) Readmit(ctx context.Context, q *JoinReq) error {
	return order(ctx, c, methodReadmit, q)
}

// Greeting asks any daemon what it is.
func (c *Client) Greeting(ctx context.Context) (*Greeting, error) {
	return ask[Greeting](ctx, c, methodGreeting, struct{}{})
}

// Join asks a daemon that is alone to become a node of a pool.
func (c *Client) Join(ctx context.Context, q *JoinReq) error { return order(ctx, c, methodJoin, q) }

func order(ctx context.Context, c *Client, method string, q any) error {
	_, err := ask[struct{}](ctx, c, method, q)
	return err
}
