package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/server/mgmt/store"
)

const (
	// askingBricks is how long bricks may take to answer what is in their memory.
	askingBricks = 2 * time.Second
	// clearing is how long they may take to clear locks, which clients are asked for first.
	clearing = 5 * time.Second
	// working is how long they may take for work: dumps, measurements of their disks.
	working = 10 * time.Minute
)

// limitOf is how long the bricks may take for a question.
func limitOf(q *mgmt.BrickAsk) time.Duration {
	switch q.Method {
	case mgmt.AskDump, mgmt.AskTop, mgmt.AskHealInfo, mgmt.AskHealResolve, mgmt.AskBlame:
		return working
	case mgmt.AskClear:
		return clearing
	}
	return askingBricks
}

// ask makes a question of its arguments.
func ask(volume, brick, method string, args any) (*mgmt.BrickAsk, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", method, err)
	}
	return &mgmt.BrickAsk{Volume: volume, Brick: brick, Method: method, Args: body}, nil
}

// askBricks asks all bricks of v, or the one of q, on all nodes at once. The answers are in the
// volume's order. A brick that was not asked, because its node is not connected, has an answer
// that says so.
func (d *Daemon) askBricks(ctx context.Context, v *store.Volume, q *mgmt.BrickAsk) []mgmt.BrickAnswer {
	limit := limitOf(q)
	var mu sync.Mutex
	got := map[string]mgmt.BrickAnswer{}
	add := func(answers []mgmt.BrickAnswer) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range answers {
			got[a.NodeID+a.Path] = a
		}
	}
	errs := d.everywhere(ctx, d.nodesAsked(v, q.Brick), limit+time.Second,
		func(ctx context.Context) error { add(d.askLocalBricks(ctx, v, q)); return nil },
		func(ctx context.Context, _ string, c *mgmt.Client) error {
			var answers []mgmt.BrickAnswer
			err := d.watched(ctx, c, func(ctx context.Context) (err error) {
				answers, err = c.AskBricks(ctx, q)
				return err
			})
			add(answers)
			return err
		})
	out := []mgmt.BrickAnswer{}
	for i, b := range v.Bricks {
		if q.Brick != "" && q.Brick != b.Host+":"+b.Path {
			continue
		}
		a, ok := got[b.Node+b.Path]
		if !ok {
			a = mgmt.BrickAnswer{Brick: describeBrick(v, i), Code: mgmt.CodeOffline, Error: "its node did not answer"}
			if errors.Is(errs[b.Node], mgmt.ErrConnection) {
				n := d.store.State().Nodes[b.Node]
				a.Error = fmt.Sprintf("Host %s not connected", n.Name())
			}
		}
		out = append(out, a)
	}
	return out
}

// nodesAsked lists the nodes of v's bricks, or that of the one brick.
func (d *Daemon) nodesAsked(v *store.Volume, brick string) []string {
	if i := slices.IndexFunc(v.Bricks, func(b store.Brick) bool { return b.Host+":"+b.Path == brick }); i >= 0 {
		return []string{v.Bricks[i].Node}
	}
	return d.nodesOf(v)
}

// askLocalBricks asks the bricks of v on this node, or the one of q, at once.
func (d *Daemon) askLocalBricks(ctx context.Context, v *store.Volume, q *mgmt.BrickAsk) []mgmt.BrickAnswer {
	ctx, cancel := context.WithTimeout(ctx, limitOf(q))
	defer cancel()
	out := []mgmt.BrickAnswer{}
	for i, b := range v.Bricks {
		if b.Node == d.uuid && (q.Brick == "" || q.Brick == b.Host+":"+b.Path) {
			out = append(out, mgmt.BrickAnswer{Brick: describeBrick(v, i)})
		}
	}
	var wg sync.WaitGroup
	for i := range out {
		a := &out[i]
		wg.Go(func() {
			body, err := d.askBrick(ctx, v, a, q)
			a.Body, a.Online = body, mgmt.ErrorCode(err) != mgmt.CodeOffline
			if err != nil {
				a.Code, a.Error = max(mgmt.ErrorCode(err), 1), err.Error()
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mgmt.ErrConnection) || errors.Is(err, brickproc.ErrSilent) {
				a.Online, a.Silent, a.Code, a.Error = false, true, mgmt.CodeOffline, brickproc.ErrSilent.Message
			}
		})
	}
	wg.Wait()
	return out
}

// askBrick asks the process of a brick of this node, or the heal daemon about it.
func (d *Daemon) askBrick(ctx context.Context, v *store.Volume, a *mgmt.BrickAnswer, q *mgmt.BrickAsk) (json.RawMessage, error) {
	if aboutHealing(q.Method) {
		return d.askHealer(ctx, v.Name, &a.Brick, q)
	}
	return d.bricks.Ask(ctx, a.Path, q.Method, q.Args)
}

// AskBricks answers another daemon of the pool.
func (p peerService) AskBricks(ctx context.Context, q *mgmt.BrickAsk) ([]mgmt.BrickAnswer, error) {
	v, err := p.d.volume(q.Volume)
	if err != nil {
		return nil, err
	}
	return p.d.askLocalBricks(ctx, v, q), nil
}

// decode reads a brick's answer.
func decode[R any](a *mgmt.BrickAnswer) (*R, error) {
	if a.Error != "" {
		return nil, &mgmt.Error{Code: a.Code, Message: a.Error}
	}
	r := new(R)
	if err := json.Unmarshal(a.Body, r); err != nil {
		return nil, fmt.Errorf("the answer of brick %s cannot be read: %w", a.Name(), err)
	}
	return r, nil
}

// started returns a volume that can be asked about; format is the sentence if it is not
// started, with its name.
func (d *Daemon) started(name, format string) (*store.Volume, error) {
	v, err := d.volume(name)
	if err == nil && v.Status != store.Started {
		err = mgmt.Errorf(format, name)
	}
	return v, err
}

// hasBrick tells whether brick, as host:path, is one of v's; "" is all of them.
func hasBrick(v *store.Volume, brick string) bool {
	return brick == "" || slices.ContainsFunc(v.Bricks, func(b store.Brick) bool { return b.Host+":"+b.Path == brick })
}

// viewOf asks a brick of this node what is in its memory; nil if it does not answer.
func (d *Daemon) viewOf(ctx context.Context, path, kind string) *mgmt.BrickView {
	args, err := json.Marshal(mgmt.ViewAsk{Kind: kind})
	if err != nil {
		return nil
	}
	body, err := d.bricks.Ask(ctx, path, mgmt.AskView, args)
	r := new(mgmt.BrickView)
	if err != nil || json.Unmarshal(body, r) != nil {
		return nil
	}
	return r
}
