package mgmt

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The first bytes of every gofs stream, and the kinds of stream that follow.
const (
	Magic = "gofs"

	KindMgmt   byte = 'm' // this package, for anybody
	KindPeer   byte = 'p' // this package, between daemons of a pool, after Greet
	KindRaft   byte = 'r' // the daemons' log, after Greet
	KindGossip byte = 'g' // the daemons' gossip, encrypted with the pool's key
	KindData   byte = 'd' // protocol/wire, on brick ports
)

// MaxFrame is the largest JSON text of one message, in bytes. It is checked before
// memory is allocated.
const MaxFrame = 16 << 20

// ErrNotGofs is returned by ReadKind for a stream that does not begin with Magic.
var ErrNotGofs = errors.New("the connection does not begin with the gofs magic")

// ReadKind reads the five bytes every stream begins with and returns the kind.
func ReadKind(r io.Reader) (byte, error) {
	var b [len(Magic) + 1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("reading the first bytes of a connection: %w", err)
	}
	if string(b[:len(Magic)]) != Magic {
		return 0, fmt.Errorf("%w: %q", ErrNotGofs, b[:])
	}
	return b[len(Magic)], nil
}

// message is one frame.
type message struct {
	ID     uint64          `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// encode returns the frame of m.
func encode(m *message) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", m.Method, err)
	}
	if len(text) > MaxFrame {
		return nil, fmt.Errorf("a message of %d bytes is larger than the limit of %d", len(text), MaxFrame)
	}
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text))), text...), nil
}

// readMessage reads one frame. io.EOF means that the stream ended between frames.
func readMessage(r io.Reader) (*message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes, the limit is %d", n, MaxFrame)
	}
	text, err := readN(r, int(n))
	if err != nil {
		return nil, err
	}
	m := new(message)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("frame is not a message: %w", err)
	}
	return m, nil
}

// readN reads n bytes, growing with what has really arrived, so that a header that
// promises much and sends little costs little.
func readN(r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		at := len(b)
		b = append(b, make([]byte, min(n-at, max(at, step)))...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return b, nil
}
