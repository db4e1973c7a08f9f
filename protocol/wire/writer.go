package wire

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// copyPayload is up to which size a payload is copied behind its message: cheaper
	// than another element in writev, and its owner need not wait for the socket.
	copyPayload = 16 << 10
	// lazyDelay is how long a frame of SendLazy waits for company at most.
	lazyDelay = 2 * time.Millisecond
	// maxQueued bounds the bytes that wait for a peer that does not read.
	maxQueued = 64 << 20
)

var errNotReading = errors.New("the peer does not read what is sent to it")

// A Writer puts frames on a stream. Whoever sends while nobody else does writes on
// its own goroutine; what others send meanwhile is gathered and goes out in one
// writev after it. All methods are safe for concurrent use.
//
// The first error closes the stream and is returned ever after.
type Writer struct {
	dst io.WriteCloser

	sent  atomic.Int64  // when something was written last, Unix nanoseconds
	bytes atomic.Uint64 // written in all

	mu     sync.Mutex
	busy   bool  // somebody is writing, and writes or hands on what is queued
	err    error // the first error
	queue  []frame
	queued int // bytes in queue
	lazy   *time.Timer
	armed  bool // lazy will fire
	drains sync.WaitGroup

	// Owned by whoever set busy:
	batch []frame
	iov   net.Buffers
}

// frame is one frame to be written: header and message, then the payload.
type frame struct {
	head    *Buf
	payload []byte
	wait    bool          // the sender waits even without a payload
	done    chan struct{} // closed when it is written; nil: nobody waits
}

// NewWriter writes to dst, which it closes at the first error.
func NewWriter(dst io.WriteCloser) *Writer {
	w := &Writer{dst: dst}
	w.sent.Store(time.Now().UnixNano())
	return w
}

// Idle returns for how long nothing was written.
func (w *Writer) Idle(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - w.sent.Load())
}

// Bytes returns how many bytes were written so far.
func (w *Writer) Bytes() uint64 { return w.bytes.Load() }

// Send sends a frame. head.B holds HeaderSize bytes of room and then the message; the
// Writer fills in the header with h and frees head. payload is not used any more when
// Send returns. A nil error says that the frame is written or queued, not that it will
// arrive.
func (w *Writer) Send(h Header, head *Buf, payload []byte) error {
	return w.send(seal(h, head, payload))
}

// SendNow is Send without a payload, and returns when the frame is written: it is for
// the last one.
func (w *Writer) SendNow(h Header, head *Buf) error {
	f := seal(h, head, nil)
	f.wait = true
	return w.send(f)
}

// SendTogether is Send where others are about to send too: they get to run first, and
// what they send goes out in the same write. The peer wakes up once for all of them.
func (w *Writer) SendTogether(h Header, head *Buf, payload []byte) error {
	w.mu.Lock()
	alone := w.err == nil && !w.busy
	if alone {
		w.busy = true
	}
	w.mu.Unlock()
	if !alone {
		return w.Send(h, head, payload)
	}
	runtime.Gosched()
	w.mu.Lock()
	return w.sendOwned(seal(h, head, payload)) // unlocks
}

func (w *Writer) send(f frame) error {
	w.mu.Lock()
	if w.err != nil || w.busy {
		return w.enqueue(f) // unlocks
	}
	w.busy = true
	return w.sendOwned(f) // unlocks
}

// sendOwned writes what is queued and f. The caller has set busy and holds mu, which is
// released.
func (w *Writer) sendOwned(f frame) error {
	if err := w.err; err != nil {
		w.busy = false
		w.dropLocked()
		w.mu.Unlock()
		f.head.Free()
		return err
	}
	w.batch = append(w.batch[:0], w.queue...)
	w.batch = append(w.batch, f)
	w.queue, w.queued = w.queue[:0], 0
	w.mu.Unlock()
	w.write()
	return w.next()
}

// SendLazy queues a frame that nobody waits for: it goes out with the next one that is
// sent, or soon.
func (w *Writer) SendLazy(h Header, head *Buf) error {
	f := seal(h, head, nil)
	w.mu.Lock()
	if w.err == nil && !w.busy && !w.armed {
		w.armed = true
		if w.lazy == nil {
			w.lazy = time.AfterFunc(lazyDelay, w.flushLazy)
		} else {
			w.lazy.Reset(lazyDelay)
		}
	}
	return w.enqueue(f)
}

