package posix

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/brickid"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A check that hangs takes the brick down after its timeout, and one that ends up again.
func TestHealthTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := &brick{log: slog.New(slog.DiscardHandler), done: make(chan struct{})}
		b.health = func() error { <-hang; return nil }
		var events []xlator.EventKind
		b.w.Add(func(e xlator.Event) { events = append(events, e.Kind) })
		b.wg.Go(func() { b.watchHealth(30*time.Second, 50*time.Second) })
		time.Sleep(49 * time.Second)
		synctest.Wait()
		if b.down.Load() {
			t.Error("down before the timeout")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !b.down.Load() {
			t.Error("a hanging disk is still trusted after the timeout")
		}
		hang <- struct{}{}
		synctest.Wait()
		if b.down.Load() {
			t.Error("down after the disk answered")
		}
		close(hang)
		close(b.done)
		b.wg.Wait()
		if want := []xlator.EventKind{xlator.ChildDown, xlator.ChildUp}; !slices.Equal(events, want) {
			t.Errorf("events %v, want %v", events, want)
		}
	})
}

func TestRootsOwner(t *testing.T) {
	dir := t.TempDir()
	b := serve(t, dir, "brick-uid", "107", "brick-gid", "36")
	r, err := b.Stat(t.Context(), &fop.StatReq{GFID: fop.RootGFID})
	if err != nil || r.Iatt.UID != 107 || r.Iatt.GID != 36 {
		t.Errorf("Stat = %+v, %v, want 107:36", r, err)
	}
	if _, err := start(dir, "brick-uid", "x"); err == nil {
		t.Error("brick-uid x was taken")
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0600); err != nil {
		t.Fatal(err)
	}
	brick := func(name, xattr string, value []byte) string {
		p := filepath.Join(dir, name)
		if err := os.Mkdir(p, 0755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Lsetxattr(p, xattr, value, 0); err != nil {
			t.Fatal(err)
		}
		return p
	}
	id, other := fop.NewGFID(), fop.NewGFID()
	for _, c := range []struct{ name, dir, volume, want string }{
		{"relative", "x", "", "not an absolute path"},
		{"missing", filepath.Join(dir, "none"), "", "does not exist"},
		{"file", file, "", "not a directory"},
		{"no volume id", dir, id.String(), "is not a brick"},
		{"wrong volume id", brick("a", xattrVolumeID, other[:]), id.String(), "belongs to volume " + other.String()},
		{"wrong gfid", brick("b", xattrGFID, other[:]), "", "not a brick's root"},
		{"bad volume id", brick("c", xattrVolumeID, other[:]), "xyz", "not a UUID"},
		{"no xattrs", "/proc", "", "extended attributes"},
	} {
		_, err := start(c.dir, "volume-id", c.volume)
		if c.volume == "" {
			_, err = start(c.dir)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	ok := brick("ok", xattrVolumeID, id[:])
	b, err := start(ok, "volume-id", id.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(ok); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a brick is served twice: %v", err)
	}
	b.Close()
	if b, err = start(ok); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	b.Close()
}

// A directory is only ever one of a volume's bricks, and not one that had its place before.
func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	serve := func(id, want string) {
		t.Helper()
		b, err := start(dir, "brick-id", id)
		if err == nil {
			b.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("as %s: %v, want %q", id, err, want)
		}
	}
	serve("", "")
	serve("v-client-1", "") // it was nobody's yet
	serve("v-client-1", "")
	serve("v-client-0", "is brick v-client-1 and not v-client-0: disks or paths were exchanged")
	serve("v-client-1#1", "is an earlier one of brick v-client-1, which was replaced since")
	serve("v-client-11", "disks or paths were exchanged")
	if err := brickid.Write(dir, "v-client-0#2"); err != nil {
		t.Fatal(err)
	}
	serve("v-client-0#2", "")
}

func TestReadOnlyDisk(t *testing.T) {
	mnt := xfs(t)
	if out, err := exec.Command("mount", "-o", "remount,ro", mnt).CombinedOutput(); err != nil {
		t.Skipf("remount: %v %s", err, out)
	}
	if _, err := start(mnt); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("error %v", err)
	}
}

// After a restart everything is found again, by name and by GFID, also 1000 levels deep.
func TestRestart(t *testing.T) {
	dir := filepath.Join(xfs(t), "b")
	b := serve(t, dir)
	deep := fop.RootGFID
	for i := range 1000 {
		deep = mkdir(t, b, deep, fmt.Sprint("d", i))
	}
	f := mkfile(t, b, deep, "f", "data")
	l := fop.NewGFID()
	if _, err := b.Symlink(ctx, &fop.SymlinkReq{Parent: deep, Name: "l", GFID: l, Target: handleTarget(deep, "f")}); err != nil {
		t.Fatal(err)
	}
	fifo := fop.NewGFID()
	if _, err := b.Mknod(ctx, &fop.MknodReq{Parent: deep, Name: "p", GFID: fifo, Type: fop.TypeFifo, Mode: 0600}); err != nil {
		t.Fatal(err)
	}
	before, err := lookup(b, deep, "f")
	if err != nil {
		t.Fatal(err)
	}
	b.Close()

	b = serve(t, dir)
	if s, err := b.Stat(ctx, &fop.StatReq{GFID: deep}); err != nil || s.Iatt.GFID != deep {
		t.Fatalf("Stat of the deepest directory: %v", err)
	}
	for name, g := range map[string]fop.GFID{"f": f, "l": l, "p": fifo} {
		s, err := b.Stat(ctx, &fop.StatReq{GFID: g})
		if err != nil {
			t.Fatalf("Stat of %s: %v", name, err)
		}
		if name == "f" && s.Iatt != before {
			t.Errorf("attributes %+v, were %+v", s.Iatt, before)
		}
		if a, err := lookup(b, deep, name); err != nil || a != s.Iatt {
			t.Errorf("Lookup(%s): %+v, %v", name, a, err)
		}
	}
	if r, err := b.Readlink(ctx, &fop.ReadlinkReq{GFID: l}); err != nil || r.Target != handleTarget(deep, "f") {
		t.Errorf("Readlink: %v", err)
	}
}

// Few directories are kept open, whatever is used.
func TestDirectoryLimit(t *testing.T) {
	b := serve(t, filepath.Join(t.TempDir(), "b"))
	b.table.dirs.limit, b.table.files.limit = 4, 4
	var gs []fop.GFID
	parent := fop.RootGFID
	for i := range 50 {
		g := mkdir(t, b, parent, fmt.Sprint("d", i))
		mkfile(t, b, g, "f", "x")
		if gs = append(gs, g); i%10 == 0 {
			parent = g
		}
	}
	b.dirty.all()
	for _, g := range gs {
		if _, err := lookup(b, g, "f"); err != nil {
			t.Errorf("Lookup: %v", err)
		}
	}
	b.dirty.all()
	if n := len(b.table.byGFID); n > 10 || len(b.table.byIdent) != n {
		t.Errorf("%d inodes are known, %d by ident", n, len(b.table.byIdent))
	}
}

// age makes what another program put on the brick old enough to be adopted.
func age(t *testing.T, b *brick, name string) {
	t.Helper()
	for {
		var st unix.Statx_t
		if err := statAt(b.root.fd, name, &st); err != nil {
			t.Fatal(err)
		}
		wait := foreignAge - time.Since(time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)))
		if wait < 0 {
			return
		}
		<-time.After(wait + time.Millisecond)
	}
}

