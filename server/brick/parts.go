package brick

import (
	"github.com/gofs/gofs/xlators/arbiter"
	"github.com/gofs/gofs/xlators/barrier"
	"github.com/gofs/gofs/xlators/index"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/upcall"
	"github.com/gofs/gofs/xlators/xlator"
)

// parts are the translators of the graph that the daemon asks about. Each is set while the
// graph is built, and nil or false if the graph has none.
type parts struct {
	stats     *iostats.Stats
	barrier   *barrier.Barrier
	locks     locks.Table
	locksName string // of the translator in the volfile
	posix     xlator.Xlator
	arbiter   bool // it has no data
}

// types returns the translators that a brick process knows. What they make is kept in p.
func (p *parts) types() map[string]xlator.New {
	return map[string]xlator.New{
		"storage/posix": func(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (x xlator.Xlator, err error) {
			x, err = posix.New(env, opts, subvols)
			p.posix = x
			return x, err
		},
		"features/arbiter": func(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
			p.arbiter = true
			return arbiter.New(env, opts, subvols)
		},
		"features/index":  index.New,
		"features/upcall": upcall.New,
		"features/locks": func(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
			x, err := locks.New(env, opts, subvols)
			if err == nil {
				p.locks, p.locksName = locks.Of(x), env.Name
			}
			return x, err
		},
		"debug/io-stats": iostats.Into(p.stats),
	}
}
