package mgmt

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// Replace implements mgmt.Service: replace-brick and reset-brick.
func (d *Daemon) Replace(ctx context.Context, q *mgmt.ReplaceReq) (*mgmt.VolumeReply, error) {
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	q.Brick = brickCalled(q.Brick)
	i := slices.IndexFunc(v.Bricks, func(b store.Brick) bool { return b.Host+":"+b.Path == q.Brick })
	command := "reset-brick"
	if q.What == "replace" {
		command = "replace-brick"
	}
	switch {
	case i < 0:
		return nil, mgmt.Errorf("brick: %s does not exist in volume: %s", q.Brick, v.Name)
	case v.Replica < 2:
		return nil, mgmt.Errorf("%s is not permitted on distribute only volumes. Please use add-brick and remove-brick operations instead.", command)
	case v.Status != store.Started:
		return nil, mgmt.Errorf("volume: %s is not started", v.Name)
	}
	o := d.beginOrder(v)
	defer o.end(ctx)
	var warning string
	switch q.What {
	case "replace":
		warning, err = o.replace(ctx, i, q)
	case "start":
		err = o.resetStart(ctx, i)
	case "commit":
		warning, err = o.resetCommit(ctx, i, q)
	default:
		err = mgmt.Errorf("%q cannot be done with a brick", q.What)
	}
	if err != nil {
		return nil, err
	}
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID, Warning: warning}, nil
}

// newBrick is the brick that a person wrote as spec, in the place called id.
func (d *Daemon) newBrick(ctx context.Context, spec, id string, disk uint64) (store.Brick, error) {
	host, dir, err := splitBrick(spec)
	if err != nil {
		return store.Brick{}, err
	}
	node, ok := d.nodeOf(ctx, host)
	if !ok {
		return store.Brick{}, mgmt.Errorf("Host %s is not in 'Peer in Cluster' state", host)
	}
	return store.Brick{Node: node, Host: host, Path: dir, ID: id, Disk: disk}, nil
}

// mates are the other bricks of the set of brick i.
func mates(v *store.Volume, i int) []store.Brick {
	first := i - i%v.Replica
	return slices.Delete(slices.Clone(v.Bricks[first:first+v.Replica]), i-first, i-first+1)
}

// only is v with no other bricks.
func only(v *store.Volume, bricks ...store.Brick) *store.Volume {
	c := *v
	c.Bricks = bricks
	return &c
}

// replace puts an empty directory in the place of brick i. What is on the other bricks is healed
// into it; they know that before any client knows the directory.
func (o *order) replace(ctx context.Context, i int, q *mgmt.ReplaceReq) (warning string, err error) {
	d, old := o.d, o.v.Bricks[i]
	b, err := d.newBrick(ctx, q.New, old.ID, old.Disk+1)
	if err != nil {
		return "", err
	}
	if err := d.checkCopies(ctx, o.v, []int{i}); err != nil {
		return "", err
	}
	fresh := only(o.v, b)
	err = d.prepare(ctx, fresh, &mgmt.PrepareReq{Order: o.token, Force: true, Joins: true}, prevalidation)
	var index uint64
	if err == nil {
		index, err = o.swap(ctx, i, b)
	}
	if err != nil {
		d.unprepare(fresh, o.token)
		return "", err
	}
	return o.settled(ctx, index, b.Node), nil
}

// swap stops brick i and makes b the brick in its place.
func (o *order) swap(ctx context.Context, i int, b store.Brick) (index uint64, err error) {
	gone, err := o.hold(ctx, []int{i})
	if err != nil {
		return 0, err
	}
	if err := o.d.markMissed(ctx, o.v, mates(o.v, i), b.ID, false); err != nil {
		return 0, err
	}
	after := slices.Clone(o.v.Bricks)
	// To clients brick i is down until they know b, and they blame it by its ID, which is b's. If
	// its end was not seen, some may still reach it.
	b.Joins = !gone
	after[i] = b
	return o.commit(ctx, after, func(c *store.ChangeBricks) {
		if !gone {
			c.Graph++
		}
	})
}

