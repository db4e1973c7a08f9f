package brick

import (
	"github.com/gofs/gofs/xlators/arbiter"
	"github.com/gofs/gofs/xlators/index"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/xlator"
)

// types returns the translators that a brick process knows.
func types() map[string]xlator.New {
	return map[string]xlator.New{
		"storage/posix":    posix.New,
		"features/arbiter": arbiter.New,
		"features/index":   index.New,
		"features/locks":   locks.New,
		"debug/io-stats":   iostats.New,
	}
}
