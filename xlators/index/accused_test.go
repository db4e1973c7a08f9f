package index

import (
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

func wantAccused(t *testing.T, x *Index, want string) {
	t.Helper()
	r, err := x.Getxattr(t.Context(), &fop.GetxattrReq{GFID: fop.RootGFID, Name: fop.AccusedXattr, Internal: true})
	if err != nil || len(r.Xattrs) != 1 || string(r.Xattrs[0].Value) != want {
		t.Errorf("accused: %+v, %v; want %q", r, err, want)
	}
}

// A brick says whom it accuses, of any inode, as long as it does.
func TestAccused(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	wantAccused(t, x, "")
	f := mknod(t, x, "f")
	xattrop(t, x, f, fop.Xattr{Name: dirty, Value: one}, fop.Xattr{Name: blame, Value: zeros})
	wantAccused(t, x, "")
	xattrop(t, x, f, fop.Xattr{Name: blame, Value: one}, fop.Xattr{Name: other, Value: one})
	wantAccused(t, x, blame+","+other)
	g := mknod(t, x, "g", fop.Xattr{Name: other, Value: one})
	xattrop(t, x, f, fop.Xattr{Name: other, Value: minus})
	wantAccused(t, x, blame+","+other)
	xattrop(t, x, g, fop.Xattr{Name: other, Value: minus})
	wantAccused(t, x, blame)
	xattrop(t, x, f, fop.Xattr{Name: blame, Value: one})
	xattrop(t, x, f, fop.Xattr{Name: blame, Value: minus})
	wantAccused(t, x, blame)
	// What was listed before the process began may accuse anybody.
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	again := over(t, dir)
	wantAccused(t, again, fop.AccusedAny)
	xattrop(t, again, f, fop.Xattr{Name: blame, Value: minus})
	wantAccused(t, again, "")
}

// While changes of an inode overlap, none of them knows what is left.
func TestAccusedByOverlappingChanges(t *testing.T) {
	x := over(t, t.TempDir())
	s, g := x.sets[Pending], fop.NewGFID()
	for range 2 {
		if err := s.begin(g, []fop.Xattr{{Name: blame, Value: one}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s.end(g, verdict{values: []fop.Xattr{{Name: blame, Value: zeros}}})
	}
	wantAccused(t, x, blame)
}

// More keys than can be told apart are not told apart.
func TestAccusedByManyKeys(t *testing.T) {
	x := over(t, t.TempDir())
	s := x.sets[Pending]
	for i := range mostKeys + 1 {
		if err := s.begin(fop.NewGFID(), []fop.Xattr{{Name: blame + string(rune('a'+i)), Value: one}}); err != nil {
			t.Fatal(err)
		}
	}
	wantAccused(t, x, fop.AccusedAny)
}
