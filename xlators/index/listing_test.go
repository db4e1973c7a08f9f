package index

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

// listed reads one of the lists a few entries at a time.
func listed(t *testing.T, x *Index, g fop.GFID) (names []string) {
	t.Helper()
	r, err := x.Opendir(context.Background(), &fop.OpendirReq{GFID: g})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Dir.Close()
	for off := uint64(0); ; {
		p, err := r.Dir.Readdirp(context.Background(), &fop.ReaddirpReq{Off: off, Size: 300})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			names = append(names, e.Name)
			off = e.Off
		}
		if p.EOF {
			slices.Sort(names)
			return names
		}
	}
}

func TestListing(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	var blamed, marked, names []string
	for i := range 20 {
		g := mknod(t, x, fmt.Sprint("f", i))
		if i%2 == 0 {
			xattrop(t, x, g, fop.Xattr{Name: blame, Value: one})
			blamed = append(blamed, g.String())
		} else {
			xattrop(t, x, g, fop.Xattr{Name: dirty, Value: one})
			marked = append(marked, g.String())
		}
	}
	for i := range 30 {
		names = append(names, fmt.Sprintf("name %d", i))
	}
	_, err := x.Xattrop(context.Background(), &fop.XattropReq{GFID: fop.RootGFID, Op: fop.XattropAdd32,
		Deltas: []fop.Xattr{{Name: blame, Value: one}}, EntryCreate: names})
	if err != nil {
		t.Fatal(err)
	}
	blamed = append(blamed, fop.RootGFID.String())
	for _, c := range []struct {
		list fop.GFID
		want []string
	}{
		{fop.IndexPending, blamed}, {fop.IndexDirty, marked},
		{fop.IndexEntries, []string{fop.RootGFID.String()}}, {fop.IndexNames(fop.RootGFID), names},
	} {
		slices.Sort(c.want)
		if got := listed(t, x, c.list); !slices.Equal(got, c.want) {
			t.Errorf("%v lists %q, want %q", c.list, got, c.want)
		}
	}
	if _, err := x.Opendir(context.Background(), &fop.OpendirReq{GFID: fop.IndexNames(fop.NewGFID())}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("names of a directory without any: %v, want ESTALE", err)
	}
}
