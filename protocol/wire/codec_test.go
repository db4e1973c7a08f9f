package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
	"pgregory.net/rapid"
)

// half is one Codec with its type forgotten.
type half struct {
	name      string
	zero      any // *T
	roundTrip func(v any) (any, error)
	parse     func([]byte) error
}

func halfOf[T any](name string, c Codec[T]) half {
	return half{name, new(T), func(v any) (any, error) {
		b, err := c.Append(nil, v.(*T))
		if err != nil {
			return nil, err
		}
		out, err := c.Parse(b)
		clear(b) // the result must not refer to it
		return out, err
	}, func(b []byte) error { _, err := c.Parse(b); return err }}
}

func pair[Q, R any](name string, f Fop[Q, R]) []half {
	return []half{halfOf(name+"Req", f.Req), halfOf(name+"Reply", f.Reply)}
}

// halves are all conversions.
func halves() (out []half) {
	for _, p := range [][]half{
		pair("Lookup", Lookup), pair("Create", Create), pair("Mkdir", Mkdir), pair("Mknod", Mknod), pair("Symlink", Symlink),
		pair("Link", Link), pair("Unlink", Unlink), pair("Rmdir", Rmdir), pair("Rename", Rename), pair("Stat", Stat),
		pair("Setattr", Setattr), pair("Truncate", Truncate), pair("Readlink", Readlink), pair("Statfs", Statfs),
		pair("Getxattr", Getxattr), pair("Setxattr", Setxattr), pair("Removexattr", Removexattr), pair("Open", Open),
		pair("Opendir", Opendir), pair("Xattrop", Xattrop), pair("Inodelk", Inodelk), pair("Entrylk", Entrylk),
		pair("Release", Release), pair("Forget", Forget), pair("Batch", Batch), pair("Readv", Readv), pair("Writev", Writev), pair("Fsync", Fsync),
		pair("Flush", Flush), pair("Fallocate", Fallocate), pair("Seek", Seek), pair("Lk", Lk), pair("CopyFileRange", CopyFileRange),
		pair("Rchecksum", Rchecksum), pair("Readdirp", Readdirp), pair("Fsyncdir", Fsyncdir),
		{halfOf("Hello", Hellos), halfOf("HelloReply", HelloReplies), halfOf("Event", Events)},
	} {
		out = append(out, p...)
	}
	return out
}

// travelsBeside are fields that the payload or the connection carries, or nobody.
var travelsBeside = map[reflect.Type][]string{
	reflect.TypeFor[fop.Req]():        {"Session"},
	reflect.TypeFor[fop.Caller]():     {"Client"},
	reflect.TypeFor[fop.EntryReply](): {"Session"},
	reflect.TypeFor[fop.LockReply]():  {"Session"},
	reflect.TypeFor[fop.OpenAnswer](): {"Content"},
	reflect.TypeFor[fop.ReadvReply](): {"N"},
	reflect.TypeFor[fop.WritevReq]():  {"Data"},
	reflect.TypeFor[xlator.Event]():   {"Session", "Client", "Local"},
}

// fill sets v to random values, by its type.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
	fields:
		for i := range v.NumField() {
			for _, skip := range travelsBeside[v.Type()] {
				if v.Type().Field(i).Name == skip {
					continue fields
				}
			}
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		if v.Type() != reflect.TypeFor[*fop.Caller]() && rapid.Bool().Draw(t, "nil") {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, "len")
		if n == 0 {
			return
		}
		if v.Type() == reflect.TypeFor[[]fop.Span]() {
			var p fop.Spans
			for range n {
				p.Add(fop.From(rapid.Int64Range(0, 1<<62).Draw(t, "off")))
				p.Add(fop.Span{Off: 0, End: rapid.Int64Range(1, 1<<62).Draw(t, "end")})
			}
			v.Set(reflect.ValueOf(p.All()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString(string(rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "string")))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int") >> (64 - v.Type().Bits()))
	default:
		n := rapid.Uint64().Draw(t, "uint") >> (64 - v.Type().Bits())
		if v.Type() == reflect.TypeFor[fop.FileType]() {
			n &= 15
		}
		v.SetUint(n)
	}
}

// canonical makes nil of empty slices: the wire does not tell them apart.
func canonical(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			canonical(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			canonical(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			canonical(v.Index(i))
		}
		if v.Len() == 0 && !v.IsNil() {
			v.SetZero()
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, h := range halves() {
		t.Run(h.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := reflect.New(reflect.TypeOf(h.zero).Elem())
				fill(t, in.Elem())
				out, err := h.roundTrip(in.Interface())
				if err != nil {
					t.Fatal(err)
				}
				canonical(reflect.ValueOf(out))
				if !reflect.DeepEqual(in.Interface(), out) {
					t.Fatalf("%+v became %+v", in.Elem(), reflect.ValueOf(out).Elem())
				}
			})
		})
	}
}

func FuzzParse(f *testing.F) {
	all := halves()
	for i := range all {
		f.Add(uint8(i), []byte{0x0a, 2, 8, 1})
	}
	f.Fuzz(func(t *testing.T, i uint8, b []byte) {
		if err := all[int(i)%len(all)].parse(bytes.Clone(b)); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}