// Post queues a frame and returns without waiting for the stream.
func (w *Writer) Post(h Header, head *Buf) error {
	f := seal(h, head, nil)
	w.mu.Lock()
	if w.err == nil && !w.busy {
		w.busy = true
		w.drains.Go(w.drain)
	}
	return w.enqueue(f)
}

// Close makes all later sends fail, closes the stream and waits for the Writer's
// goroutines.
func (w *Writer) Close() error {
	w.fail(net.ErrClosed)
	w.drains.Wait()
	return nil
}

// seal completes a frame's bytes.
func seal(h Header, head *Buf, payload []byte) frame {
	h.Message = uint32(len(head.B) - HeaderSize)
	h.Payload = uint32(len(payload))
	h.put(head.B)
	if len(payload) <= copyPayload {
		head.B = append(head.B, payload...)
		payload = nil
	}
	return frame{head: head, payload: payload}
}

// enqueue is called with mu held and releases it. If f has a payload, or is to be waited
// for, it returns when that is written.
func (w *Writer) enqueue(f frame) error {
	if w.err == nil && w.queued > maxQueued {
		w.failLocked(errNotReading)
	}
	if err := w.err; err != nil {
		w.mu.Unlock()
		f.head.Free()
		return err
	}
	if f.payload != nil || f.wait {
		f.done = make(chan struct{})
	} else {
		w.queued += len(f.head.B)
	}
	w.queue = append(w.queue, f)
	w.mu.Unlock()
	if f.done != nil {
		<-f.done
	}
	return nil
}

// write puts out w.batch. The caller has set busy.
func (w *Writer) write() {
	var err error
	n := 0
	if len(w.batch) == 1 && w.batch[0].payload == nil {
		b := w.batch[0].head.B
		n = len(b)
		_, err = w.dst.Write(b)
	} else {
		iov := w.iov[:0]
		for _, f := range w.batch {
			iov = append(iov, f.head.B)
			n += len(f.head.B)
			if f.payload != nil {
				iov = append(iov, f.payload)
				n += len(f.payload)
			}
		}
		w.iov = iov
		_, err = w.iov.WriteTo(w.dst)
		clear(iov)
		w.iov = iov
	}
	w.sent.Store(time.Now().UnixNano())
	w.bytes.Add(uint64(n))
	for i, f := range w.batch {
		f.head.Free()
		if f.done != nil {
			close(f.done)
		}
		w.batch[i] = frame{}
	}
	if err != nil {
		w.fail(err)
	}
}

// next gives up busy, or hands it to a goroutine if more piled up: the sender wants to
// go on with its own work.
func (w *Writer) next() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && len(w.queue) > 0 {
		w.drains.Go(w.drain)
		return nil
	}
	w.busy = false
	w.dropLocked()
	return w.err
}

// drain writes what is queued until nothing is. It owns busy.
func (w *Writer) drain() {
	for {
		w.mu.Lock()
		if w.err != nil || len(w.queue) == 0 {
			w.busy = false
			w.dropLocked()
			w.mu.Unlock()
			return
		}
		w.batch, w.queue = w.queue, w.batch[:0]
		w.queued = 0
		w.mu.Unlock()
		w.write()
	}
}

func (w *Writer) flushLazy() {
	w.mu.Lock()
	w.armed = false
	if w.err == nil && !w.busy && len(w.queue) > 0 {
		w.busy = true
		w.drains.Go(w.drain)
	}
	w.mu.Unlock()
}

func (w *Writer) fail(err error) {
	w.mu.Lock()
	w.failLocked(err)
	w.mu.Unlock()
}

func (w *Writer) failLocked(err error) {
	if w.err != nil {
		return
	}
	w.err = err
	w.dst.Close()
	if w.lazy != nil {
		w.lazy.Stop()
	}
	if !w.busy {
		w.dropLocked()
	}
}

// dropLocked throws away the queue after an error.
func (w *Writer) dropLocked() {
	if w.err == nil {
		return
	}
	for _, f := range w.queue {
		f.head.Free()
		if f.done != nil {
			close(f.done)
		}
	}
	w.queue, w.queued = nil, 0
}
