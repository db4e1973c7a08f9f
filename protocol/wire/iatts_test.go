package wire

import (
	"errors"
	"reflect"
	"testing"

	"github.com/gofs/gofs/protocol/pb"
	"github.com/gofs/gofs/xlators/fop"
	"pgregory.net/rapid"
)

// The same by the generated code.

func entryReplyTo(a *fop.EntryReply) *pb.EntryReply {
	return &pb.EntryReply{Iatt: iattTo(&a.Iatt), PreDir: iattTo(&a.PreDir), PostDir: iattTo(&a.PostDir)}
}

func entryReplyFrom(r *parser, m *pb.EntryReply) *fop.EntryReply {
	return &fop.EntryReply{Iatt: r.iatt(m.Iatt), PreDir: r.iatt(m.PreDir), PostDir: r.iatt(m.PostDir)}
}

func removeReplyTo(a *fop.RemoveReply) *pb.RemoveReply {
	return &pb.RemoveReply{Iatt: iattTo(&a.Iatt), PreDir: iattTo(&a.PreDir), PostDir: iattTo(&a.PostDir)}
}

func removeReplyFrom(r *parser, m *pb.RemoveReply) *fop.RemoveReply {
	return &fop.RemoveReply{Iatt: r.iatt(m.Iatt), PreDir: r.iatt(m.PreDir), PostDir: r.iatt(m.PostDir)}
}

func renameReplyTo(a *fop.RenameReply) *pb.RenameReply {
	return &pb.RenameReply{Iatt: iattTo(&a.Iatt), PreOldDir: iattTo(&a.PreOldDir), PostOldDir: iattTo(&a.PostOldDir),
		PreNewDir: iattTo(&a.PreNewDir), PostNewDir: iattTo(&a.PostNewDir), Replaced: iattTo(&a.Replaced)}
}

func renameReplyFrom(r *parser, m *pb.RenameReply) *fop.RenameReply {
	return &fop.RenameReply{Iatt: r.iatt(m.Iatt), PreOldDir: r.iatt(m.PreOldDir), PostOldDir: r.iatt(m.PostOldDir),
		PreNewDir: r.iatt(m.PreNewDir), PostNewDir: r.iatt(m.PostNewDir), Replaced: r.iatt(m.Replaced)}
}

func statReplyTo(a *fop.StatReply) *pb.IattReply { return &pb.IattReply{Iatt: iattTo(&a.Iatt)} }

func statReplyFrom(r *parser, m *pb.IattReply) *fop.StatReply {
	return &fop.StatReply{Iatt: r.iatt(m.Iatt)}
}

func inodeReplyTo(a *fop.InodeReply) *pb.InodeReply {
	return &pb.InodeReply{Pre: iattTo(&a.Pre), Post: iattTo(&a.Post)}
}

func inodeReplyFrom(r *parser, m *pb.InodeReply) *fop.InodeReply {
	return &fop.InodeReply{Pre: r.iatt(m.Pre), Post: r.iatt(m.Post)}
}

// agree checks that what one of two Codecs writes both read as the same.
func agree[T any](t *testing.T, name string, hand, generated Codec[T]) {
	t.Run(name, func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			in := new(T)
			fill(t, reflect.ValueOf(in).Elem())
			for _, by := range []Codec[T]{hand, generated} {
				b, err := by.Append(nil, in)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range []Codec[T]{hand, generated} {
					if out, err := c.Parse(b); err != nil || !reflect.DeepEqual(in, out) {
						t.Fatalf("%+v became %+v, %v", in, out, err)
					}
				}
			}
		})
	})
}

func TestIattsAreProtobuf(t *testing.T) {
	agree(t, "EntryReply", entryReplies, codec(entryReplyTo, entryReplyFrom))
	agree(t, "RemoveReply", removeReplies, codec(removeReplyTo, removeReplyFrom))
	agree(t, "RenameReply", renameReplies, codec(renameReplyTo, renameReplyFrom))
	agree(t, "StatReply", statReplies, codec(statReplyTo, statReplyFrom))
	agree(t, "InodeReply", inodeReplies, codec(inodeReplyTo, inodeReplyFrom))
}

// FuzzIatts reads foreign bytes with both; the generated code is right.
func FuzzIatts(f *testing.F) {
	hand, generated := renameReplies, codec(renameReplyTo, renameReplyFrom)
	whole, _ := hand.Append(nil, &fop.RenameReply{Iatt: fop.Iatt{GFID: fop.GFID{1}, Type: fop.TypeReg, Size: 1 << 40, Atime: fop.Time{Sec: -1, Nsec: 1}}})
	f.Add(whole)
	f.Add([]byte{0x0a, 2, 8, 1})
	f.Add([]byte{0x80, 0xb7, 0xb9, 0xcd, 0x30, 0})
	f.Add([]byte{0x1a, 0, 0x42, 0, 0x0b, 0x0c})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := hand.Parse(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		g, gerr := generated.Parse(b)
		if err == nil && (gerr != nil || !reflect.DeepEqual(h, g)) {
			t.Fatalf("by hand %+v, generated %+v, %v", h, g, gerr)
		}
	})
}

func BenchmarkIatts(b *testing.B) {
	a := fop.Iatt{GFID: fop.NewGFID(), Type: fop.TypeReg, Mode: 0o644, Nlink: 1, Size: 4096, Blksize: 4096, Blocks: 8,
		Atime: fop.Time{Sec: 1 << 31, Nsec: 1}, Mtime: fop.Time{Sec: 1 << 31, Nsec: 1}, Ctime: fop.Time{Sec: 1 << 31, Nsec: 1}}
	r := &fop.RemoveReply{Iatt: a, PreDir: a, PostDir: a}
	buf := make([]byte, 0, 1024)
	for name, c := range map[string]Codec[fop.RemoveReply]{"hand": removeReplies, "generated": codec(removeReplyTo, removeReplyFrom)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = c.Append(buf[:0], r)
				if _, err := c.Parse(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
