package wire

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// readBuffer is how much one read(2) may fetch: many small frames, or the beginning
// of a big one, whose payload then goes straight to where it belongs.
const readBuffer = 64 << 10

// A Reader takes frames from a stream. Its methods are for one goroutine at a time,
// except Idle and Stuck.
type Reader struct {
	src  io.Reader
	pool *Pool
	buf  []byte
	r, w int // the unread bytes are buf[r:w]

	payload int // bytes of the current frame's payload not yet taken

	last  atomic.Int64  // when bytes arrived last, Unix nanoseconds
	since atomic.Int64  // when the reader began to wait for the rest of a frame; 0: it does not
	bytes atomic.Uint64 // read in all
}

// NewReader reads from src and takes memory from pool.
func NewReader(src io.Reader, pool *Pool) *Reader {
	r := &Reader{src: src, pool: pool, buf: make([]byte, readBuffer)}
	r.last.Store(time.Now().UnixNano())
	return r
}

// Idle returns for how long nothing arrived.
func (r *Reader) Idle(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - r.last.Load())
}

// Stuck returns for how long the reader has been waiting for the rest of a frame that
// has begun; 0 if it is not.
func (r *Reader) Stuck(now time.Time) time.Duration {
	since := r.since.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(now.UnixNano() - since)
}

// Bytes returns how many bytes were read so far.
func (r *Reader) Bytes() uint64 { return r.bytes.Load() }

// Buffered returns how many bytes are there already, so that reading them does not
// block.
func (r *Reader) Buffered() int { return r.w - r.r }

// Next returns the next frame's header and its message; the caller frees the message.
// It is nil if it is empty. The payload, if there is one, must be taken with Payload or Discard first.
// io.EOF: the stream ended between two frames.
func (r *Reader) Next() (Header, *Buf, error) {
	if r.payload > 0 {
		if err := r.Discard(); err != nil {
			return Header{}, nil, err
		}
	}
	for r.w-r.r < HeaderSize {
		if r.w > r.r {
			r.since.CompareAndSwap(0, time.Now().UnixNano())
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && r.w > r.r {
				err = io.ErrUnexpectedEOF
			}
			return Header{}, nil, err
		}
	}
	h, err := parseHeader(r.buf[r.r:])
	if err != nil {
		return Header{}, nil, err
	}
	r.r += HeaderSize
	r.since.Store(0)
	r.payload = int(h.Payload)
	if h.Message == 0 {
		return h, nil, nil
	}
	m := r.pool.Get(int(h.Message))
	if err := r.full(m.B); err != nil {
		m.Free()
		return Header{}, nil, err
	}
	return h, m, nil
}

// Payload fills p with the next len(p) bytes of the current frame's payload.
func (r *Reader) Payload(p []byte) error {
	if len(p) > r.payload {
		return fmt.Errorf("%w: payload shorter than expected", ErrMalformed)
	}
	r.payload -= len(p)
	return r.full(p)
}

// Discard skips what is left of the current frame's payload.
func (r *Reader) Discard() error {
	for r.payload > 0 {
		if r.r == r.w {
			r.since.CompareAndSwap(0, time.Now().UnixNano())
			if err := r.fill(); err != nil {
				return unexpected(err)
			}
		}
		n := min(r.payload, r.w-r.r)
		r.r += n
		r.payload -= n
	}
	r.since.Store(0)
	return nil
}

// full fills p: first from the buffer, then a long rest directly, a short one
// through the buffer, so that the same read fetches what follows.
func (r *Reader) full(p []byte) error {
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	if n == len(p) {
		return nil
	}
	r.since.Store(time.Now().UnixNano())
	for n < len(p) {
		if len(p)-n >= readBuffer/2 {
			k, err := r.src.Read(p[n:])
			n += k
			r.arrived(k)
			if err != nil && n < len(p) {
				return unexpected(err)
			}
			continue
		}
		if err := r.fill(); err != nil {
			return unexpected(err)
		}
		k := copy(p[n:], r.buf[r.r:r.w])
		r.r += k
		n += k
	}
	r.since.Store(0)
	return nil
}

// fill reads at least one more byte into the buffer.
func (r *Reader) fill() error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	} else if len(r.buf)-r.w < HeaderSize {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		if n > 0 {
			r.arrived(n)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (r *Reader) arrived(n int) {
	if n > 0 {
		r.last.Store(time.Now().UnixNano())
		r.bytes.Add(uint64(n))
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Preamble reads what must come before the first frame. Errors wrap ErrMalformed.
func (r *Reader) Preamble() error {
	var b [len(Preamble)]byte
	if err := r.full(b[:]); err != nil {
		return err
	}
	if string(b[:]) != Preamble {
		return fmt.Errorf("%w: the connection begins with %q", ErrMalformed, b)
	}
	return nil
}
