package pool

import (
	"context"
	"encoding/binary"
	"os"
	"sync/atomic"
	"time"
)

// pulse writes one block again and again, past all caches, and measures how long that takes.
type pulse struct {
	path    string
	longest atomic.Int64 // nanoseconds that a write took since this was set to 0
}

// beat writes until ctx ends.
func (p *pulse) beat(ctx context.Context) error {
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_RDWR|os.O_SYNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	var block [512]byte
	for n := uint64(0); ctx.Err() == nil; n++ {
		binary.BigEndian.PutUint64(block[:], n)
		begin := time.Now()
		if _, err := f.WriteAt(block[:], 0); err != nil {
			return err
		}
		if took := int64(time.Since(begin)); took > p.longest.Load() {
			p.longest.Store(took)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}
