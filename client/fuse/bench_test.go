package fuse_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/gofs/gofs/client/fuse"
	"golang.org/x/sys/unix"
)

// The benchmarks go through the kernel, the bridge and a connection to a brick in memory.

func BenchmarkStat(b *testing.B) {
	opts := fuse.DefaultOptions()
	opts.AttrTimeout, opts.EntryTimeout = 0, 0
	v := newVolume(b, opts)
	name := v.dir + "/f"
	os.WriteFile(name, nil, 0o644)
	b.ReportAllocs()
	for b.Loop() { // LOOKUP
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSmallFiles(b *testing.B) {
	v := newVolume(b, fuse.DefaultOptions())
	data := make([]byte, 4096)
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() { // LOOKUP CREATE WRITE FLUSH RELEASE
			i++
			fd := must(unix.Open(fmt.Sprintf("%s/%p-%d", v.dir, b, i), unix.O_CREAT|unix.O_WRONLY, 0o644))
			must(unix.Write(fd, data))
			unix.Close(fd)
		}
	})
	b.Run("read", func(b *testing.B) {
		name := v.dir + "/read"
		os.WriteFile(name, data, 0o644)
		b.ReportAllocs()
		for b.Loop() { // OPEN (READ) FLUSH RELEASE
			fd := must(unix.Open(name, unix.O_RDONLY, 0))
			must(unix.Read(fd, data))
			unix.Close(fd)
		}
	})
}

func BenchmarkBigFile(b *testing.B) {
	v := newVolume(b, fuse.DefaultOptions())
	buf := must(unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE))
	fd := must(unix.Open(v.dir+"/f", unix.O_CREAT|unix.O_RDWR|unix.O_DIRECT, 0o644))
	defer unix.Close(fd)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(1 << 20)
		for b.Loop() {
			must(unix.Pwrite(fd, buf, 0))
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(1 << 20)
		for b.Loop() {
			must(unix.Pread(fd, buf, 0))
		}
	})
}
