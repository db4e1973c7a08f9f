package posix

import (
	"sync"
	"time"
)

const (
	flushInterval = time.Second
	// maxDirty bounds the inodes whose times wait for the flusher.
	maxDirty = 8192
)

// dirtyList holds, pinned, the inodes whose mdata is newer than the disk's.
type dirtyList struct {
	b     *brick
	flush sync.Mutex // held by all, so that its return means what it says
	mu    sync.Mutex
	m     map[*inode]struct{} // guarded by mu
}

// add puts in, whose times have just become newer than the disk's, on the list. If the
// list is full they go to disk at once.
func (d *dirtyList) add(in *inode) {
	d.mu.Lock()
	_, there := d.m[in]
	full := len(d.m) >= maxDirty
	if !there && !full {
		d.b.table.again(in)
		d.m[in] = struct{}{}
	}
	d.mu.Unlock()
	if !there && full {
		d.b.writeMdata(in)
	}
}

// all writes all times that are not on disk.
func (d *dirtyList) all() {
	d.flush.Lock()
	defer d.flush.Unlock()
	d.mu.Lock()
	m := d.m
	d.m = make(map[*inode]struct{}, min(len(m), 1024))
	d.mu.Unlock()
	for in := range m {
		d.b.writeMdata(in)
		d.b.table.unpin(in)
	}
}

// writeMdata writes in's times. A failure loses timestamps only, and a sick disk shows
// in the fops that matter, so none is reported.
func (b *brick) writeMdata(in *inode) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.dirty {
		return
	}
	in.dirty = false
	if !in.gone.Load() && in.hasMd {
		_ = b.setx(in, xattrMdata, in.md.encode(), 0)
	}
}

// flusher writes times once in a while until done is closed.
func (b *brick) flusher(done <-chan struct{}) {
	t := time.NewTicker(flushInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			b.dirty.all()
		case <-done:
			return
		}
	}
}
