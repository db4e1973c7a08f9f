package posix

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

var ctx = context.Background()

// at is a request at a time.
func at(sec int64) fop.Req { return fop.Req{Caller: &fop.Caller{Time: fop.Time{Sec: sec, Nsec: 7}}} }

func gfidOf(t testing.TB, s string) fop.GFID {
	t.Helper()
	g, err := fop.ParseGFID(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mkdir(t testing.TB, b *brick, parent fop.GFID, name string) fop.GFID {
	t.Helper()
	g := fop.NewGFID()
	if _, err := b.Mkdir(ctx, &fop.MkdirReq{Req: at(100), Parent: parent, Name: name, GFID: g, Mode: 0755}); err != nil {
		t.Fatalf("Mkdir(%q): %v", name, err)
	}
	return g
}

func mkfile(t testing.TB, b *brick, parent fop.GFID, name, content string) fop.GFID {
	t.Helper()
	g := fop.NewGFID()
	r, err := b.Create(ctx, &fop.CreateReq{Req: at(100), Parent: parent, Name: name, GFID: g, Mode: 0644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatalf("Create(%q): %v", name, err)
	}
	defer r.File.Close()
	if content != "" {
		if _, err := r.File.Writev(ctx, &fop.WritevReq{Req: at(200), Data: []byte(content)}); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func lookup(b *brick, parent fop.GFID, name string) (fop.Iatt, error) {
	r, err := b.Lookup(ctx, &fop.LookupReq{Parent: parent, Name: name})
	if err != nil {
		return fop.Iatt{}, err
	}
	return r.Iatt, nil
}

// disk returns an xattr as it is on the disk, in hex; "" if there is none.
func disk(t testing.TB, path, name string) string {
	t.Helper()
	var buf [4096]byte
	n, err := unix.Lgetxattr(path, name, buf[:])
	if err == unix.ENODATA {
		return ""
	}
	if err != nil {
		t.Fatalf("getxattr %s of %s: %v", name, path, err)
	}
	return hex.EncodeToString(buf[:n])
}

func handlePath(b *brick, g fop.GFID) string { return b.dotPath + "/" + string(appendRel(nil, g)) }

func TestGfid2path(t *testing.T) {
	root := fop.RootGFID
	d1, d2 := gfidOf(t, "e77c166d-9367-4ede-9594-4b158667e3e7"), gfidOf(t, "e5448000-7801-4137-b457-4a196e32195f")
	for _, c := range []struct {
		parent     fop.GFID
		name, want string
	}{
		{root, "file5", "1517de5c13a1c906"}, {d1, "f1hard", "0f79712b6b42348c"}, {d1, "bdev", "00221fd25cff7643"},
		{d2, "f1x", "701cd1455119e51b"}, {root, "big", "fd913bbfc43e6a69"},
	} {
		key, v := gfid2path(c.parent, c.name)
		if key != prefixPath+c.want || string(v) != c.parent.String()+"/"+c.name {
			t.Errorf("gfid2path(%s) = %s %q, want %s", c.name, key, v, c.want)
		}
	}
}

func TestHandleTarget(t *testing.T) {
	if got, want := handleTarget(fop.RootGFID, "d1"), "../../00/00/00000000-0000-0000-0000-000000000001/d1"; got != want {
		t.Errorf("handleTarget = %q, want %q", got, want)
	}
	d1 := gfidOf(t, "e77c166d-9367-4ede-9594-4b158667e3e7")
	if got, want := handleTarget(d1, "d2"), "../../e7/7c/e77c166d-9367-4ede-9594-4b158667e3e7/d2"; got != want {
		t.Errorf("handleTarget = %q, want %q", got, want)
	}
	for _, bad := range []string{"", "../../..", "../../e7/7d/e77c166d-9367-4ede-9594-4b158667e3e7/d2",
		"../../e7/7c/e77c166d-9367-4ede-9594-4b158667e3e7/", "../../e7/7c/e77c166d-9367-4ede-9594-4b158667e3e7/..",
		"../../e7/7c/e77c166d-9367-4ede-9594-4b158667e3e7/a/b", "../../E7/7C/E77C166d-9367-4ede-9594-4b158667e3e7/d2",
		"../../e7/7c/e77c166d-9367-4ede-9594-4b158667e3e7/" + strings.Repeat("x", 600)} {
		if _, _, err := parseTarget(bad); err == nil {
			t.Errorf("parseTarget(%q) succeeds", bad)
		}
	}
}

func TestMdataVector(t *testing.T) {
	const want = "010000000000000000000000006b01434800000000209f39ae000000006b01434800000000209f39ae000000006b0143480000000020975d65"
	m := mdata{ctime: fop.Time{Sec: 0x6b014348, Nsec: 0x209f39ae}, mtime: fop.Time{Sec: 0x6b014348, Nsec: 0x209f39ae}, atime: fop.Time{Sec: 0x6b014348, Nsec: 0x20975d65}}
	if got := hex.EncodeToString(m.encode()); got != want {
		t.Errorf("encode = %s, want %s", got, want)
	}
	if got, ok := decodeMdata(m.encode()); !ok || got != m {
		t.Errorf("decode = %+v, %v", got, ok)
	}
}

func FuzzMdata(f *testing.F) {
	f.Add(make([]byte, mdataLen))
	f.Add((&mdata{ctime: fop.Time{Sec: 1, Nsec: 2}}).encode())
	f.Fuzz(func(t *testing.T, v []byte) {
		m, ok := decodeMdata(v)
		if again, ok2 := decodeMdata(m.encode()); ok && (!ok2 || again != m) {
			t.Errorf("%x is %+v, then %+v", v, m, again)
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("../../e7/7c/e77c166d-9367-4ede-9594-4b158667e3e7/d2")
	f.Add("../../..")
	f.Fuzz(func(t *testing.T, s string) {
		if p, n, err := parseTarget(s); err == nil && handleTarget(p, n) != s {
			t.Errorf("parseTarget(%q) = %v %q", s, p, n)
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add([]byte("e77c166d-9367-4ede-9594-4b158667e3e7/d2"))
	f.Fuzz(func(t *testing.T, v []byte) {
		if p, n, ok := parsePath(v); ok {
			if _, w := gfid2path(p, n); !strings.EqualFold(string(w), string(v)) {
				t.Errorf("parsePath(%q) = %v %q", v, p, n)
			}
		}
	})
}

func FuzzACL(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 4, 0, 5, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0}, uint32(0644))
	f.Fuzz(func(t *testing.T, def []byte, mode uint32) {
		before := bytes.Clone(def)
		if m, _, err := inheritACL(def, mode&07777); err == nil && m&^mode&0777 != 0 {
			t.Errorf("mode %o became %o", mode, m)
		}
		if !bytes.Equal(before, def) {
			t.Error("the default ACL was changed")
		}
	})
}

// What is on the disk after a few fops is what GlusterFS would have written.
func TestOnDisk(t *testing.T) {
	dir := filepath.Join(xfs(t), "b")
	b := serve(t, dir)
	d := mkdir(t, b, fop.RootGFID, "d1")
	f := mkfile(t, b, d, "f", "data")
	g := f.String()

	if got := disk(t, dir, xattrGFID); got != "00000000000000000000000000000001" {
		t.Errorf("root's trusted.gfid %s", got)
	}
	if got := disk(t, dir+"/d1", xattrGFID); got != hex.EncodeToString(d[:]) {
		t.Errorf("directory's trusted.gfid %s, want %s", got, d)
	}
	if l, err := os.Readlink(handlePath(b, d)); err != nil || l != handleTarget(fop.RootGFID, "d1") {
		t.Errorf("directory's handle %q, %v", l, err)
	}
	var named, handle unix.Stat_t
	if unix.Lstat(dir+"/d1/f", &named) != nil || unix.Lstat(dir+"/.glusterfs/"+g[:2]+"/"+g[2:4]+"/"+g, &handle) != nil || named.Ino != handle.Ino || named.Nlink != 2 {
		t.Errorf("file is inode %d with %d links, handle %d", named.Ino, named.Nlink, handle.Ino)
	}
	key, v := gfid2path(d, "f")
	if got := disk(t, dir+"/d1/f", key); got != hex.EncodeToString(v) {
		t.Errorf("gfid2path %s", got)
	}

	b.dirty.all()
	if got, want := disk(t, dir+"/d1/f", xattrMdata), mdataHex(200, 200, 100); got != want {
		t.Errorf("mdata of a file created at 100, written at 200:\n%s, want\n%s", got, want)
	}
	if got, want := disk(t, dir+"/d1", xattrMdata), mdataHex(100, 100, 100); got != want {
		t.Errorf("mdata of the directory %s", got)
	}

	// Renames move gfid2path and handles, and nothing else.
	if _, err := b.Link(ctx, &fop.LinkReq{Req: at(300), GFID: f, Parent: fop.RootGFID, Name: "l"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{{"l", "m"}, {"d1", "d2"}} {
		if _, err := b.Rename(ctx, &fop.RenameReq{Req: at(400), OldParent: fop.RootGFID, OldName: r[0], NewParent: fop.RootGFID, NewName: r[1]}); err != nil {
			t.Fatal(err)
		}
	}
	oldKey, _ := gfid2path(fop.RootGFID, "l")
	newKey, _ := gfid2path(fop.RootGFID, "m")
	if disk(t, dir+"/m", oldKey) != "" || disk(t, dir+"/m", newKey) == "" || disk(t, dir+"/m", key) == "" {
		t.Error("gfid2path after Rename is wrong")
	}
	if l, _ := os.Readlink(handlePath(b, d)); l != handleTarget(fop.RootGFID, "d2") {
		t.Errorf("renamed directory's handle %q", l)
	}
	r, err := b.Getxattr(ctx, &fop.GetxattrReq{GFID: f, Name: virtualPath})
	if err != nil {
		t.Fatal(err)
	}
	if p := string(r.Xattrs[0].Value); p != "/d2/f:/m" && p != "/m:/d2/f" {
		t.Errorf("paths %q", p)
	}

	// Removal removes handles.
	for _, u := range []struct {
		parent fop.GFID
		name   string
	}{{fop.RootGFID, "m"}, {d, "f"}} {
		if _, err := b.Unlink(ctx, &fop.UnlinkReq{Req: at(500), Parent: u.parent, Name: u.name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Rmdir(ctx, &fop.RmdirReq{Req: at(500), Parent: fop.RootGFID, Name: "d2"}); err != nil {
		t.Fatal(err)
	}
	for _, g := range []fop.GFID{f, d} {
		if _, err := os.Lstat(handlePath(b, g)); !os.IsNotExist(err) {
			t.Errorf("the handle of %s is left: %v", g, err)
		}
	}
}

func mdataHex(c, m, a int64) string {
	t := func(s int64) fop.Time { return fop.Time{Sec: s, Nsec: 7} }
	return hex.EncodeToString((&mdata{t(c), t(m), t(a)}).encode())
}

func TestParked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	b := serve(t, dir)
	g := fop.NewGFID()
	r, err := b.Create(ctx, &fop.CreateReq{Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Unlink(ctx, &fop.UnlinkReq{Parent: fop.RootGFID, Name: "f"}); err != nil {
		t.Fatal(err)
	}
	parked := dir + "/.glusterfs/unlink/" + g.String()
	if _, err := os.Lstat(parked); err != nil {
		t.Errorf("not parked: %v", err)
	}
	// A link brings it back.
	if _, err := b.Link(ctx, &fop.LinkReq{GFID: g, Parent: fop.RootGFID, Name: "back"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(handlePath(b, g)); err != nil {
		t.Errorf("no handle after Link: %v", err)
	}
	if a, err := lookup(b, fop.RootGFID, "back"); err != nil || a.GFID != g || a.Nlink != 1 {
		t.Errorf("Lookup: %+v, %v", a, err)
	}
	if _, err := b.Unlink(ctx, &fop.UnlinkReq{Parent: fop.RootGFID, Name: "back"}); err != nil {
		t.Fatal(err)
	}
	if err := r.File.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(parked); !os.IsNotExist(err) {
		t.Errorf("still parked after the last Close: %v", err)
	}
}
