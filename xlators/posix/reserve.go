package posix

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// reserveInterval is how often the disk's free space is looked at.
const reserveInterval = 5 * time.Second

// reserve is the room that clients may not fill, so that there is some for what the bricks
// themselves must note. The zero value keeps none.
type reserve struct {
	share float64 // of the disk, 0..1
	bytes uint64
}

// parseReserve reads option reserve: a percentage, with or without %, or a size with its
// unit; a number above 100 is bytes.
func parseReserve(s string) (reserve, error) {
	num, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(num, 64)
	if err == nil && f >= 0 && f <= 100 {
		return reserve{share: f / 100}, nil
	}
	if size, ok := xlator.ParseSize(num); ok && !percent {
		return reserve{bytes: size}, nil
	}
	return reserve{}, fmt.Errorf("option reserve: %q is neither a percentage nor a size", s)
}

// blocks is how many blocks of a disk are kept.
func (r reserve) blocks(s *unix.Statfs_t) uint64 {
	return uint64(r.share*float64(s.Blocks)) + r.bytes/uint64(max(s.Frsize, 1))
}

// watchRoom notes whether more than the reserve is free, until Close.
func (b *brick) watchRoom() {
	t := time.NewTicker(reserveInterval)
	defer t.Stop()
	for {
		b.lookForRoom()
		select {
		case <-b.done:
			return
		case <-t.C:
		}
	}
}

func (b *brick) lookForRoom() {
	var s unix.Statfs_t
	if unix.Fstatfs(b.root.fd, &s) != nil {
		return // the health check is for that
	}
	full := s.Bavail <= b.reserve.blocks(&s)
	if b.full.Swap(full) != full {
		b.log.Warn("the disk's free space reached the brick's reserve, or left it", "brick", b.dir, "full", full, "free_bytes", s.Bavail*uint64(s.Frsize))
	}
}

// room is ENOSPC when a client would take from the reserve. Internal actors may.
func (b *brick) room(c *fop.Caller) error {
	if b.full.Load() && (c == nil || c.PID >= 0) {
		return syscall.ENOSPC
	}
	return nil
}
