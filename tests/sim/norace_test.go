//go:build !race

package sim

const usualRuns = 2000
