package mgmt

import (
	"context"
	"maps"
	"net"
)

// A Service is what a daemon answers. Errors of type *Error travel as they are, others
// as their text.
type Service interface {
	Node(context.Context) (*Node, error)
	Pool(context.Context) ([]Peer, error)
	Create(context.Context, *CreateReq) (*VolumeReply, error)
	Start(context.Context, *VolumeReq) (*VolumeReply, error)
	Stop(context.Context, *VolumeReq) (*VolumeReply, error)
	Delete(context.Context, *VolumeReq) (*VolumeReply, error)
	Info(ctx context.Context, name string) ([]Volume, error)
	Status(context.Context, *StatusReq) (*StatusReply, error)
	Set(context.Context, *SetReq) error
	Get(context.Context, *GetReq) ([]OptionValue, error)
	Reset(context.Context, *ResetReq) error
	Volfile(ctx context.Context, volume string) (string, error)
	Portmap(ctx context.Context, brickPath string) (*Place, error)

	Greeting(ctx context.Context, from net.Addr) (*Greeting, error)
	Join(context.Context, *JoinReq) error
	Probe(ctx context.Context, host string) (*ProbeReply, error)
	Detach(context.Context, *DetachReq) error
	Recover(context.Context) error
	Heal(context.Context, *HealReq) (*HealReply, error)

	BrickCommands
	BrickChanges
}

// DaemonRoutes returns the methods of a daemon. Without admin those that change
// something are refused: they are for root on the daemon's machine, as in GlusterFS.
func DaemonRoutes(s Service, admin bool) Routes {
	r := Routes{
		methodNode:   route(func(ctx context.Context, _ *Conn, _ *struct{}) (*Node, error) { return s.Node(ctx) }),
		methodPool:   route(func(ctx context.Context, _ *Conn, _ *struct{}) ([]Peer, error) { return s.Pool(ctx) }),
		methodInfo:   route(func(ctx context.Context, _ *Conn, q *nameReq) ([]Volume, error) { return s.Info(ctx, q.Name) }),
		methodStatus: route(func(ctx context.Context, _ *Conn, q *StatusReq) (*StatusReply, error) { return s.Status(ctx, q) }),
		methodGet:    route(func(ctx context.Context, _ *Conn, q *GetReq) ([]OptionValue, error) { return s.Get(ctx, q) }),
		methodVolfile: route(func(ctx context.Context, _ *Conn, q *nameReq) (textReply, error) {
			text, err := s.Volfile(ctx, q.Name)
			return textReply{text}, err
		}),
		methodPortmap:  route(func(ctx context.Context, _ *Conn, q *nameReq) (*Place, error) { return s.Portmap(ctx, q.Name) }),
		methodGreeting: route(func(ctx context.Context, c *Conn, _ *struct{}) (*Greeting, error) { return s.Greeting(ctx, c.Addr) }),
		// Whoever comes first may take in a daemon that is alone and has nothing, as in
		// GlusterFS: the two have no secret in common yet.
		methodJoin: route(func(ctx context.Context, _ *Conn, q *JoinReq) (struct{}, error) { return struct{}{}, s.Join(ctx, q) }),
		methodSubscribe: route(func(_ context.Context, c *Conn, q *nameReq) (struct{}, error) {
			c.Subscribe(q.Name)
			return struct{}{}, nil
		}),
	}
	changes := Routes{
		methodCreate: route(func(ctx context.Context, _ *Conn, q *CreateReq) (*VolumeReply, error) { return s.Create(ctx, q) }),
		methodStart:  route(func(ctx context.Context, _ *Conn, q *VolumeReq) (*VolumeReply, error) { return s.Start(ctx, q) }),
		methodStop:   route(func(ctx context.Context, _ *Conn, q *VolumeReq) (*VolumeReply, error) { return s.Stop(ctx, q) }),
		methodDelete: route(func(ctx context.Context, _ *Conn, q *VolumeReq) (*VolumeReply, error) { return s.Delete(ctx, q) }),
		methodHeal:   route(func(ctx context.Context, _ *Conn, q *HealReq) (*HealReply, error) { return s.Heal(ctx, q) }),
		methodProbe:  route(func(ctx context.Context, _ *Conn, q *nameReq) (*ProbeReply, error) { return s.Probe(ctx, q.Name) }),
		methodDetach: route(func(ctx context.Context, _ *Conn, q *DetachReq) (struct{}, error) {
			return struct{}{}, s.Detach(ctx, q)
		}),
		methodRecover: route(func(ctx context.Context, _ *Conn, _ *struct{}) (struct{}, error) {
			return struct{}{}, s.Recover(ctx)
		}),
		methodSet: route(func(ctx context.Context, _ *Conn, q *SetReq) (struct{}, error) {
			return struct{}{}, s.Set(ctx, q)
		}),
		methodReset: route(func(ctx context.Context, _ *Conn, q *ResetReq) (struct{}, error) {
			return struct{}{}, s.Reset(ctx, q)
		}),
	}
	maps.Copy(changes, brickCommandRoutes(s))
	maps.Copy(changes, brickChangeRoutes(s))
	for method, f := range changes {
		if !admin {
			f = route(func(context.Context, *Conn, *struct{}) (struct{}, error) {
				return struct{}{}, &Error{Code: CodeNotAllowed, Message: "only root on the daemon's own machine may change something; run the command there"}
			})
		}
		r[method] = f
	}
	return r
}

// BrickRoutes returns the methods of a brick's admin socket.
func BrickRoutes(status func() *BrickStatus) Routes {
	return Routes{
		methodBrick: route(func(context.Context, *Conn, *struct{}) (*BrickStatus, error) { return status(), nil }),
	}
}
