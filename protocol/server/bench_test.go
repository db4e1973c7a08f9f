package server_test

import (
	"context"
	"testing"

	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func BenchmarkLookup(b *testing.B) {
	p := connect(b, serve(b, newStub(), server.Config{}), nil)
	p.wait(b, xlator.ChildUp)
	q := &fop.LookupReq{Req: root, Parent: fop.RootGFID, Name: "file"}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Lookup(context.Background(), q); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := p.Lookup(context.Background(), q); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkData(b *testing.B) {
	p := connect(b, serve(b, newStub(), server.Config{}), nil)
	p.wait(b, xlator.ChildUp)
	r, err := p.Open(context.Background(), &fop.OpenReq{Req: root, GFID: fop.RootGFID})
	if err != nil {
		b.Fatal(err)
	}
	defer r.File.Close()
	for _, size := range []struct {
		name string
		n    int
	}{{"4K", 4 << 10}, {"1M", 1 << 20}} {
		buf := make([]byte, size.n)
		b.Run("write"+size.name, func(b *testing.B) {
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.File.Writev(context.Background(), &fop.WritevReq{Req: root, Data: buf}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("read"+size.name, func(b *testing.B) {
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				if r, err := r.File.Readv(context.Background(), &fop.ReadvReq{Req: root, Buf: buf}); err != nil || r.N != size.n {
					b.Fatal(r, err)
				}
			}
		})
	}
}
