package readonly

import (
	"context"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

func TestRefusesChanges(t *testing.T) {
	ctx := context.Background()
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := fop.NewGFID()
	c, err := m.Create(ctx, &fop.CreateReq{Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	defer c.File.Close()
	if _, err := c.File.Writev(ctx, &fop.WritevReq{Data: []byte("text")}); err != nil {
		t.Fatal(err)
	}
	x, err := New(xlator.Env{}, xlator.Options{"read-only": "on"}, []xlator.Xlator{m})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for name, f := range map[string]func() error{
		"create":   func() error { _, err := x.Create(ctx, &fop.CreateReq{}); return err },
		"mkdir":    func() error { _, err := x.Mkdir(ctx, &fop.MkdirReq{}); return err },
		"mknod":    func() error { _, err := x.Mknod(ctx, &fop.MknodReq{}); return err },
		"symlink":  func() error { _, err := x.Symlink(ctx, &fop.SymlinkReq{}); return err },
		"link":     func() error { _, err := x.Link(ctx, &fop.LinkReq{}); return err },
		"unlink":   func() error { _, err := x.Unlink(ctx, &fop.UnlinkReq{Parent: fop.RootGFID, Name: "f"}); return err },
		"rmdir":    func() error { _, err := x.Rmdir(ctx, &fop.RmdirReq{}); return err },
		"rename":   func() error { _, err := x.Rename(ctx, &fop.RenameReq{}); return err },
		"setattr":  func() error { _, err := x.Setattr(ctx, &fop.SetattrReq{GFID: g}); return err },
		"truncate": func() error { _, err := x.Truncate(ctx, &fop.TruncateReq{GFID: g}); return err },
		"setxattr": func() error { _, err := x.Setxattr(ctx, &fop.SetxattrReq{GFID: g}); return err },
		"rmxattr":  func() error { _, err := x.Removexattr(ctx, &fop.RemovexattrReq{GFID: g}); return err },
		"xattrop":  func() error { _, err := x.Xattrop(ctx, &fop.XattropReq{}); return err },
		"write":    func() error { _, err := x.Open(ctx, &fop.OpenReq{GFID: g, Flags: syscall.O_WRONLY}); return err },
		"trunc":    func() error { _, err := x.Open(ctx, &fop.OpenReq{GFID: g, Flags: syscall.O_TRUNC}); return err },
	} {
		if err := f(); fop.Errno(err) != syscall.EROFS {
			t.Errorf("%s: %v, want EROFS", name, err)
		}
	}
	o, err := x.Open(ctx, &fop.OpenReq{GFID: g, Flags: syscall.O_RDONLY})
	if err != nil {
		t.Fatal(err)
	}
	defer o.File.Close()
	buf := make([]byte, 8)
	if r, err := o.File.Readv(ctx, &fop.ReadvReq{Buf: buf}); err != nil || string(buf[:r.N]) != "text" {
		t.Errorf("Readv = %v, %v", r, err)
	}
}

func TestOff(t *testing.T) {
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := New(xlator.Env{}, xlator.Options{"read-only": "off"}, []xlator.Xlator{m}); err != nil || x != m {
		t.Errorf("New = %v, %v, want the subvolume itself", x, err)
	}
	if _, err := New(xlator.Env{}, xlator.Options{"read-only": "maybe"}, []xlator.Xlator{m}); err == nil {
		t.Error("option maybe was taken")
	}
}
