package mgmt

import (
	"context"
	"slices"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// volfileID is the name under which a brick asks for its volfile, as in GlusterFS.
func volfileID(v *store.Volume, b *store.Brick) string {
	return v.Name + "." + b.Host + "." + strings.ReplaceAll(strings.TrimPrefix(b.Path, "/"), "/", "-")
}

// definition is a volume as volgen wants it.
func definition(v *store.Volume) *volgen.Volume {
	g := &volgen.Volume{Name: v.Name, ID: v.ID, Replica: v.Replica, Arbiter: v.Arbiter, Graph: v.Graph, Gone: v.Gone, Options: map[string]string{}}
	for i := range v.Bricks {
		g.Bricks = append(g.Bricks, brickOf(&v.Bricks[i]))
	}
	for _, o := range v.Options {
		g.Options[o.Key] = o.Value
	}
	return g
}

func brickOf(b *store.Brick) volgen.Brick {
	return volgen.Brick{ID: b.ID, Host: b.Host, Path: b.Path, Disk: b.Disk}
}

// Volfile returns the client volfile of a volume, or a brick's by its volfile id. A
// volume's name may have the transport appended, as mounts with -o transport ask.
func (d *Daemon) Volfile(_ context.Context, id string) (string, error) {
	s := d.store.State()
	if id == volgen.HealID {
		if g := d.healGraph(s); g != nil {
			return g.String(), nil
		}
		return "", nil
	}
	if v := s.Volumes[strings.TrimSuffix(id, ".tcp")]; v != nil {
		return volgen.ClientGraph(definition(v)).String(), nil
	}
	name, _, _ := strings.Cut(id, ".")
	if v := s.Volumes[name]; v != nil {
		for i := range v.Bricks {
			if volfileID(v, &v.Bricks[i]) == id {
				return volgen.BrickGraph(definition(v), i).String(), nil
			}
		}
	}
	return "", &mgmt.Error{Code: mgmt.CodeNoVolume, Message: "Volume " + name + " does not exist"}
}

// changedVolfiles lists the ids of volfiles that may differ between two states.
func (d *Daemon) changedVolfiles(before, after *store.State) []string {
	out := []string{volgen.HealID}
	for name, v := range after.Volumes {
		old := before.Volumes[name]
		if old == v {
			continue // volumes are immutable: the same one is unchanged
		}
		out = append(out, name, name+".tcp")
		for i := range v.Bricks {
			out = append(out, volfileID(v, &v.Bricks[i]))
		}
	}
	return out
}

// Portmap returns where a brick of this node is that serves now.
func (d *Daemon) Portmap(ctx context.Context, path string) (*mgmt.Place, error) {
	st, stopped := d.bricks.State(ctx, path), d.stopped(path)
	switch {
	case st.Online:
		return &mgmt.Place{Port: st.Port, Socket: st.Socket}, nil
	case stopped != "":
		return nil, &mgmt.Error{Code: mgmt.CodeStopped, Message: "brick " + path + " is not running: volume " + stopped + " is not started"}
	case st.Reason != "":
		return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "brick " + path + " is not running: " + st.Reason}
	}
	return nil, &mgmt.Error{Code: mgmt.CodeOffline, Message: "brick " + path + " is not running"}
}

// stopped returns the volume of the brick at path on this node if it is one that is not
// started, else "".
func (d *Daemon) stopped(path string) string {
	for name, v := range d.store.State().Volumes {
		if v.Status != store.Started && slices.ContainsFunc(v.Bricks, func(b store.Brick) bool { return b.Node == d.uuid && b.Path == path }) {
			return name
		}
	}
	return ""
}
