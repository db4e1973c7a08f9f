package posix

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

// benchmarks run on an XFS on a loop device in memory.

func benchBrick(b *testing.B) (*brick, fop.GFID) {
	x := serve(b, filepath.Join(xfs(b), "b"))
	return x, mkdir(b, x, fop.RootGFID, "d")
}

func BenchmarkCreateWrite(b *testing.B) {
	x, d := benchBrick(b)
	for i := range 1 << 16 { // an old brick has all directories of handles
		if err := x.inHandleDir(fop.GFID{byte(i >> 8), byte(i)}, func() error { return syscall.ENOENT }); err != syscall.ENOENT {
			b.Fatal(err)
		}
	}
	data := make([]byte, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q := at(int64(1000 + i))
		r, err := x.Create(ctx, &fop.CreateReq{Req: q, Parent: d, Name: fmt.Sprint("f", i), GFID: fop.NewGFID(), Mode: 0644, Flags: syscall.O_RDWR,
			Mark: []fop.Xattr{{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}}}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.File.Writev(ctx, &fop.WritevReq{Req: q, Data: data}); err != nil {
			b.Fatal(err)
		}
		r.File.Close()
		if i%20000 == 19999 { // the disk is small
			b.StopTimer()
			for k := i - 19999; k <= i; k++ {
				if _, err := x.Unlink(ctx, &fop.UnlinkReq{Parent: d, Name: fmt.Sprint("f", k)}); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	x, d := benchBrick(b)
	for i := range 1000 {
		mkfile(b, x, d, fmt.Sprint("f", i), "x")
	}
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("f", i)
	}
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := lookup(x, d, names[i%1000]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		x.dirty.all()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a, err := lookup(x, d, names[i%1000])
			if err != nil {
				b.Fatal(err)
			}
			x.table.evict(a.GFID)
		}
	})
}

func BenchmarkUnlink(b *testing.B) {
	x, d := benchBrick(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		mkfile(b, x, d, "f", "")
		b.StartTimer()
		if _, err := x.Unlink(ctx, &fop.UnlinkReq{Req: at(5), Parent: d, Name: "f"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReaddirPlus(b *testing.B) {
	x, d := benchBrick(b)
	for i := range 1000 {
		mkfile(b, x, d, fmt.Sprint("f", i), "")
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := x.Opendir(ctx, &fop.OpendirReq{GFID: d})
		if err != nil {
			b.Fatal(err)
		}
		p, err := r.Dir.Readdirp(ctx, &fop.ReaddirpReq{Size: 1 << 20, Plus: true})
		if err != nil || len(p.Entries) != 1000 {
			b.Fatal(len(p.Entries), err)
		}
		r.Dir.Close()
	}
}

func BenchmarkWrite(b *testing.B) {
	x, d := benchBrick(b)
	g := mkfile(b, x, d, "f", "")
	r, err := x.Open(ctx, &fop.OpenReq{GFID: g, Flags: syscall.O_RDWR})
	if err != nil {
		b.Fatal(err)
	}
	defer r.File.Close()
	data := make([]byte, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := r.File.Writev(ctx, &fop.WritevReq{Req: at(int64(1000 + i)), Off: int64(i%1000) * 4096, Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}
