package arbiter

import (
	"context"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/xlator"
)

func TestKeepsNoData(t *testing.T) {
	ctx := context.Background()
	p, err := posix.New(xlator.Env{}, xlator.Options{"directory": t.TempDir(), "health-check-interval": "0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(xlator.Env{}, nil, []xlator.Xlator{p})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	g := fop.NewGFID()
	r, err := x.Create(ctx, &fop.CreateReq{Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	defer r.File.Close()
	o, err := x.Open(ctx, &fop.OpenReq{GFID: g, Flags: syscall.O_RDWR | syscall.O_TRUNC, Content: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer o.File.Close()
	for _, f := range []xlator.File{r.File, o.File} {
		w, err := f.Writev(ctx, &fop.WritevReq{Data: []byte("hello")})
		if err != nil || w.N != 5 || w.Post.GFID != g || w.Post.Size != 0 {
			t.Errorf("Writev: %+v, %v", w, err)
		}
		a, err := f.Fallocate(ctx, &fop.FallocateReq{Len: 4096})
		if err != nil || a.Post.GFID != g {
			t.Errorf("Fallocate: %+v, %v", a, err)
		}
		c, err := f.CopyFileRange(ctx, &fop.CopyRangeReq{Len: 7}, r.File)
		if err != nil || c.N != 7 {
			t.Errorf("CopyFileRange: %+v, %v", c, err)
		}
		if _, err := f.Readv(ctx, &fop.ReadvReq{Buf: make([]byte, 1)}); fop.Errno(err) != syscall.ENOSYS {
			t.Errorf("Readv: %v, want ENOSYS", err)
		}
		if _, err := f.Seek(ctx, &fop.SeekReq{Whence: 3}); fop.Errno(err) != syscall.ENOSYS {
			t.Errorf("Seek: %v, want ENOSYS", err)
		}
		if _, err := f.Fsync(ctx, &fop.FsyncReq{}); err != nil {
			t.Errorf("Fsync: %v", err)
		}
	}
	if u, err := x.Truncate(ctx, &fop.TruncateReq{GFID: g, Size: 1 << 40}); err != nil || u.Post.Size != 0 {
		t.Errorf("Truncate: %+v, %v", u, err)
	}
	if _, err := x.Truncate(ctx, &fop.TruncateReq{GFID: fop.RootGFID}); fop.Errno(err) != syscall.EISDIR {
		t.Errorf("Truncate of a directory: %v", err)
	}
	s, err := p.Stat(ctx, &fop.StatReq{GFID: g})
	if err != nil || s.Iatt.Size != 0 || s.Iatt.Mtime != r.Iatt.Mtime {
		t.Errorf("on the brick: %+v, %v", s, err)
	}
}
