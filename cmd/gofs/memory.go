package main

import (
	"os"
	"runtime/debug"
)

// tune sets how the collector works, unless the environment does: at how many percent
// of garbage it runs, and the size in MiB that is not exceeded without need.
func tune(percent int, mib int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(mib << 20)
	}
}

// tuneData is tune for the processes that data goes through: what lives in them is a few
// MiB, what passes is much, so collecting seldom is cheap. The limit is for many
// requests in flight.
func tuneData() { tune(300, 512) }
