package posix

import (
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/gofs/gofs/xlators/fop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What lies beneath directories that are renamed all the time is found by GFID all the
// time, although nothing stays in the table.
func TestResolveDuringRename(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	b.table.dirs.limit, b.table.files.limit = 0, 0
	a, z := mkdir(t, b, fop.RootGFID, "a"), mkdir(t, b, fop.RootGFID, "z")
	x := mkdir(t, b, a, "x")
	y := mkdir(t, b, x, "y")
	f := mkfile(t, b, y, "f", "data")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		names := [2]string{"x", "other"}
		parents := [2]fop.GFID{a, z}
		for i := range 300 {
			_, err := b.Rename(ctx, &fop.RenameReq{OldParent: parents[i%2], OldName: names[i%2], NewParent: parents[1-i%2], NewName: names[1-i%2]})
			if err != nil {
				t.Errorf("Rename: %v", err)
				return
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := b.Stat(ctx, &fop.StatReq{GFID: y}); err != nil {
					t.Errorf("Stat: %v", err)
					return
				}
				if r, err := lookup(b, y, "f"); err != nil || r.GFID != f {
					t.Errorf("Lookup: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// An unlink and an open of one file: the open either fails, or gets a file that stays
// whole until it is closed, and then nothing is left.
func TestOpenDuringUnlink(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	for i := range 200 {
		name := fmt.Sprint("f", i)
		g := mkfile(t, b, fop.RootGFID, name, "data")
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Unlink(ctx, &fop.UnlinkReq{Parent: fop.RootGFID, Name: name}); err != nil {
				t.Errorf("Unlink: %v", err)
			}
		})
		wg.Go(func() {
			r, err := b.Open(ctx, &fop.OpenReq{GFID: g, Flags: syscall.O_RDONLY, Content: 10})
			if fop.Errno(err) == syscall.ESTALE {
				return
			}
			if err != nil || string(r.Content) != "data" {
				t.Errorf("Open: %v", err)
				return
			}
			if _, err := b.Stat(ctx, &fop.StatReq{GFID: g}); err != nil {
				t.Errorf("Stat of an open file: %v", err)
			}
			r.File.Close()
		})
		wg.Wait()
		if _, err := b.Stat(ctx, &fop.StatReq{GFID: g}); fop.Errno(err) != syscall.ESTALE {
			t.Fatalf("Stat after all: %v", err)
		}
	}
	n := 0
	if err := eachName(b.parkDir, func(string) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("%d files are left in unlink/, %v", n, err)
	}
}
