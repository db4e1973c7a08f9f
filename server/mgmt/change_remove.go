package mgmt

import (
	"context"
	"slices"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// RemoveBricks implements mgmt.Service: it lowers the replica count. The bricks that leave keep
// what they hold.
func (d *Daemon) RemoveBricks(ctx context.Context, q *mgmt.RemoveReq) (*mgmt.VolumeReply, error) {
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	if q.What == "status" || q.What == "stop" {
		return nil, mgmt.Errorf("remove-brick not started for volume %s.", v.Name)
	}
	leaving, err := indexes(v, q.Bricks)
	if err != nil {
		return nil, err
	}
	if err := checkLower(v, q, leaving); err != nil {
		return nil, err
	}
	o := d.beginOrder(v)
	defer o.end(ctx)
	warning, err := o.lower(ctx, q.Replica, leaving)
	if err != nil {
		return nil, err
	}
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID, Warning: warning}, nil
}

// indexes returns where in the volume bricks are, sorted.
func indexes(v *store.Volume, bricks []string) (out []int, err error) {
	for _, name := range bricks {
		i := slices.IndexFunc(v.Bricks, func(b store.Brick) bool { return b.Host+":"+b.Path == brickCalled(name) })
		if i < 0 {
			return nil, mgmt.Errorf("Incorrect brick %s for volume %s", name, v.Name)
		}
		out = append(out, i)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// checkLower refuses what is not a lower replica count.
func checkLower(v *store.Volume, q *mgmt.RemoveReq, leaving []int) error {
	sets := len(v.Bricks) / v.Replica
	perSet := make([]int, sets)
	arbiters := 0
	for _, i := range leaving {
		perSet[i/v.Replica]++
		if v.IsArbiter(i) {
			arbiters++
		}
	}
	lower := q.Replica > 0 && q.Replica < v.Replica
	each := v.Replica - q.Replica
	switch {
	case len(leaving) == len(v.Bricks):
		return mgmt.Errorf("Deleting all the bricks of the volume is not allowed")
	case q.Replica > 0 && v.Replica == 1:
		return mgmt.Errorf("replica count (%d) option given for non replicate volume %s", q.Replica, v.Name)
	case q.Replica > v.Replica:
		return mgmt.Errorf("given replica count (%d) option is more than volume %s's replica count (%d)", q.Replica, v.Name, v.Replica)
	case !lower && len(leaving)%v.Replica != 0:
		return mgmt.Errorf("Remove brick incorrect brick count of %d for replica %d", len(leaving), v.Replica)
	case !lower && slices.ContainsFunc(perSet, func(n int) bool { return n != 0 && n != v.Replica }):
		return mgmt.Errorf("Bricks not from same subvol for replica")
	case !lower && q.What == "commit":
		b := v.Bricks[leaving[0]]
		return mgmt.Errorf("Brick %s:%s is not decommissioned. Use start or force option", b.Host, b.Path)
	case !lower:
		return mgmt.Errorf("gofs removes bricks only to lower the replica count so far: it does not move the files that are nowhere else yet, and they would be lost")
	case q.What != "force":
		return mgmt.Errorf("Migration of data is not needed when reducing replica count. Use the 'force' option")
	case len(leaving) != sets*each:
		return mgmt.Errorf("need %d(xN) bricks for reducing replica count of the volume from %d to %d", each, v.Replica, q.Replica)
	case slices.ContainsFunc(perSet, func(n int) bool { return n != each }):
		return mgmt.Errorf("Bricks not from same subvol for replica")
	case v.Arbiter > 0 && q.Replica == 2 && arbiters != len(leaving):
		return mgmt.Errorf("Remove arbiter brick(s) only when converting from arbiter to replica 2 subvolume.")
	case v.Arbiter > 0 && arbiters != sets:
		return mgmt.Errorf("Removed bricks must contain arbiter when converting to plain distribute.")
	case v.Status != store.Started:
		return mgmt.Errorf("Volume %s must be started, so that its bricks can say whether a good copy of everything is left", v.Name)
	}
	return checkOptions(v, q.Replica)
}

// checkOptions refuses a replica count with which v's options are not good together.
func checkOptions(v *store.Volume, replica int) error {
	g := definition(v)
	g.Replica = replica
	if err := volgen.CheckTogether(g); err != nil {
		return mgmt.Errorf("%v", err)
	}
	return nil
}

// lower takes bricks out of the sets.
func (o *order) lower(ctx context.Context, replica int, leaving []int) (warning string, err error) {
	if err := o.d.checkCopies(ctx, o.v, leaving); err != nil {
		return "", err
	}
	gone, err := o.hold(ctx, leaving)
	if err != nil {
		return "", err
	}
	var after []store.Brick
	var names string
	for i, b := range o.v.Bricks {
		if slices.Contains(leaving, i) {
			names += " " + b.Host + ":" + b.Path
			continue
		}
		after = append(after, b)
	}
	_, err = o.commit(ctx, after, func(c *store.ChangeBricks) { c.Replica, c.Arbiter = replica, 0 })
	if err == nil && !gone {
		warning = "Not all of these are known to have stopped yet:" + names + "\n"
	}
	return warning, err
}
