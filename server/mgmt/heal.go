package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/volfile/volgen"
)

// healGraph is the volfile of this node's heal daemon, nil if there is nothing to heal.
func (d *Daemon) healGraph(s *store.State) *volfile.Graph {
	var vols []volgen.HealVolume
	for _, name := range s.Names() {
		v := s.Volumes[name]
		if v.Status != store.Started {
			continue
		}
		h := volgen.HealVolume{Volume: definition(v), Local: make([]bool, len(v.Bricks))}
		for i, b := range v.Bricks {
			h.Local[i] = b.Node == d.uuid
		}
		vols = append(vols, h)
	}
	return volgen.HealGraph(vols)
}

// healers is the heal daemon as a process that should run, if it should.
func (d *Daemon) healers(s *store.State) []brickproc.Spec {
	if d.healGraph(s) == nil {
		return nil
	}
	return []brickproc.Spec{{Kind: brickproc.Heald, Path: brickproc.HealdPath, VolfileID: volgen.HealID}}
}

// healed tells whether a volume has heal daemons.
func healed(v *store.Volume) bool {
	value, set := v.Option("cluster.self-heal-daemon")
	on, _ := volgen.Bool(value)
	return v.Replica > 1 && (!set || on)
}

// Heal implements mgmt.Service.
func (d *Daemon) Heal(ctx context.Context, q *mgmt.HealReq) (*mgmt.HealReply, error) {
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	info := q.What == "info" || q.What == "stats" || q.What == "resolve"
	asks := q.What == "info" || q.What == "resolve" // which healing need not be on for
	switch {
	case v.Status != store.Started && info:
		return nil, &mgmt.Error{Code: mgmt.CodeNotStarted, Message: v.Name + ": Not able to fetch volfile from glusterd"}
	case v.Status != store.Started:
		return nil, mgmt.Errorf("Volume %s is not started.", v.Name)
	case v.Replica < 2 && info:
		return nil, &mgmt.Error{Code: mgmt.CodeNotReplicated, Message: "This command is supported for only volumes of replicate/disperse type. Volume " + v.Name + " is not of type replicate/disperse"}
	case !asks && !healed(v):
		return nil, mgmt.Errorf("Self-heal-daemon is disabled. Heal will not be triggered on volume %s", v.Name)
	}
	var method string
	var args any
	switch q.What {
	case "index":
		method, args = mgmt.AskHeal, mgmt.HealAsk{}
	case "full":
		method, args = mgmt.AskHeal, mgmt.HealAsk{Full: true}
	case "info":
		method, args = mgmt.AskHealInfo, q.Info
	case "stats":
		method, args = mgmt.AskHealStats, mgmt.HealAsk{}
	case "resolve":
		method, args = mgmt.AskHealResolve, q.Resolve
	default:
		return nil, mgmt.Errorf("heal %s is not known", q.What)
	}
	only := q.Brick
	if q.What == "full" {
		only = "" // see firsts
	}
	ask, err := ask(v.Name, only, method, args)
	if err != nil {
		return nil, err
	}
	if only != "" && !hasBrick(v, only) {
		return nil, mgmt.Errorf("No brick %s in volume %s", only, v.Name)
	}
	return healReply(v, d.askBricks(ctx, v, ask), q.What), nil
}

// healReply reads the heal daemons' answers.
func healReply(v *store.Volume, answers []mgmt.BrickAnswer, what string) *mgmt.HealReply {
	r := &mgmt.HealReply{Replica: v.Replica}
	for i := range answers {
		a := &answers[i]
		b := mgmt.HealedBrick{Brick: a.Brick, Connected: a.Online && a.Error == "", Error: a.Error}
		if b.Connected {
			var err error
			switch what {
			case "info":
				b.Info, err = decode[mgmt.HealInfo](a)
			case "stats":
				b.Stats, err = decode[mgmt.HealStats](a)
			case "resolve":
				var list *[]mgmt.Healed
				if list, err = decode[[]mgmt.Healed](a); err == nil {
					b.Healed = *list
				}
			}
			if err != nil {
				b.Connected, b.Error = false, err.Error()
			}
		}
		r.Bricks = append(r.Bricks, b)
	}
	return r
}

// aboutHealing tells whether a question to a brick is one for the heal daemon of its node.
func aboutHealing(method string) bool {
	switch method {
	case mgmt.AskHeal, mgmt.AskHealInfo, mgmt.AskHealStats, mgmt.AskHealResolve:
		return true
	}
	return false
}

// askHealer asks this node's heal daemon about a brick.
func (d *Daemon) askHealer(ctx context.Context, volume string, b *mgmt.Brick, q *mgmt.BrickAsk) (json.RawMessage, error) {
	args := map[string]json.RawMessage{}
	if err := json.Unmarshal(q.Args, &args); err != nil {
		return nil, err
	}
	about := func(key, value string) error {
		text, err := json.Marshal(value)
		args[key] = text
		return err
	}
	if err := errors.Join(about("volume", volume), about("brick", b.Name())); err != nil {
		return nil, err
	}
	body, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	return d.bricks.Ask(ctx, brickproc.HealdPath, q.Method, body)
}

// healerStates are the heal daemons of the nodes that have bricks of v and answer, this
// node's first.
func (d *Daemon) healerStates(ctx context.Context, v *store.Volume) []mgmt.ProcessState {
	if !healed(v) {
		return nil
	}
	nodes := d.nodesOf(v)
	states := make([]*mgmt.ProcessState, len(nodes))
	var mu sync.Mutex
	index := map[string]int{}
	for i, id := range nodes {
		index[id] = i
	}
	put := func(id string, st *mgmt.ProcessState) {
		mu.Lock()
		defer mu.Unlock()
		states[index[id]] = st
	}
	d.everywhere(ctx, nodes, reading,
		func(ctx context.Context) error { put(d.uuid, d.healerHere(ctx)); return nil },
		func(ctx context.Context, id string, c *mgmt.Client) error {
			st, err := c.HealerState(ctx)
			if err == nil {
				put(id, st)
			}
			return err
		})
	var out []mgmt.ProcessState
	for i, st := range states {
		if st != nil {
			n := d.store.State().Nodes[nodes[i]]
			st.Host, st.NodeID = n.Name(), nodes[i]
			if nodes[i] == d.uuid {
				st.Host = "localhost"
			}
			out = append(out, *st)
		}
	}
	return out
}

// healerHere is the state of this node's heal daemon.
func (d *Daemon) healerHere(ctx context.Context) *mgmt.ProcessState {
	st := d.bricks.State(ctx, brickproc.HealdPath)
	return &mgmt.ProcessState{Name: "Self-heal Daemon", Online: st.Online, PID: st.PID}
}