func TestForeignObjects(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir)
	if err := os.MkdirAll(dir+"/fd/sub", 0755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/ff", []byte("foreign"), 0640); err != nil {
		t.Fatal(err)
	}
	if _, err := lookup(b, fop.RootGFID, "ff"); err != nil && fop.Errno(err) != syscall.ENOENT {
		t.Errorf("Lookup of a young object: %v", err)
	}
	age(t, b, "ff")
	age(t, b, "fd")
	a, err := lookup(b, fop.RootGFID, "ff")
	if err != nil || a.Size != 7 || a.Nlink != 1 || a.Mode != 0640 {
		t.Fatalf("Lookup: %+v, %v", a, err)
	}
	if disk(t, dir+"/ff", xattrMdata) == "" {
		t.Error("no mdata")
	}
	if k, _ := gfid2path(fop.RootGFID, "ff"); disk(t, dir+"/ff", k) != "" {
		t.Error("an adopted object has a gfid2path")
	}
	d, err := lookup(b, fop.RootGFID, "fd")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := lookup(b, d.GFID, "sub"); err != nil || s.Type != fop.TypeDir {
		t.Errorf("Lookup in an adopted directory: %+v, %v", s, err)
	}
	b.Close()
	b = serve(t, dir)
	if s, err := b.Stat(ctx, &fop.StatReq{GFID: a.GFID}); err != nil || s.Iatt.GFID != a.GFID {
		t.Errorf("Stat after a restart: %v", err)
	}
}

