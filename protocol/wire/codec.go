package wire

import (
	"fmt"
	"unsafe"

	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
	"google.golang.org/protobuf/proto"
)

// A Codec turns values of T into protobuf messages and back.
type Codec[T any] struct {
	append func([]byte, *T) ([]byte, error)
	parse  func([]byte) (*T, error)
}

// Append appends v's message to b.
func (c Codec[T]) Append(b []byte, v *T) ([]byte, error) { return c.append(b, v) }

// Parse reads a message. The result does not refer to b. Errors wrap ErrMalformed.
func (c Codec[T]) Parse(b []byte) (*T, error) { return c.parse(b) }

// codec makes a Codec from the two conversions between T and its message M.
func codec[T, M any, P interface {
	*M
	proto.Message
}](to func(*T) P, from func(*parser, P) *T) Codec[T] {
	return Codec[T]{
		append: func(b []byte, v *T) ([]byte, error) {
			return proto.MarshalOptions{AllowPartial: true}.MarshalAppend(b, to(v))
		},
		parse: func(b []byte) (*T, error) {
			m := P(new(M))
			// Merge: m is new and need not be reset.
			if err := (proto.UnmarshalOptions{AllowPartial: true, Merge: true}).Unmarshal(b, m); err != nil {
				return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
			}
			var r parser
			v := from(&r, m)
			if r.err != nil {
				return nil, r.err
			}
			return v, nil
		},
	}
}

// parser collects the first error of a conversion from protobuf.
type parser struct{ err error }

func (r *parser) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
}

// raw views s as bytes for marshalling, which only reads them.
func raw(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// str views b as a string. b was made by proto.Unmarshal for one field that nobody
// else refers to once the conversion is done.
func str(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func rawAll(ss []string) [][]byte {
	if len(ss) == 0 {
		return nil
	}
	out := make([][]byte, len(ss))
	for i, s := range ss {
		out[i] = raw(s)
	}
	return out
}

func strAll(bs [][]byte) []string {
	if len(bs) == 0 {
		return nil
	}
	out := make([]string, len(bs))
	for i, b := range bs {
		out[i] = str(b)
	}
	return out
}

func gfidTo(g *fop.GFID) []byte {
	if g.IsZero() {
		return nil
	}
	return g[:]
}

func (r *parser) gfid(b []byte) (g fop.GFID) {
	if len(b) != 0 && len(b) != len(g) {
		r.fail("GFID of %d bytes", len(b))
	}
	copy(g[:], b)
	return g
}

func timeTo(t fop.Time) *pb.Time {
	if t.IsZero() {
		return nil
	}
	return &pb.Time{Sec: t.Sec, Nsec: t.Nsec}
}

func (r *parser) time(m *pb.Time) fop.Time { return fop.Time{Sec: m.GetSec(), Nsec: m.GetNsec()} }

func callerTo(q *fop.Req) *pb.Caller {
	c := q.Caller
	if c == nil {
		return nil
	}
	return &pb.Caller{Uid: c.UID, Gid: c.GID, Groups: c.Groups, Pid: c.PID, Time: timeTo(c.Time)}
}

func (r *parser) req(m *pb.Caller) fop.Req {
	c := &fop.Caller{UID: m.GetUid(), GID: m.GetGid(), Groups: m.GetGroups(), PID: m.GetPid(), Time: r.time(m.GetTime())}
	return fop.Req{Caller: c}
}

func xattrsTo(xs []fop.Xattr) []*pb.Xattr {
	if len(xs) == 0 {
		return nil
	}
	ms := make([]pb.Xattr, len(xs))
	out := make([]*pb.Xattr, len(xs))
	for i := range xs {
		ms[i].Name, ms[i].Value = raw(xs[i].Name), xs[i].Value
		out[i] = &ms[i]
	}
	return out
}

func (r *parser) xattrs(ms []*pb.Xattr) []fop.Xattr {
	if len(ms) == 0 {
		return nil
	}
	out := make([]fop.Xattr, len(ms))
	for i, m := range ms {
		out[i] = fop.Xattr{Name: str(m.GetName()), Value: m.GetValue()}
	}
	return out
}

func iattTo(a *fop.Iatt) *pb.Iatt {
	if *a == (fop.Iatt{}) {
		return nil
	}
	return &pb.Iatt{
		Gfid: gfidTo(&a.GFID), Type: uint32(a.Type), Flags: uint32(a.Flags), Mode: a.Mode, Nlink: a.Nlink,
		Uid: a.UID, Gid: a.GID, Rdev: a.Rdev, Size: a.Size, Blksize: a.Blksize, Blocks: a.Blocks,
		Atime: a.Atime.Sec, AtimeNsec: a.Atime.Nsec, Mtime: a.Mtime.Sec, MtimeNsec: a.Mtime.Nsec,
		Ctime: a.Ctime.Sec, CtimeNsec: a.Ctime.Nsec,
	}
}

func (r *parser) iatt(m *pb.Iatt) fop.Iatt {
	if m == nil {
		return fop.Iatt{}
	}
	if m.Type > 15 || m.Flags > 255 {
		r.fail("iatt of type %d, flags %#x", m.Type, m.Flags)
	}
	return fop.Iatt{
		GFID: r.gfid(m.Gfid), Type: fop.FileType(m.Type), Flags: fop.IattFlags(m.Flags), Mode: m.Mode, Nlink: m.Nlink,
		UID: m.Uid, GID: m.Gid, Rdev: m.Rdev, Size: m.Size, Blksize: m.Blksize, Blocks: m.Blocks,
		Atime: fop.Time{Sec: m.Atime, Nsec: m.AtimeNsec}, Mtime: fop.Time{Sec: m.Mtime, Nsec: m.MtimeNsec},
		Ctime: fop.Time{Sec: m.Ctime, Nsec: m.CtimeNsec},
	}
}
