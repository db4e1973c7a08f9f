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

// ballastSize is so much that small requests run the collector about as seldom as with
// three times the percentage. With more, a brick is above 40 MiB after large requests.
const ballastSize = 12 << 20

// tuneData is tune for the processes that data goes through. What lives in them is a few
// MiB while requests are small: there a percentage alone would collect all the time. It
// is a hundred MiB while large buffers are in flight: there a percentage high enough for
// the former would let several hundred of garbage pile up. So the percentage is low, and
// it is counted from a size that the ballast gives: memory that is never touched, which
// the collector counts and the machine does not give. The caller keeps it alive.
//
// The limit is for many requests in flight.
func tuneData() (ballast []byte) {
	tune(50, 512)
	return make([]byte, ballastSize)
}
