//go:build race

package mgmt

// hundred nodes would take minutes with the race detector.
const hundred = 15
