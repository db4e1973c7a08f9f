package dht

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// parseMinFree reads option min-free-disk: "10%" or "20GB".
func parseMinFree(s string) (share float64, size uint64, err error) {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		share, err = parsePercent("min-free-disk", p)
		return share, 0, err
	}
	size, ok := xlator.ParseSize(s)
	if !ok {
		return 0, 0, fmt.Errorf("option min-free-disk: %q is neither a percentage nor a size", s)
	}
	return 0, size, nil
}

// parsePercent reads a percentage, with or without %, as a share of 1.
func parsePercent(option, s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64)
	if err != nil || !(f >= 0 && f <= 100) {
		return 0, fmt.Errorf("option %s: %q is not a percentage", option, s)
	}
	return f / 100, nil
}

// full reports whether a subvolume should get no new files.
func (d *distribute) full(s *fop.StatfsReply) bool {
	if s == nil || s.Blocks == 0 {
		return false
	}
	if d.minFreeSize > 0 && s.Bavail*s.Frsize < d.minFreeSize {
		return true
	}
	if d.minFree > 0 && float64(s.Bavail) < d.minFree*float64(s.Blocks) {
		return true
	}
	return s.Files > 0 && float64(s.Favail) < d.minInodes*float64(s.Files)
}

// place returns where the data of a new file goes: to its hashed subvolume, or to the
// one with the most room if that is full.
func (d *distribute) place(hashed int, stats []*fop.StatfsReply) int {
	if hashed >= len(stats) || !d.full(stats[hashed]) {
		return hashed
	}
	best := hashed
	for i, s := range stats {
		if s != nil && d.isUp(i) && !d.full(s) && (best == hashed || s.Bavail*s.Frsize > stats[best].Bavail*stats[best].Frsize) {
			best = i
		}
	}
	return best
}
