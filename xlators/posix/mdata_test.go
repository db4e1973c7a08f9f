package posix

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// An inode that had no times of its own gets them on the disk with the first change, also if
// the client's clock is behind the disk's: all copies must have the same.
func TestTimesBegin(t *testing.T) {
	dir := t.TempDir()
	b := serve(t, dir)
	late := fop.Req{Caller: &fop.Caller{Time: fop.TimeOf(time.Now().Add(-time.Hour))}}
	if _, err := b.Mkdir(t.Context(), &fop.MkdirReq{Req: late, Parent: fop.RootGFID, Name: "d", GFID: fop.NewGFID(), Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Release(t.Context(), &fop.ReleaseReq{Req: late, Sync: true}); err != nil {
		t.Fatal(err)
	}
	var buf [64]byte
	n, err := unix.Lgetxattr(dir, xattrMdata, buf[:])
	if m, ok := decodeMdata(buf[:max(n, 0)]); err != nil || !ok || m.ctime != late.Caller.Time || m.mtime != late.Caller.Time {
		t.Errorf("the times of the root are %+v, %v, want the client's, %v", m, err, late.Caller.Time)
	}
}
