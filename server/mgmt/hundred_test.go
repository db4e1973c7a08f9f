//go:build !race

package mgmt

const hundred = 100
