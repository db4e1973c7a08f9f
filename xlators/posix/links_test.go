package posix

import (
	"context"
	"slices"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

// TestLinksXattr asks for the names of inodes, of a disk and of memory alike.
func TestLinksXattr(t *testing.T) {
	ctx := context.Background()
	disk, err := New(xlator.Env{}, xlator.Options{"directory": t.TempDir(), "health-check-interval": "0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	memory, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	q := fop.Req{Caller: &fop.Caller{}}
	for _, b := range []xlator.Xlator{disk, memory} {
		d, f := fop.NewGFID(), fop.NewGFID()
		want := func(g fop.GFID, want ...fop.Link) {
			t.Helper()
			r, err := b.Getxattr(ctx, &fop.GetxattrReq{Req: q, GFID: g, Name: fop.LinksXattr, Internal: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := fop.ParseLinks(r.Xattrs[0].Value)
			slices.SortFunc(got, func(a, b fop.Link) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("links of %v: %v, %v; want %v", g, got, err, want)
			}
		}
		if _, err := b.Mkdir(ctx, &fop.MkdirReq{Req: q, Parent: fop.RootGFID, Name: "d", GFID: d, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Mknod(ctx, &fop.MknodReq{Req: q, Parent: d, Name: "f", GFID: f, Type: fop.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Link(ctx, &fop.LinkReq{Req: q, GFID: f, Parent: fop.RootGFID, Name: "g"}); err != nil {
			t.Fatal(err)
		}
		want(fop.RootGFID)
		want(d, fop.Link{Parent: fop.RootGFID, Name: "d"})
		want(f, fop.Link{Parent: d, Name: "f"}, fop.Link{Parent: fop.RootGFID, Name: "g"})
		if _, err := b.Rename(ctx, &fop.RenameReq{Req: q, OldParent: fop.RootGFID, OldName: "d", NewParent: fop.RootGFID, NewName: "e"}); err != nil {
			t.Fatal(err)
		}
		want(d, fop.Link{Parent: fop.RootGFID, Name: "e"})
	}
}
