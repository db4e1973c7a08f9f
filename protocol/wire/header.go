package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
)

const (
	// Version is of the frame layout and of the messages.
	Version = 1
	// HeaderSize is the length of a frame's fixed part in bytes.
	HeaderSize = 32
	// MaxPayload bounds the raw bytes after a message.
	MaxPayload = 8 << 20
	// MaxRequest and MaxReply bound the protobuf message of a frame.
	MaxRequest = 4 << 20
	MaxReply   = 16 << 20

	magic = 0x6f46
)

// Preamble is what a client sends before its first frame.
const Preamble = "gofsd"

// Kind says what a frame is.
type Kind uint8

const (
	KindHello      Kind = iota + 1
	KindHelloReply      // errno and pb.HelloReply
	KindRequest         // id 0: no reply is wanted
	KindReply           //
	KindCancel          // the caller of id no longer waits
	KindEvent           // server to client
	KindPing            // alive
	KindBye             // the sender closes; the message is a sentence that says why
	kindEnd
)

// ErrMalformed is wrapped by every error about bytes that are not the protocol's.
var ErrMalformed = errors.New("malformed frame")

// Header is the fixed part of a frame.
type Header struct {
	Kind    Kind
	Op      Op
	Errno   syscall.Errno
	ID      uint64
	Handle  uint64
	Message uint32 // length of the message
	Payload uint32 // length of the payload
}

// put writes h into b[:HeaderSize].
func (h *Header) put(b []byte) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint16(b[0:], magic)
	b[2] = Version
	b[3] = byte(h.Kind)
	binary.BigEndian.PutUint16(b[4:], uint16(h.Op))
	binary.BigEndian.PutUint16(b[6:], uint16(h.Errno))
	binary.BigEndian.PutUint64(b[8:], h.ID)
	binary.BigEndian.PutUint64(b[16:], h.Handle)
	binary.BigEndian.PutUint32(b[24:], h.Message)
	binary.BigEndian.PutUint32(b[28:], h.Payload)
}

// parseHeader reads b[:HeaderSize] and checks everything that can be checked before
// the message is there.
func parseHeader(b []byte) (Header, error) {
	_ = b[HeaderSize-1]
	if m := binary.BigEndian.Uint16(b); m != magic {
		return Header{}, fmt.Errorf("%w: magic %#04x", ErrMalformed, m)
	}
	if b[2] != Version {
		return Header{}, fmt.Errorf("%w: version %d, want %d", ErrMalformed, b[2], Version)
	}
	h := Header{
		Kind:    Kind(b[3]),
		Op:      Op(binary.BigEndian.Uint16(b[4:])),
		Errno:   syscall.Errno(binary.BigEndian.Uint16(b[6:])),
		ID:      binary.BigEndian.Uint64(b[8:]),
		Handle:  binary.BigEndian.Uint64(b[16:]),
		Message: binary.BigEndian.Uint32(b[24:]),
		Payload: binary.BigEndian.Uint32(b[28:]),
	}
	if h.Kind == 0 || h.Kind >= kindEnd {
		return Header{}, fmt.Errorf("%w: kind %d", ErrMalformed, h.Kind)
	}
	limit := uint32(MaxRequest)
	if h.Kind == KindReply {
		limit = MaxReply
	}
	if h.Message > limit {
		return Header{}, fmt.Errorf("%w: message of %d bytes, at most %d are allowed", ErrMalformed, h.Message, limit)
	}
	if h.Payload > MaxPayload {
		return Header{}, fmt.Errorf("%w: payload of %d bytes, at most %d are allowed", ErrMalformed, h.Payload, MaxPayload)
	}
	if h.Payload > 0 && h.Kind != KindRequest && h.Kind != KindReply {
		return Header{}, fmt.Errorf("%w: payload in a frame of kind %d", ErrMalformed, h.Kind)
	}
	return h, nil
}
