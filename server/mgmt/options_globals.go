package mgmt

import (
	"context"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// setGlobals sets options of the whole pool: all of them or, if one is refused, none.
func (d *Daemon) setGlobals(ctx context.Context, q *mgmt.SetReq) error {
	c := &store.Command{}
	for _, o := range q.Options {
		key, value, err := volgen.CheckGlobal(o.Key, o.Value)
		if err != nil {
			return mgmt.Errorf("%v", err)
		}
		c.SetGlobals = append(c.SetGlobals, store.Option{Key: key, Value: value})
	}
	_, err := d.commit(ctx, c)
	return err
}

// resetGlobals takes one option of the whole pool, or with no key or all every one, back
// to its default.
func (d *Daemon) resetGlobals(ctx context.Context, q *mgmt.ResetReq) error {
	c := &store.Command{}
	if q.Key != "" && q.Key != all {
		key, err := volgen.ResolveGlobal(q.Key)
		if err != nil {
			return mgmt.Errorf("%v", err)
		}
		c.ResetGlobals = []string{key}
	} else {
		for _, o := range d.store.State().Options {
			c.ResetGlobals = append(c.ResetGlobals, o.Key)
		}
	}
	if len(c.ResetGlobals) == 0 {
		return nil
	}
	_, err := d.commit(ctx, c)
	return err
}

// withGlobals adds the options of the whole pool to a volume's, as volume info shows
// them.
func withGlobals(s *store.State, v *mgmt.Volume) *mgmt.Volume {
	for _, o := range s.Options {
		v.Options = append(v.Options, mgmt.Option(o))
	}
	return v
}
