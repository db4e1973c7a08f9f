package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// stream is a WriteCloser into memory.
type stream struct {
	bytes.Buffer
	closed bool
}

func (s *stream) Close() error { s.closed = true; return nil }

func send(t testing.TB, w *Writer, pool *Pool, h Header, msg string, payload []byte) {
	t.Helper()
	head := pool.Get(HeaderSize)
	head.B = append(head.B, msg...)
	if err := w.Send(h, head, payload); err != nil {
		t.Fatal(err)
	}
}

func TestFrames(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, c := range []struct {
		name string
		wrap func(io.Reader) io.Reader
	}{{"whole", func(r io.Reader) io.Reader { return r }}, {"bytes", iotest.OneByteReader}, {"halves", iotest.HalfReader}, {"errors with data", iotest.DataErrReader}} {
		t.Run(c.name, func(t *testing.T) {
			var pool Pool
			s := &stream{}
			w := NewWriter(s)
			send(t, w, &pool, Header{Kind: KindPing}, "", nil)
			send(t, w, &pool, Header{Kind: KindRequest, Op: OpWritev, ID: 1 << 40, Handle: 9}, "message", big)
			send(t, w, &pool, Header{Kind: KindReply, Errno: 5, ID: 2}, "", nil)
			send(t, w, &pool, Header{Kind: KindRequest, ID: 3}, strings.Repeat("m", 100000), []byte("tail"))
			r := NewReader(c.wrap(&s.Buffer), &pool)
			next := func(want Header, msg string) {
				t.Helper()
				h, m, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				want.Message = uint32(len(msg))
				want.Payload = h.Payload
				if h != want {
					t.Fatalf("header %+v, want %+v", h, want)
				}
				if m != nil && string(m.B) != msg || m == nil && msg != "" {
					t.Fatalf("message differs")
				}
				m.Free()
			}
			next(Header{Kind: KindPing}, "")
			next(Header{Kind: KindRequest, Op: OpWritev, ID: 1 << 40, Handle: 9}, "message")
			got := make([]byte, len(big))
			if err := r.Payload(got); err != nil || !bytes.Equal(got, big) {
				t.Fatal("payload differs", err)
			}
			next(Header{Kind: KindReply, Errno: 5, ID: 2}, "")
			next(Header{Kind: KindRequest, ID: 3}, strings.Repeat("m", 100000))
			if _, _, err := r.Next(); err != io.EOF { // the payload was skipped
				t.Fatal(err)
			}
			if r.Stuck(time.Now()) != 0 {
				t.Error("stuck at the end")
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	good := func(change func(h *Header)) []byte {
		h := Header{Kind: KindRequest, Op: 1, ID: 1}
		change(&h)
		b := make([]byte, HeaderSize)
		h.put(b)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"rubbish", []byte(strings.Repeat("GET / HTTP/1.1\r\n", 4)), ErrMalformed},
		{"kind 0", good(func(h *Header) { h.Kind = 0 }), ErrMalformed},
		{"unknown kind", good(func(h *Header) { h.Kind = 200 }), ErrMalformed},
		{"message too long", good(func(h *Header) { h.Message = MaxRequest + 1 }), ErrMalformed},
		{"reply too long", good(func(h *Header) { h.Kind, h.Message = KindReply, MaxReply+1 }), ErrMalformed},
		{"payload too long", good(func(h *Header) { h.Payload = MaxPayload + 1 }), ErrMalformed},
		{"payload of a ping", good(func(h *Header) { h.Kind, h.Payload = KindPing, 1 }), ErrMalformed},
		{"version", append([]byte{0x6f, 0x46, 99}, make([]byte, 40)...), ErrMalformed},
		{"cut header", good(func(h *Header) {})[:20], io.ErrUnexpectedEOF},
		{"cut message", good(func(h *Header) { h.Message = 1 }), io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pool Pool
			if _, _, err := NewReader(bytes.NewReader(c.b), &pool).Next(); !errors.Is(err, c.want) {
				t.Errorf("Next() = %v, want %v", err, c.want)
			}
		})
	}
}

// TestWriterGathers sends from many goroutines, lazily and promptly, and checks that
// each frame arrives once and whole.
func TestWriterGathers(t *testing.T) {
	a, b := net.Pipe()
	var pool Pool
	w := NewWriter(a)
	defer w.Close()
	const senders, each = 8, 200
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			for j := range each {
				h := Header{Kind: KindRequest, ID: uint64(i), Handle: uint64(j)}
				head := pool.Get(HeaderSize)
				switch {
				case j == each-1:
					w.Send(h, head, nil)
				case rnd.IntN(4) == 0:
					w.SendLazy(h, head)
				case rnd.IntN(4) == 0:
					w.Post(h, head)
				default:
					p := bytes.Repeat([]byte{byte(i)}, rnd.IntN(3*copyPayload))
					if rnd.IntN(2) == 0 {
						w.Send(h, head, p)
					} else {
						w.SendTogether(h, head, p)
					}
					clear(p) // must not be used any more
				}
			}
		})
	}
	r := NewReader(b, &pool)
	next := [senders]uint64{}
	for range senders * each {
		h, m, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		m.Free()
		if h.Handle != next[h.ID] {
			t.Fatalf("frame %d of sender %d arrived when %d was due", h.Handle, h.ID, next[h.ID])
		}
		next[h.ID]++
		p := make([]byte, h.Payload)
		if err := r.Payload(p); err != nil {
			t.Fatal(err)
		}
		for _, c := range p {
			if c != byte(h.ID) {
				t.Fatal("payload was used after its Send had returned, or not yet filled")
			}
		}
	}
	wg.Wait()
}

func TestWriterError(t *testing.T) {
	a, b := net.Pipe()
	var pool Pool
	w := NewWriter(a)
	var wg sync.WaitGroup
	for i := range 8 {
		send := w.Send
		if i%2 == 1 {
			send = w.SendTogether
		}
		wg.Go(func() {
			for send(Header{Kind: KindPing}, pool.Get(HeaderSize), nil) == nil {
			}
			send(Header{Kind: KindRequest}, pool.Get(HeaderSize), make([]byte, 1<<20))
		})
	}
	io.CopyN(io.Discard, b, 1000)
	b.Close()
	wg.Wait() // nobody is left waiting
	w.Close()
}

func FuzzReader(f *testing.F) {
	s := &stream{}
	var pool Pool
	w := NewWriter(s)
	send(f, w, &pool, Header{Kind: KindRequest, Op: OpWritev, ID: 1}, "message", []byte("payload"))
	f.Add(s.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(iotest.HalfReader(bytes.NewReader(b)), &pool)
		if err := r.Preamble(); err != nil {
			r = NewReader(iotest.HalfReader(bytes.NewReader(b)), &pool)
		}
		for range 1000 {
			h, m, err := r.Next()
			if err != nil {
				return
			}
			if h.Message > MaxReply || h.Payload > MaxPayload || (m == nil) != (h.Message == 0) {
				t.Fatalf("%+v", h)
			}
			m.Free()
		}
	})
}
