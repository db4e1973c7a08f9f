package posix

import (
	"context"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

func TestInodeTable(t *testing.T) {
	b, err := start(t.TempDir())
	if err != nil {
		t.Skip(err)
	}
	defer b.Close()
	g := fop.NewGFID()
	r, err := b.Create(context.Background(), &fop.CreateReq{Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	now, ok := InodeTableOf(b, 10)
	if !ok || now.Active != 2 || len(now.Open) != 2 || now.Open[1].GFID != g && now.Open[0].GFID != g {
		t.Errorf("with an open file: %+v", now)
	}
	r.File.Close()
	if now, _ := InodeTableOf(b, 0); now.Active != 1 || now.Idle != 1 || len(now.Open) != 0 {
		t.Errorf("with a closed one: %+v", now)
	}
}
