//go:build race

package sim

// A run takes ten times as long with the race detector.
const usualRuns = 100
