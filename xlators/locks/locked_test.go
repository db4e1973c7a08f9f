package locks

import (
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

func TestLockedXattr(t *testing.T) {
	l, g := newTable(t)
	says := func(want string) {
		t.Helper()
		r, err := l.Getxattr(t.Context(), &fop.GetxattrReq{Req: by(2), GFID: g, Name: fop.LockedXattr, Internal: true})
		if err != nil || string(r.Xattrs[0].Value) != want {
			t.Errorf("Getxattr(%s) = %v, %v; want %s", fop.LockedXattr, r, err, want)
		}
	}
	says("0")
	if err := <-inodelk(t, l, g, 1, fop.LockTry, 0, 0); err != nil {
		t.Fatal(err)
	}
	says("1")
	if err := <-inodelk(t, l, g, 1, fop.LockUnlock, 0, 0); err != nil {
		t.Fatal(err)
	}
	says("0")
}
