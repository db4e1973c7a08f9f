package mgmt

import (
	"context"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// all stands for the whole cluster where a volume's name is expected.
const all = "all"

// Set implements mgmt.Service.
func (d *Daemon) Set(ctx context.Context, q *mgmt.SetReq) error {
	if q.Name == all {
		return d.setGlobals(ctx, q)
	}
	if err := d.catchUp(ctx); err != nil {
		return err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return err
	}
	g := definition(v)
	c := &store.SetOptions{Name: q.Name}
	for _, o := range q.Options {
		key, value, err := volgen.Check(g, o.Key, o.Value)
		if err != nil {
			return mgmt.Errorf("%v", err)
		}
		c.Options = append(c.Options, store.Option{Key: key, Value: value})
		g.Options[key] = value
	}
	if err := volgen.CheckTogether(g); err != nil {
		return mgmt.Errorf("%v", err)
	}
	_, err = d.commit(ctx, &store.Command{SetOptions: c})
	return err
}

// Get implements mgmt.Service.
func (d *Daemon) Get(_ context.Context, q *mgmt.GetReq) ([]mgmt.OptionValue, error) {
	var values []volgen.Value
	if q.Name == all {
		var err error
		if values, err = volgen.Globals(d.globals(), q.Key); err != nil {
			return nil, mgmt.Errorf("%v", err)
		}
	} else {
		v, err := d.volume(q.Name)
		if err != nil {
			return nil, err
		}
		if q.Key == all {
			values = volgen.List(definition(v))
		} else if one, ok := volgen.Get(definition(v), q.Key); ok {
			values = []volgen.Value{one}
		} else {
			return nil, mgmt.Errorf("%s", volgen.Hint(q.Key))
		}
	}
	var out []mgmt.OptionValue
	for _, v := range values {
		out = append(out, mgmt.OptionValue(v))
	}
	return out, nil
}

// Reset implements mgmt.Service.
func (d *Daemon) Reset(ctx context.Context, q *mgmt.ResetReq) error {
	if q.Name == all {
		return d.resetGlobals(ctx, q)
	}
	if err := d.catchUp(ctx); err != nil {
		return err
	}
	v, err := d.volume(q.Name)
	if err != nil {
		return err
	}
	c := &store.ResetOptions{Name: q.Name}
	if q.Key == "" || q.Key == all {
		for _, o := range v.Options {
			if !volgen.Lasting(o.Key) {
				c.Keys = append(c.Keys, o.Key)
			}
		}
		_, err := d.commit(ctx, &store.Command{ResetOptions: c})
		return err
	}
	_, set := v.Option(q.Key)
	key, known := volgen.Resolve(q.Key)
	if !known || key == q.Key && !set && isUser(key) {
		return mgmt.Errorf("Option %s does not exist\n%s", q.Key, volgen.Hint(q.Key))
	}
	c.Keys = []string{key}
	g := definition(v)
	delete(g.Options, key)
	if err := volgen.CheckTogether(g); err != nil {
		return mgmt.Errorf("%v", err)
	}
	_, err = d.commit(ctx, &store.Command{ResetOptions: c})
	return err
}

// globals are the options of the whole pool that are set.
func (d *Daemon) globals() map[string]string {
	m := map[string]string{}
	for _, o := range d.store.State().Options {
		m[o.Key] = o.Value
	}
	return m
}

func isUser(key string) bool { return len(key) > 5 && key[:5] == "user." }
