package server

import (
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// handle is an open file or directory of a client. The counts are guarded by conn.mu.
type handle struct {
	file xlator.File // nil while it is being opened, and for a directory
	dir  xlator.Dir

	gfid  fop.GFID
	flags uint32 // it was opened with
	pid   int32  // of who opened it

	refs    int
	closing bool // close when refs is 0
	locked  bool // a lock was asked for through it
}

func (h *handle) close() {
	if h.file != nil {
		h.file.Close()
	}
	if h.dir != nil {
		h.dir.Close()
	}
}

// reserve takes a handle number that the client chose; its opening holds a reference.
func (c *conn) reserve(id uint64) (*handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == 0 || c.handles[id] != nil {
		return nil, syscall.EINVAL
	}
	if len(c.handles) >= c.s.cfg.MaxHandles {
		return nil, syscall.EMFILE
	}
	h := &handle{refs: 1}
	c.handles[id] = h
	return h, nil
}

// unreserve takes a number back whose opening failed.
func (c *conn) unreserve(id uint64) {
	c.mu.Lock()
	delete(c.handles, id)
	c.mu.Unlock()
}

// use returns the handle with a reference held; put gives it back.
func (c *conn) use(id uint64) (*handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.handles[id]
	if h == nil || h.file == nil && h.dir == nil {
		return nil, syscall.EBADF
	}
	h.refs++
	return h, nil
}

func (c *conn) put(h *handle) {
	c.mu.Lock()
	h.refs--
	last := h.refs == 0 && h.closing
	c.mu.Unlock()
	if last {
		h.close()
	}
}

// closeHandle is called by the reader. A file with locks is closed at once, so that a
// later request on the connection finds them released; others are closed on the side, as
// freeing the blocks of a removed file takes long.
func (c *conn) closeHandle(id uint64) {
	c.mu.Lock()
	h := c.handles[id]
	if h == nil {
		c.mu.Unlock()
		return
	}
	delete(c.handles, id)
	h.closing = true
	last := h.refs == 0
	locked := h.locked
	c.mu.Unlock()
	switch {
	case last && locked:
		h.close()
	case last:
		c.calls.Go(h.close)
	}
}
