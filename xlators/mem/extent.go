package mem

// chunkSize is the granularity of holes, as on most disks.
const chunkSize = 4 << 10

// content is a file's content: chunks that were never written are holes. The zero
// value is empty.
type content struct {
	size   int64
	chunks map[int64][]byte // by offset / chunkSize; all of chunkSize
}

func (c *content) resize(size int64) {
	if size < c.size {
		c.zero(size, c.size)
		for k := range c.chunks {
			if k*chunkSize >= size {
				delete(c.chunks, k)
			}
		}
	}
	c.size = size
}

// readAt copies what lies at off and returns how much that was.
func (c *content) readAt(b []byte, off int64) int {
	n := int(min(int64(len(b)), max(c.size-off, 0)))
	b = b[:n]
	for len(b) > 0 {
		in := int(off % chunkSize)
		part := min(len(b), chunkSize-in)
		if k := c.chunks[off/chunkSize]; k != nil {
			copy(b[:part], k[in:])
		} else {
			clear(b[:part])
		}
		b, off = b[part:], off+int64(part)
	}
	return n
}

// writeAt stores b at off, growing the file.
func (c *content) writeAt(b []byte, off int64) {
	if len(b) == 0 {
		return
	}
	c.size = max(c.size, off+int64(len(b)))
	if c.chunks == nil {
		c.chunks = map[int64][]byte{}
	}
	for len(b) > 0 {
		k, in := off/chunkSize, int(off%chunkSize)
		if c.chunks[k] == nil {
			c.chunks[k] = make([]byte, chunkSize)
		}
		n := copy(c.chunks[k][in:], b)
		b, off = b[n:], off+int64(n)
	}
}

// zero makes [from, to) read as zeros; whole chunks become holes.
func (c *content) zero(from, to int64) {
	for k, b := range c.chunks {
		lo, hi := max(from-k*chunkSize, 0), min(to-k*chunkSize, chunkSize)
		switch {
		case lo >= hi:
		case lo == 0 && hi == chunkSize:
			delete(c.chunks, k)
		default:
			clear(b[lo:hi])
		}
	}
}

// seek returns the next offset from off on where there is data (or a hole).
func (c *content) seek(off int64, data bool) (int64, bool) {
	for off < c.size {
		if (c.chunks[off/chunkSize] != nil) == data {
			return off, true
		}
		if data && len(c.chunks) == 0 {
			return 0, false
		}
		off = (off/chunkSize + 1) * chunkSize
	}
	return c.size, !data
}