// resetStart stops brick i until resetCommit.
func (o *order) resetStart(ctx context.Context, i int) error {
	if o.v.Bricks[i].Held == store.HeldReset {
		return nil
	}
	if err := o.d.checkCopies(ctx, o.v, []int{i}); err != nil {
		return err
	}
	if _, err := o.hold(ctx, []int{i}); err != nil {
		return err
	}
	after := slices.Clone(o.v.Bricks)
	after[i].Held = store.HeldReset
	_, err := o.commit(ctx, after, nil)
	return err
}

// resetCommit starts brick i again, with its directory emptied or, with force, as it is.
func (o *order) resetCommit(ctx context.Context, i int, q *mgmt.ReplaceReq) (warning string, err error) {
	d, old := o.d, o.v.Bricks[i]
	b, err := d.newBrick(ctx, q.New, old.ID, old.Disk+1)
	if err != nil {
		return "", err
	}
	refused := func(text string) error {
		if n := d.store.State().Nodes[old.Node]; old.Node != d.uuid {
			return mgmt.Errorf(prevalidation, n.Name(), text)
		}
		return mgmt.Errorf("%s", text)
	}
	switch {
	case old.Held != store.HeldReset:
		return "", refused("Source brick must be stopped. Please use gofs volume reset-brick <volname> <dst-brick> start.")
	case b.Node != old.Node || b.Path != old.Path:
		return "", refused("When destination brick is new, please use gofs volume replace-brick <volname> <src-brick> <dst-brick> commit force")
	}
	// It may still run where its node was away when it was stopped.
	gone := &mgmt.AwaitReq{Volume: o.v.Name, Index: d.store.Index(), Gone: true, Paths: []string{old.Path}}
	warning, err = d.settleOn(ctx, []string{old.Node}, gone)
	if err != nil {
		return "", err
	}
	if warning != "" {
		n := d.store.State().Nodes[old.Node]
		return "", mgmt.Errorf("Host %s not connected", n.Name())
	}
	fresh := only(o.v, b)
	err = d.prepare(ctx, fresh, &mgmt.PrepareReq{Order: o.token, Force: q.Force, Joins: true, Same: true}, prevalidation)
	if err == nil {
		err = d.markMissed(ctx, o.v, mates(o.v, i), b.ID, false)
	}
	var index uint64
	if err == nil {
		after := slices.Clone(o.v.Bricks)
		after[i] = b
		index, err = o.commit(ctx, after, nil)
	}
	if err != nil {
		d.unprepare(fresh, o.token)
		return "", err
	}
	return o.settled(ctx, index, b.Node), nil
}

// AddBricks implements mgmt.Service: it raises the replica count.
func (d *Daemon) AddBricks(ctx context.Context, q *mgmt.AddReq) (*mgmt.VolumeReply, error) {
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	v := d.store.State().Volumes[q.Name]
	if v == nil {
		return nil, mgmt.Errorf("Unable to get volinfo for volume name %s", q.Name)
	}
	if err := checkRaise(v, q); err != nil {
		return nil, err
	}
	var added []store.Brick
	for i, spec := range q.Bricks {
		b, err := d.newBrick(ctx, spec, fmt.Sprintf("%s-client-%d", v.Name, nextClient(v)+i), 0)
		if err != nil {
			return nil, err
		}
		b.Joins = true
		added = append(added, b)
	}
	after := raised(v, q.Replica, added)
	if !q.Force {
		if err := checkSpread(&store.Volume{Replica: q.Replica, Bricks: after}); err != nil {
			return nil, err
		}
	}
	o := d.beginOrder(v)
	defer o.end(ctx)
	warning, err := o.add(ctx, q, added, after)
	if err != nil {
		return nil, err
	}
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID, Warning: warning}, nil
}

// nextClient is the number of the next brick that a volume gets: one more than the highest that
// it ever had. GlusterFS gives the highest ones again after bricks were removed.
func nextClient(v *store.Volume) int {
	ids := slices.Clone(v.Gone)
	for _, b := range v.Bricks {
		ids = append(ids, b.ID)
	}
	next := 0
	for _, id := range ids {
		if n, err := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:]); err == nil {
			next = max(next, n+1)
		}
	}
	return next
}

