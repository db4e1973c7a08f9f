package mgmt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/server/mgmt/store"
)

// starting is how long a volume start waits for its bricks; they go on after it.
const starting = 30 * time.Second

// volume returns the volume called name.
func (d *Daemon) volume(name string) (*store.Volume, error) {
	if v := d.store.State().Volumes[name]; v != nil {
		return v, nil
	}
	return nil, mgmt.Errorf("Volume %s does not exist", name)
}

// Start implements mgmt.Service. Without force a volume of which a brick cannot be started
// is not started at all; bricks of nodes that are not connected are started when these are
// back.
func (d *Daemon) Start(ctx context.Context, q *mgmt.VolumeReq) (*mgmt.VolumeReply, error) {
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	if v.Status != store.Started && !q.Force {
		if err := d.check(ctx, v); err != nil {
			return nil, err
		}
	}
	index, err := d.commit(ctx, &store.Command{StartVolume: &store.VolumeChange{Name: q.Name, Force: q.Force}})
	if err != nil {
		return nil, err
	}
	warning, err := d.settle(ctx, v, index, false)
	if err != nil && !q.Force {
		_, back := d.commit(ctx, &store.Command{StopVolume: &store.VolumeChange{Name: q.Name, Force: true}})
		return nil, errors.Join(err, back)
	}
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID, Warning: warning}, nil
}

// awaitBricks waits until the local bricks of v serve, and returns why one does not.
func (d *Daemon) awaitBricks(ctx context.Context, v *store.Volume) error {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	specs := d.localSpecs(v, (*store.Brick).Runs)
	for _, spec := range specs {
		d.bricks.Retry(spec.Path)
	}
	if healed(v) {
		// Its absence keeps nobody from working; status tells of it.
		soon, done := context.WithTimeout(ctx, attempt)
		defer done()
		if err := d.bricks.Started(soon, brickproc.HealdPath); err != nil {
			d.cfg.Log.Warn("the heal daemon has not started yet", "error", err)
		}
	}
	for _, spec := range specs {
		err := d.bricks.Started(ctx, spec.Path)
		if errors.Is(err, context.DeadlineExceeded) {
			return mgmt.Errorf("Brick %s:%s did not answer within %v; see its log", spec.Host, spec.Path, starting)
		}
		if err != nil {
			return mgmt.Errorf("Brick %s:%s could not be started: %v", spec.Host, spec.Path, err)
		}
	}
	return nil
}

// awaitGone waits until the local bricks of v have ended, or those at paths.
func (d *Daemon) awaitGone(ctx context.Context, v *store.Volume, paths []string) error {
	for _, spec := range d.localSpecs(v, everyBrick) {
		if paths != nil && !slices.Contains(paths, spec.Path) {
			continue
		}
		if err := d.bricks.Gone(ctx, spec.Path); err != nil {
			return fmt.Errorf("brick %s:%s has not stopped yet: %w", spec.Host, spec.Path, err)
		}
	}
	return nil
}

// Stop implements mgmt.Service.
func (d *Daemon) Stop(ctx context.Context, q *mgmt.VolumeReq) (*mgmt.VolumeReply, error) {
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	index, err := d.commit(ctx, &store.Command{StopVolume: &store.VolumeChange{Name: q.Name, Force: q.Force}})
	if err != nil {
		return nil, err
	}
	warning, err := d.settle(ctx, v, index, true)
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID, Warning: warning}, err
}

// Delete implements mgmt.Service. The bricks keep their content and the volume's mark.
func (d *Daemon) Delete(ctx context.Context, q *mgmt.VolumeReq) (*mgmt.VolumeReply, error) {
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	if _, err := d.commit(ctx, &store.Command{DeleteVolume: &store.VolumeChange{Name: q.Name}}); err != nil {
		return nil, err
	}
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID}, nil
}

// Info implements mgmt.Service.
func (d *Daemon) Info(_ context.Context, name string) ([]mgmt.Volume, error) {
	s := d.store.State()
	if name != "" && name != "all" {
		v := s.Volumes[name]
		if v == nil {
			return nil, &mgmt.Error{Code: mgmt.CodeNoVolume, Message: "Volume " + name + " does not exist"}
		}
		return []mgmt.Volume{*withGlobals(s, describe(v))}, nil
	}
	out := []mgmt.Volume{}
	for _, n := range s.Names() {
		out = append(out, *withGlobals(s, describe(s.Volumes[n])))
	}
	return out, nil
}

func describe(v *store.Volume) *mgmt.Volume {
	r := &mgmt.Volume{Name: v.Name, ID: v.ID, Status: string(v.Status), Replica: v.Replica, Arbiter: v.Arbiter, Transport: v.Transport}
	for i := range v.Bricks {
		r.Bricks = append(r.Bricks, describeBrick(v, i))
	}
	for _, o := range v.Options {
		r.Options = append(r.Options, mgmt.Option(o))
	}
	return r
}

func describeBrick(v *store.Volume, i int) mgmt.Brick {
	b := v.Bricks[i]
	return mgmt.Brick{Host: b.Host, Path: b.Path, ID: b.ID, NodeID: b.Node, Arbiter: v.IsArbiter(i)}
}