// A copy that carries another inode's GFID must not be mistaken for it.
func TestDuplicateGFID(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir)
	g := mkfile(t, b, fop.RootGFID, "f", "data")
	d := mkdir(t, b, fop.RootGFID, "d")
	if err := os.WriteFile(dir+"/copy", []byte("other"), 0644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/dcopy", 0755); err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]fop.GFID{"copy": g, "dcopy": d} {
		if err := unix.Lsetxattr(dir+"/"+name, xattrGFID, g[:], 0); err != nil {
			t.Fatal(err)
		}
		if _, err := lookup(b, fop.RootGFID, name); fop.Errno(err) != syscall.EIO {
			t.Errorf("Lookup(%s): %v, want EIO", name, err)
		}
	}
	if a, err := lookup(b, fop.RootGFID, "f"); err != nil || a.GFID != g {
		t.Errorf("Lookup of the original: %+v, %v", a, err)
	}
	// Who lists learns that there is such a name: else it would be taken for one that does not exist.
	o, err := b.Opendir(ctx, &fop.OpendirReq{GFID: fop.RootGFID})
	must(t, err)
	defer o.Dir.Close()
	found := map[string]fop.Dirent{}
	must(t, xlator.ListAll(ctx, o.Dir, fop.ReaddirpReq{Size: 1 << 16, Plus: true}, func(es []fop.Dirent) error {
		for _, e := range es {
			found[e.Name] = e
		}
		return nil
	}))
	for name, typ := range map[string]fop.FileType{"copy": fop.TypeReg, "dcopy": fop.TypeDir} {
		if e := found[name]; e.Name == "" || !e.Iatt.GFID.IsZero() || e.Iatt.Type != typ || e.Iatt.Nlink != 0 {
			t.Errorf("%s is listed as %+v", name, e)
		}
	}
}

func TestHealthCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir, "health-check-interval", "20ms")
	events := make(chan xlator.Event, 100)
	b.Watch(func(e xlator.Event) { events <- e })
	if e := <-events; e.Kind != xlator.ChildUp {
		t.Fatalf("first event %+v", e)
	}
	file := dir + "/.glusterfs/health_check"
	os.Remove(file)
	if err := os.Mkdir(file, 0755); err != nil { // EISDIR stands for a disk that fails
		t.Skipf("the check was faster: %v", err)
	}
	if e := <-events; e.Kind != xlator.ChildDown || e.Reason == "" {
		t.Fatalf("event %+v, want ChildDown with a reason", e)
	}
	for !b.down.Load() { // it is told before it is done
		runtime.Gosched()
	}
	if _, err := lookup(b, fop.RootGFID, "x"); !fop.IsDown(err) {
		t.Errorf("Lookup on a sick disk: %v, want ENOTCONN", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if e := <-events; e.Kind != xlator.ChildUp {
		t.Fatalf("event %+v, want ChildUp", e)
	}
	if _, err := lookup(b, fop.RootGFID, "x"); fop.Errno(err) != syscall.ENOENT {
		t.Errorf("Lookup: %v, want ENOENT", err)
	}
	text, err := os.ReadFile(file)
	if err != nil || len(text) != 25 {
		t.Errorf("health_check holds %q, %v", text, err)
	}
}

// A handle is believed as far as the file at it says the same: a wrong one goes, a file that has
// lost its GFID gets it back, and what is found by name gets a handle again.
func TestWrongHandles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir)
	x, y := mkfile(t, b, fop.RootGFID, "x", "of x"), mkfile(t, b, fop.RootGFID, "y", "of y")
	lost, torn, gone := mkfile(t, b, fop.RootGFID, "lost", ""), mkfile(t, b, fop.RootGFID, "torn", ""), mkfile(t, b, fop.RootGFID, "gone", "")
	b.Close()
	must(t, os.Remove(handlePath(b, y)))
	must(t, os.Link(dir+"/x", handlePath(b, y)))
	must(t, unix.Lremovexattr(dir+"/lost", xattrGFID))
	must(t, unix.Lsetxattr(dir+"/torn", xattrGFID, []byte("seven b"), 0))
	must(t, os.Remove(handlePath(b, gone)))

	b = serve(t, dir)
	if a, err := b.Stat(ctx, &fop.StatReq{GFID: y}); fop.Errno(err) != syscall.ESTALE {
		t.Errorf("Stat through the handle of another file: %+v, %v, want ESTALE", a, err)
	}
	for name, g := range map[string]fop.GFID{"x": x, "y": y, "gone": gone} {
		if a, err := lookup(b, fop.RootGFID, name); err != nil || a.GFID != g {
			t.Errorf("Lookup(%s): %v, %v, want %v", name, a.GFID, err, g)
		}
	}
	for name, g := range map[string]fop.GFID{"lost": lost, "torn": torn, "y": y, "gone": gone} {
		if a, err := b.Stat(ctx, &fop.StatReq{GFID: g}); err != nil || a.Iatt.GFID != g {
			t.Errorf("Stat of %s: %v", name, err)
		}
		if a, err := lookup(b, fop.RootGFID, name); err != nil || a.GFID != g {
			t.Errorf("Lookup(%s) later: %v, %v, want %v", name, a.GFID, err, g)
		}
	}
}

// Found by its name, a wrong handle is put right, too, and a GFID that is none is replaced.
func TestWrongHandlesByName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir)
	y, torn := mkfile(t, b, fop.RootGFID, "y", "of y"), mkfile(t, b, fop.RootGFID, "torn", "")
	d := mkdir(t, b, fop.RootGFID, "d")
	mkfile(t, b, fop.RootGFID, "x", "of x")
	b.Close()
	must(t, os.Remove(handlePath(b, y)))
	must(t, os.Link(dir+"/x", handlePath(b, y)))
	for _, name := range []string{"/torn", "/d"} {
		must(t, unix.Lsetxattr(dir+name, xattrGFID, make([]byte, 16), 0))
	}
	b = serve(t, dir)
	if a, err := lookup(b, fop.RootGFID, "y"); err != nil || a.GFID != y {
		t.Errorf("Lookup: %v, %v, want %v", a.GFID, err, y)
	}
	age(t, b, "torn")
	age(t, b, "d")
	for name, g := range map[string]fop.GFID{"torn": torn, "d": d} {
		if a, err := lookup(b, fop.RootGFID, name); err != nil || a.GFID == g || a.GFID.IsZero() {
			t.Errorf("Lookup of %s with a GFID of zeros: %v, %v, want a new one", name, a.GFID, err)
		}
	}
}

// A clock that was put back does not hide what was made before.
func TestClockPutBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir)
	future := &unix.Statx_t{Ctime: unix.StatxTimestamp{Sec: time.Now().Add(time.Hour).Unix()}}
	must(t, os.WriteFile(dir+"/f", nil, 0o644))
	if _, err := b.adopt(b.root, "f", future); err != nil {
		t.Errorf("adopting what was changed in an hour: %v", err)
	}
}