// raised is the list of bricks with added in the sets, behind what each has, in turn.
func raised(v *store.Volume, replica int, added []store.Brick) (out []store.Brick) {
	sets, more := len(v.Bricks)/v.Replica, replica-v.Replica
	for k := range sets {
		out = append(out, v.Bricks[k*v.Replica:(k+1)*v.Replica]...)
		for j := range more {
			out = append(out, added[k+j*sets])
		}
	}
	return out
}

// checkRaise refuses what is not a higher replica count.
func checkRaise(v *store.Volume, q *mgmt.AddReq) error {
	sets := len(v.Bricks) / v.Replica
	unchanged := q.Replica == 0 || q.Replica == v.Replica && q.Arbiter == v.Arbiter
	switch {
	case unchanged && len(q.Bricks)%v.Replica != 0:
		return mgmt.Errorf("Incorrect number of bricks supplied %d with count %d", len(q.Bricks), v.Replica)
	case unchanged:
		return mgmt.Errorf("gofs adds bricks only to raise the replica count so far: files are not spread over additional replica sets before volumes can be rebalanced; name a higher count: add-brick %s replica %d", v.Name, v.Replica+1)
	case v.Arbiter > 0:
		return mgmt.Errorf("Increasing replica count for arbiter volumes is not supported.")
	case q.Arbiter > 0 && v.Replica == 3:
		return mgmt.Errorf("Cannot convert replica 3 volume to arbiter volume.")
	case q.Replica < v.Replica:
		return mgmt.Errorf("Incorrect replica count (%d) supplied. Volume already has (%d)", q.Replica, v.Replica)
	case q.Arbiter > 0 && (q.Arbiter != 1 || q.Replica != 3):
		return mgmt.Errorf("For arbiter configuration, replica count must be 3 and arbiter count must be 1. The 3rd brick of the replica will be the arbiter")
	case q.Arbiter > 0 && v.Replica != 2:
		return mgmt.Errorf("An arbiter is added to two copies; raise the replica count to 2 first")
	case len(q.Bricks) != sets*(q.Replica-v.Replica):
		return mgmt.Errorf("Incorrect number of bricks (%d) supplied for replica count (%d).", len(q.Bricks), q.Replica)
	case v.Status != store.Started:
		return mgmt.Errorf("Volume must not be in stopped state when replica-count needs  to be increased.")
	}
	return checkOptions(v, q.Replica)
}

// add makes after, in which added are new, the bricks of the volume.
func (o *order) add(ctx context.Context, q *mgmt.AddReq, added, after []store.Brick) (warning string, err error) {
	d := o.d
	fresh := only(o.v, added...)
	err = d.prepare(ctx, fresh, &mgmt.PrepareReq{Order: o.token, Force: q.Force, Joins: true}, prevalidation)
	for i := 0; err == nil && i < len(after); i++ {
		if !after[i].Joins {
			continue
		}
		first := i - i%q.Replica
		set := slices.DeleteFunc(slices.Clone(after[first:first+q.Replica]), func(b store.Brick) bool { return b.Joins })
		err = d.markMissed(ctx, o.v, set, after[i].ID, true)
	}
	var index uint64
	if err == nil {
		index, err = o.commit(ctx, after, func(c *store.ChangeBricks) {
			c.Replica, c.Arbiter, c.Graph = q.Replica, q.Arbiter, c.Graph+1
			if o.v.Replica == 1 {
				c.Options = replicaOptions(o.v)
			}
		})
	}
	if err != nil {
		d.unprepare(fresh, o.token)
		return "", err
	}
	return o.settled(ctx, index, d.nodesOf(fresh)...), nil
}

// replicaOptions are those that GlusterFS sets when a volume becomes a replicated one.
func replicaOptions(v *store.Volume) (out []store.Option) {
	const threads = "performance.client-io-threads"
	for _, o := range volgen.Created(2) {
		if _, set := v.Option(threads); o[0] == threads && !set {
			out = append(out, store.Option{Key: o[0], Value: o[1]})
		}
	}
	return out
}
