package fop

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// MissedXattr is a virtual xattr of an inode (internal): what a brick remembers of what other
// bricks missed of its data, as Missed.Bytes writes it. ENODATA: nothing.
const MissedXattr = "glusterfs.missed"

// Missed is which of a file's bytes other bricks have missed: those that Covered of the pending
// counters of data stand for, by key, missed no more than Spans.
type Missed struct {
	Covered map[string]uint32
	Spans   Spans
}

// Bytes encodes m, all numbers big-endian: how many keys (4 bytes); of each its length (2), the
// key and its counter (4); then offset and end of each span (8 each).
func (m *Missed) Bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(m.Covered)))
	for _, key := range slices.Sorted(maps.Keys(m.Covered)) {
		b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
		b = append(b, key...)
		b = binary.BigEndian.AppendUint32(b, m.Covered[key])
	}
	for _, s := range m.Spans.All() {
		b = binary.BigEndian.AppendUint64(b, uint64(s.Off))
		b = binary.BigEndian.AppendUint64(b, uint64(s.End))
	}
	return b
}

var errMissed = errors.New("what a brick says of missed bytes cannot be read")

// ParseMissed decodes what Bytes made.
func ParseMissed(b []byte) (m Missed, err error) {
	if len(b) < 4 {
		return m, errMissed
	}
	n := binary.BigEndian.Uint32(b)
	m.Covered = map[string]uint32{}
	b = b[4:]
	for range n {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b))+4 {
			return Missed{}, errMissed
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		m.Covered[string(b[2:end])] = binary.BigEndian.Uint32(b[end:])
		b = b[end+4:]
	}
	if len(b)%16 != 0 || len(b)/16 > MostSpans {
		return Missed{}, errMissed
	}
	for ; len(b) > 0; b = b[16:] {
		s := Span{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
		if s.Off < 0 || s.Off >= s.End {
			return Missed{}, errMissed
		}
		m.Spans.Add(s)
	}
	return m, nil
}
