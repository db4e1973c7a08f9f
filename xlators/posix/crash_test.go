package posix

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// Each test leaves on the disk what a crash at one of the package's crash points would,
// and starts a new brick on it.

func reopen(t *testing.T, b *brick) *brick {
	t.Helper()
	b.Close()
	return serve(t, b.dir)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// create: the handle is there, the name is not.
func TestCrashInCreate(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	g := mkfile(t, b, fop.RootGFID, "f", "half")
	must(t, os.Remove(b.dir+"/f"))
	b = reopen(t, b)
	if _, err := b.Stat(ctx, &fop.StatReq{GFID: g}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("Stat: %v, want ESTALE", err)
	}
	r, err := b.Create(ctx, &fop.CreateReq{Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0644, Flags: syscall.O_RDWR})
	must(t, err)
	defer r.File.Close()
	if r.Iatt.Size != 0 || r.Iatt.Nlink != 1 {
		t.Errorf("created again: %+v", r.Iatt)
	}
}

// mkdir: made and with a handle, but not in place.
func TestCrashInMkdir(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	g := fop.NewGFID()
	staged := b.dotPath + "/staging/" + g.String()
	must(t, os.Mkdir(staged, 0755))
	must(t, b.setDirHandle(g, fop.RootGFID, "d"))
	b = reopen(t, b)
	for _, p := range []string{staged, handlePath(b, g)} {
		if _, err := os.Lstat(p); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", p, err)
		}
	}
	// A handle alone, from a crash in rmdir, does not hinder either.
	must(t, b.setDirHandle(g, fop.RootGFID, "d"))
	if _, err := b.Stat(ctx, &fop.StatReq{GFID: g}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("Stat: %v, want ESTALE", err)
	}
	_, err := b.Mkdir(ctx, &fop.MkdirReq{Parent: fop.RootGFID, Name: "d", GFID: g, Mode: 0755})
	must(t, err)
	if a, err := lookup(b, fop.RootGFID, "d"); err != nil || a.GFID != g {
		t.Errorf("Lookup: %+v, %v", a, err)
	}
	_, err = b.Mkdir(ctx, &fop.MkdirReq{Parent: fop.RootGFID, Name: "e", GFID: g, Mode: 0755})
	if fop.Errno(err) != syscall.EEXIST {
		t.Errorf("Mkdir with the GFID of a directory that exists: %v", err)
	}
}

// unlink: the handle is gone, the name is not.
func TestCrashInUnlink(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	g := mkfile(t, b, fop.RootGFID, "f", "data")
	must(t, os.Remove(handlePath(b, g)))
	b = reopen(t, b)
	if a, err := lookup(b, fop.RootGFID, "f"); err != nil || a.GFID != g || a.Nlink != 1 {
		t.Errorf("Lookup: %+v, %v", a, err)
	}
	if _, err := os.Lstat(handlePath(b, g)); err != nil {
		t.Errorf("no handle: %v", err)
	}
	if _, err := b.Truncate(ctx, &fop.TruncateReq{GFID: g, Size: 1}); err != nil {
		t.Errorf("Truncate: %v", err)
	}
}

// rename of a directory: renamed, but the handle is the old one.
func TestCrashInRenameDir(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	a, c := mkdir(t, b, fop.RootGFID, "a"), mkdir(t, b, fop.RootGFID, "c")
	sub := mkdir(t, b, a, "sub")
	must(t, os.Rename(b.dir+"/a", b.dir+"/c/moved"))
	b = reopen(t, b)
	if _, err := b.Stat(ctx, &fop.StatReq{GFID: sub}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("Stat before the lookup: %v, want ESTALE", err)
	}
	if r, err := lookup(b, c, "moved"); err != nil || r.GFID != a {
		t.Fatalf("Lookup: %+v, %v", r, err)
	}
	if l, err := os.Readlink(handlePath(b, a)); err != nil || l != handleTarget(c, "moved") {
		t.Errorf("handle %q, %v", l, err)
	}
	if s, err := b.Stat(ctx, &fop.StatReq{GFID: sub}); err != nil || s.Iatt.GFID != sub {
		t.Errorf("Stat: %v", err)
	}
}

// rename over a last name: the victim is parked, the rename did not happen.
func TestCrashInRenameOver(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	g := mkfile(t, b, fop.RootGFID, "victim", "data")
	must(t, os.Rename(handlePath(b, g), b.dotPath+"/unlink/"+g.String()))
	b = reopen(t, b)
	if a, err := lookup(b, fop.RootGFID, "victim"); err != nil || a.GFID != g || a.Nlink != 1 || a.Size != 4 {
		t.Errorf("Lookup: %+v, %v", a, err)
	}
}

// unlinked while open: the next start removes it.
func TestCrashWhileOpen(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	g := mkfile(t, b, fop.RootGFID, "f", "data")
	must(t, os.Rename(handlePath(b, g), b.dotPath+"/unlink/"+g.String()))
	must(t, os.Remove(b.dir+"/f"))
	b = reopen(t, b)
	if _, err := os.Lstat(b.dotPath + "/unlink/" + g.String()); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
	if _, err := b.Stat(ctx, &fop.StatReq{GFID: g}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("Stat: %v, want ESTALE", err)
	}
}

// A handle that a broken or hostile disk made up leads nowhere.
func TestForgedHandles(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	real := mkdir(t, b, fop.RootGFID, "real")
	for _, target := range []string{"/etc", "../../..", "../../../..", handleTarget(fop.RootGFID, "real"), handleTarget(fop.NewGFID(), "x")} {
		g := fop.NewGFID()
		must(t, b.inHandleDir(g, func() error { return unix.Symlinkat(target, b.dot, string(appendRel(nil, g))) }))
		if _, err := b.Stat(ctx, &fop.StatReq{GFID: g}); fop.Errno(err) != syscall.ESTALE {
			t.Errorf("Stat through a handle to %q: %v, want ESTALE", target, err)
		}
	}
	x, y := fop.NewGFID(), fop.NewGFID() // a circle
	must(t, b.setDirHandle(x, y, "x"))
	must(t, b.setDirHandle(y, x, "y"))
	if _, err := b.Stat(ctx, &fop.StatReq{GFID: x}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("Stat in a circle: %v, want ESTALE", err)
	}
	if _, err := b.Stat(ctx, &fop.StatReq{GFID: real}); err != nil {
		t.Errorf("Stat: %v", err)
	}
}
