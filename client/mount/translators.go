package mount

import (
	"github.com/gofs/gofs/afr"
	"github.com/gofs/gofs/dht"
	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/readonly"
	"github.com/gofs/gofs/xlators/xlator"
)

// types returns the translators that a mount knows. All graphs that it has in the course of
// time count into stats; this one's connections are noted in conns.
func types(resolve client.Resolver, stats *iostats.Stats, conns *connections) map[string]xlator.New {
	return map[string]xlator.New{
		"protocol/client":    conns.watch(client.New(resolve)),
		"cluster/replicate":  afr.New,
		"cluster/distribute": dht.New,
		"features/read-only": readonly.New,
		"debug/io-stats":     iostats.Into(stats),
		"debug/faults":       faults.New,
	}
}
