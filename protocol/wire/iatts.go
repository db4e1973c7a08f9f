package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/gofs/gofs/xlators/fop"
	"google.golang.org/protobuf/encoding/protowire"
)

// Most answers of small fops are attributes and nothing else, three bricks send them, and the
// generated code makes an object for each, and for each GFID in them. So these are written
// and read by hand, straight from and into the answer. What is on the wire is pb's messages.

// iattFields are the fields 1, 2, ... of a message of Iatts; nil beyond the last.
type iattFields [6]*fop.Iatt

// iatts makes the Codec of a message that has only Iatts, numbered in the order of fields.
func iatts[T any](fields func(*T) iattFields) Codec[T] {
	return Codec[T]{
		append: func(b []byte, v *T) ([]byte, error) {
			for i, a := range fields(v) {
				if a != nil && *a != (fop.Iatt{}) {
					b = appendIatt(b, protowire.Number(i+1), a)
				}
			}
			return b, nil
		},
		parse: func(b []byte) (*T, error) {
			v := new(T)
			to := fields(v)
			for len(b) > 0 {
				num, typ, n, err := consumeTag(b)
				if err != nil {
					return nil, err
				}
				b = b[n:]
				if typ == protowire.BytesType && int(num) <= len(to) && to[num-1] != nil {
					inner, n := protowire.ConsumeBytes(b)
					if n < 0 {
						return nil, malformed(n)
					}
					if err := parseIatt(inner, to[num-1]); err != nil {
						return nil, err
					}
					b = b[n:]
					continue
				}
				if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
					return nil, malformed(n)
				}
				b = b[n:]
			}
			return v, nil
		},
	}
}

// consumeTag is protowire's, which lets numbers through that are too large.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int, error) {
	num, typ, n := protowire.ConsumeTag(b)
	switch {
	case n < 0:
		return 0, 0, 0, malformed(n)
	case num > protowire.MaxValidNumber:
		return 0, 0, 0, fmt.Errorf("%w: field %d", ErrMalformed, num)
	}
	return num, typ, n, nil
}

func malformed(n int) error { return fmt.Errorf("%w: %v", ErrMalformed, protowire.ParseError(n)) }

// The field numbers of pb.Iatt.
const (
	iattGFID protowire.Number = iota + 1
	iattType
	iattFlags
	iattMode
	iattNlink
	iattUID
	iattGID
	iattRdev
	iattSize
	iattBlksize
	iattBlocks
	iattAtime
	iattAtimeNsec
	iattMtime
	iattMtimeNsec
	iattCtime
	iattCtimeNsec
)

// appendIatt appends a as field num.
func appendIatt(b []byte, num protowire.Number, a *fop.Iatt) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	at := len(b)
	b = append(b, 0) // the length: nearly always one byte
	if !a.GFID.IsZero() {
		b = protowire.AppendTag(b, iattGFID, protowire.BytesType)
		b = protowire.AppendBytes(b, a.GFID[:])
	}
	b = appendNumber(b, iattType, uint64(a.Type))
	b = appendNumber(b, iattFlags, uint64(a.Flags))
	b = appendNumber(b, iattMode, uint64(a.Mode))
	b = appendNumber(b, iattNlink, uint64(a.Nlink))
	b = appendNumber(b, iattUID, uint64(a.UID))
	b = appendNumber(b, iattGID, uint64(a.GID))
	b = appendNumber(b, iattRdev, a.Rdev)
	b = appendNumber(b, iattSize, a.Size)
	b = appendNumber(b, iattBlksize, uint64(a.Blksize))
	b = appendNumber(b, iattBlocks, a.Blocks)
	b = appendTime(b, iattAtime, a.Atime)
	b = appendTime(b, iattMtime, a.Mtime)
	b = appendTime(b, iattCtime, a.Ctime)
	size := len(b) - at - 1
	if size < 0x80 {
		b[at] = byte(size)
		return b
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(size))
	b = append(b, length[1:n]...) // room
	copy(b[at+n:], b[at+1:at+1+size])
	copy(b[at:], length[:n])
	return b
}

func appendNumber(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// appendTime appends t as the fields num and num+1.
func appendTime(b []byte, num protowire.Number, t fop.Time) []byte {
	b = appendNumber(b, num, protowire.EncodeZigZag(t.Sec))
	if t.Nsec == 0 {
		return b
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, num+1, protowire.Fixed32Type), t.Nsec)
}

// parseIatt sets the fields of a that are in b.
func parseIatt(b []byte, a *fop.Iatt) error {
	for len(b) > 0 {
		num, typ, n, err := consumeTag(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch {
		case typ == protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(b); n >= 0 && !setNumber(a, num, v) {
				return fmt.Errorf("%w: iatt with field %d being %d", ErrMalformed, num, v)
			}
		case typ == protowire.Fixed32Type:
			var v uint32
			if v, n = protowire.ConsumeFixed32(b); n >= 0 {
				setNsec(a, num, v)
			}
		case typ == protowire.BytesType && num == iattGFID:
			var g []byte
			if g, n = protowire.ConsumeBytes(b); n >= 0 && len(g) != 0 && len(g) != len(a.GFID) {
				return fmt.Errorf("%w: GFID of %d bytes", ErrMalformed, len(g))
			}
			a.GFID = fop.GFID{}
			copy(a.GFID[:], g)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return malformed(n)
		}
		b = b[n:]
	}
	return nil
}

// setNumber sets the varint field num; false: to a value that it cannot have.
func setNumber(a *fop.Iatt, num protowire.Number, v uint64) bool {
	small := uint32(v) // as protobuf does with what is too large
	switch num {
	case iattType:
		a.Type = fop.FileType(small)
		return small <= 15
	case iattFlags:
		a.Flags = fop.IattFlags(small)
		return small <= 255
	case iattMode:
		a.Mode = small
	case iattNlink:
		a.Nlink = small
	case iattUID:
		a.UID = small
	case iattGID:
		a.GID = small
	case iattRdev:
		a.Rdev = v
	case iattSize:
		a.Size = v
	case iattBlksize:
		a.Blksize = small
	case iattBlocks:
		a.Blocks = v
	case iattAtime:
		a.Atime.Sec = protowire.DecodeZigZag(v)
	case iattMtime:
		a.Mtime.Sec = protowire.DecodeZigZag(v)
	case iattCtime:
		a.Ctime.Sec = protowire.DecodeZigZag(v)
	}
	return true
}

func setNsec(a *fop.Iatt, num protowire.Number, v uint32) {
	switch num {
	case iattAtimeNsec:
		a.Atime.Nsec = v
	case iattMtimeNsec:
		a.Mtime.Nsec = v
	case iattCtimeNsec:
		a.Ctime.Nsec = v
	}
}

// The messages that have only Iatts.
var (
	entryReplies  = iatts(func(a *fop.EntryReply) iattFields { return iattFields{&a.Iatt, &a.PreDir, &a.PostDir} })
	removeReplies = iatts(func(a *fop.RemoveReply) iattFields { return iattFields{&a.Iatt, &a.PreDir, &a.PostDir} })
	renameReplies = iatts(func(a *fop.RenameReply) iattFields {
		return iattFields{&a.Iatt, &a.PreOldDir, &a.PostOldDir, &a.PreNewDir, &a.PostNewDir, &a.Replaced}
	})
	statReplies  = iatts(func(a *fop.StatReply) iattFields { return iattFields{&a.Iatt} })
	inodeReplies = iatts(func(a *fop.InodeReply) iattFields { return iattFields{&a.Pre, &a.Post} })
)
