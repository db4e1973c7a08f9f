package mgmt

import (
	"context"
	"slices"

	"github.com/gofs/gofs/server/mgmt/brickproc"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// opVersion is what this daemon can do, as GlusterFS counts.
const opVersion = volgen.OpVersion

// reconcile drives this node's bricks towards the configuration after each change of
// it, and tells who watches volfiles, until ctx ends.
func (d *Daemon) reconcile(ctx context.Context) {
	var before *store.State
	for {
		changed := d.store.Changed()
		now := d.store.State()
		d.drive()
		if before == nil {
			d.stopStrays(now)
		} else {
			d.forgetDeleted(before, now)
			d.notify(d.changedVolfiles(before, now))
		}
		before = now
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// forgetDeleted gives up the ports of bricks that are no more, and what is remembered for
// taking back the making of volumes that have come to be.
func (d *Daemon) forgetDeleted(before, now *store.State) {
	for name, v := range before.Volumes {
		for _, spec := range d.localSpecs(v, everyBrick) {
			if _, still := now.BrickAt(v.ID, d.uuid, spec.Path); still {
				continue
			}
			if err := d.ports.Forget(spec.Path); err != nil {
				d.cfg.Log.Warn("cannot forget a brick's port", "volume", name, "brick", spec.Path, "error", err)
			}
		}
	}
	d.made.mu.Lock()
	defer d.made.mu.Unlock()
	for order, p := range d.made.byOrder {
		if !slices.ContainsFunc(p.bricks, func(b *prepared) bool { return !b.used(now) }) {
			delete(d.made.byOrder, order)
		}
	}
}

// drive tells the supervisor which bricks the configuration of now wants. The lock keeps
// an older list from replacing a newer one.
func (d *Daemon) drive() {
	d.driving.Lock()
	defer d.driving.Unlock()
	d.bricks.Want(d.wanted(d.store.State()))
}

// wanted lists this node's bricks that should run.
func (d *Daemon) wanted(s *store.State) []brickproc.Spec {
	var out []brickproc.Spec
	for _, name := range s.Names() {
		if v := s.Volumes[name]; v.Status == store.Started && d.mayRun(v) {
			out = append(out, d.localSpecs(v, (*store.Brick).Runs)...)
		}
	}
	return append(out, d.healers(s)...)
}

// localSpecs lists those of a volume's bricks on this node that which chooses.
func (d *Daemon) localSpecs(v *store.Volume, which func(*store.Brick) bool) []brickproc.Spec {
	var out []brickproc.Spec
	for _, b := range v.Bricks {
		if b.Node == d.uuid && which(&b) {
			out = append(out, brickproc.Spec{Volume: v.Name, VolumeID: v.ID, Host: b.Host, Path: b.Path, VolfileID: volfileID(v, &b)})
		}
	}
	return out
}

func everyBrick(*store.Brick) bool { return true }

// stopStrays stops bricks that are not to run and do nevertheless: a daemon died between
// recording that and doing it.
func (d *Daemon) stopStrays(s *store.State) {
	for _, v := range s.Volumes {
		d.bricks.StopUnknown(v.Name, d.localSpecs(v, everyBrick))
		for _, spec := range d.localSpecs(v, everyBrick) {
			if v.Status != store.Started {
				d.bricks.StopStray(spec)
			}
		}
		for _, spec := range d.localSpecs(v, func(b *store.Brick) bool { return !b.Runs() }) {
			d.bricks.StopStray(spec)
		}
	}
}
