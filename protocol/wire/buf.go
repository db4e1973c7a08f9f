package wire

import (
	"math/bits"
	"sync"
)

// Pool hands out byte buffers of power-of-two capacities and takes them back. The
// zero value is ready to use; safe for concurrent use.
type Pool struct {
	classes [maxClass - minClass + 1]sync.Pool
}

const (
	minClass = 9  // 512 bytes
	maxClass = 24 // 16 MiB
)

// A Buf is a buffer from a Pool. B may be resliced and appended to.
type Buf struct {
	B    []byte
	pool *Pool
}

// Get returns a buffer with len(B) == n, of unspecified content.
func (p *Pool) Get(n int) *Buf {
	c := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if c > maxClass {
		return &Buf{B: make([]byte, n)}
	}
	if b, ok := p.classes[c-minClass].Get().(*Buf); ok {
		b.B = b.B[:n]
		return b
	}
	return &Buf{B: make([]byte, n, 1<<c), pool: p}
}

// Free gives b back; nothing may use b.B afterwards. A nil b is fine.
func (b *Buf) Free() {
	if b == nil || b.pool == nil {
		return
	}
	// The capacity's floor class: append may have grown it to anything.
	c := bits.Len(uint(cap(b.B))) - 1
	if c < minClass || c > maxClass {
		return
	}
	b.pool.classes[c-minClass].Put(b)
}
