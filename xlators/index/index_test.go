package index

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

const (
	blame = "trusted.afr.v-client-1"
	other = "trusted.afr.v-client-2"
	dirty = "trusted.afr.dirty"
)

var (
	one   = []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	minus = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}
	zeros = make([]byte, 12)
)

// over makes an index over a brick on dir.
func over(t *testing.T, dir string) *Index {
	t.Helper()
	p, err := posix.New(xlator.Env{}, xlator.Options{"directory": dir, "health-check-interval": "0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return overChild(t, dir, p)
}

func overChild(t *testing.T, dir string, child xlator.Xlator) *Index {
	t.Helper()
	x, err := New(xlator.Env{}, xlator.Options{"index-base": dir + "/.glusterfs/indices",
		"xattrop-pending-watchlist": "trusted.afr.v-", "xattrop-dirty-watchlist": dirty}, []xlator.Xlator{child})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x.(*Index)
}

// links lists what is in a directory of the index, without base files.
func links(t *testing.T, dir, set string) []string {
	t.Helper()
	es, err := os.ReadDir(filepath.Join(dir, ".glusterfs/indices", set))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		if !strings.HasPrefix(e.Name(), set+"-") {
			out = append(out, e.Name())
		}
	}
	return out
}

func mknod(t *testing.T, x xlator.Xlator, name string, mark ...fop.Xattr) fop.GFID {
	t.Helper()
	g := fop.NewGFID()
	_, err := x.Mknod(context.Background(), &fop.MknodReq{Parent: fop.RootGFID, Name: name, GFID: g, Type: fop.TypeReg, Mode: 0644, Mark: mark})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func xattrop(t *testing.T, x xlator.Xlator, g fop.GFID, deltas ...fop.Xattr) {
	t.Helper()
	if _, err := x.Xattrop(context.Background(), &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, Deltas: deltas}); err != nil {
		t.Fatal(err)
	}
}

func wantLinks(t *testing.T, dir, set string, want ...fop.GFID) {
	t.Helper()
	ws := []string{}
	for _, g := range want {
		ws = append(ws, g.String())
	}
	sort.Strings(ws)
	if got := links(t, dir, set); !slices.Equal(got, ws) {
		t.Errorf("%s holds %q, want %q", set, got, ws)
	}
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, func(t *testing.T) xlator.Xlator { return over(t, t.TempDir()) }, xlatortest.LongListing)
}

func TestXattrop(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	g := mknod(t, x, "f")
	wantLinks(t, dir, "xattrop")

	xattrop(t, x, g, fop.Xattr{Name: dirty, Value: one}, fop.Xattr{Name: blame, Value: zeros})
	wantLinks(t, dir, "dirty", g)
	wantLinks(t, dir, "xattrop")
	xattrop(t, x, g, fop.Xattr{Name: dirty, Value: minus}, fop.Xattr{Name: blame, Value: one})
	wantLinks(t, dir, "dirty")
	wantLinks(t, dir, "xattrop", g)

	// The base file has a link per entry.
	es, _ := filepath.Glob(dir + "/.glusterfs/indices/xattrop/xattrop-*")
	if len(es) != 1 {
		t.Fatalf("base files %q", es)
	}
	var st unix.Stat_t
	if err := unix.Stat(es[0], &st); err != nil || st.Nlink != 2 || st.Mode != unix.S_IFREG || st.Size != 0 {
		t.Errorf("base file: %d links, mode %o, size %d, %v", st.Nlink, st.Mode, st.Size, err)
	}

	// A key that the request does not name keeps the link.
	xattrop(t, x, g, fop.Xattr{Name: other, Value: one})
	xattrop(t, x, g, fop.Xattr{Name: blame, Value: minus})
	wantLinks(t, dir, "xattrop", g)
	xattrop(t, x, g, fop.Xattr{Name: other, Value: minus})
	wantLinks(t, dir, "xattrop")
}

func TestFailedXattrop(t *testing.T) {
	dir := t.TempDir()
	p, err := posix.New(xlator.Env{}, xlator.Options{"directory": dir, "health-check-interval": "0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	child := &gate{Pass: xlator.Pass{Child: p}, after: func(*fop.XattropReq) {}}
	x := overChild(t, dir, child)
	mark := func(g fop.GFID) error {
		_, err := x.Xattrop(context.Background(), &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: dirty, Value: one}}})
		return err
	}
	if err := mark(fop.NewGFID()); fop.Errno(err) != syscall.ESTALE {
		t.Fatalf("Xattrop of nothing: %v", err)
	}
	wantLinks(t, dir, "dirty")
	g := mknod(t, x, "f")
	child.fail = syscall.EIO
	if err := mark(g); fop.Errno(err) != syscall.EIO {
		t.Fatalf("Xattrop: %v", err)
	}
	wantLinks(t, dir, "dirty", g) // nobody can tell whether it happened
	if err := x.Purge(g); err != nil {
		t.Fatal(err)
	}
	wantLinks(t, dir, "dirty")
}

func TestCreationMarks(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	ctx := context.Background()
	mark := []fop.Xattr{{Name: blame, Value: one}, {Name: dirty, Value: one}}
	f := mknod(t, x, "f", mark...)
	d := fop.NewGFID()
	if _, err := x.Mkdir(ctx, &fop.MkdirReq{Parent: fop.RootGFID, Name: "d", GFID: d, Mode: 0755, Mark: mark[:1]}); err != nil {
		t.Fatal(err)
	}
	c := fop.NewGFID()
	r, err := x.Create(ctx, &fop.CreateReq{Parent: fop.RootGFID, Name: "c", GFID: c, Mode: 0644, Mark: mark[1:]})
	if err != nil {
		t.Fatal(err)
	}
	defer r.File.Close()
	l := fop.NewGFID()
	if _, err := x.Symlink(ctx, &fop.SymlinkReq{Parent: fop.RootGFID, Name: "l", GFID: l, Target: "t", Mark: []fop.Xattr{{Name: blame, Value: zeros}}}); err != nil {
		t.Fatal(err)
	}
	_, err = x.Mknod(ctx, &fop.MknodReq{Parent: fop.RootGFID, Name: "f", GFID: fop.NewGFID(), Type: fop.TypeReg, Mark: mark})
	if fop.Errno(err) != syscall.EEXIST {
		t.Fatalf("Mknod of a name that exists: %v", err)
	}
	wantLinks(t, dir, "xattrop", f, d)
	wantLinks(t, dir, "dirty", f, c)
}

func TestRelease(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	mark := fop.Xattr{Name: dirty, Value: one}
	undo := []fop.Xattr{{Name: dirty, Value: minus}}
	a, b, c := mknod(t, x, "a", mark), mknod(t, x, "b", mark), mknod(t, x, "c", mark)
	wantLinks(t, dir, "dirty", a, b, c)
	r, err := x.Release(context.Background(), &fop.ReleaseReq{Sync: true, Items: []fop.ReleaseItem{
		{GFID: a, Undo: undo}, {GFID: fop.NewGFID(), Undo: undo}, {GFID: b, Undo: undo}, {GFID: fop.RootGFID, Entry: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint32{0, uint32(syscall.ESTALE), 0, 0}; !slices.Equal(r.Errnos, want) {
		t.Errorf("errnos %v, want %v", r.Errnos, want)
	}
	wantLinks(t, dir, "dirty", c)
}

func TestEntryChanges(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	ctx := context.Background()
	g := fop.RootGFID
	do := func(create, remove []string) error {
		_, err := x.Xattrop(ctx, &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, EntryCreate: create, EntryDelete: remove})
		return err
	}
	if err := do([]string{"a", "b", strings.Repeat("n", 255)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := do([]string{"a"}, []string{"b", "never"}); err != nil {
		t.Fatal(err)
	}
	names, err := x.Names(g)
	sort.Strings(names)
	if err != nil || len(names) != 2 || names[0] != "a" {
		t.Errorf("Names = %q, %v", names, err)
	}
	var st, base unix.Stat_t
	if err := unix.Stat(dir+"/.glusterfs/indices/entry-changes/"+g.String()+"/a", &st); err != nil {
		t.Fatal(err)
	}
	m, _ := filepath.Glob(dir + "/.glusterfs/indices/entry-changes/entry-changes-*")
	if len(m) != 1 || unix.Stat(m[0], &base) != nil || base.Ino != st.Ino || st.Nlink != 3 {
		t.Errorf("a is inode %d with %d links, base %q is inode %d", st.Ino, st.Nlink, m, base.Ino)
	}
	if err := do(nil, names); err != nil {
		t.Fatal(err)
	}
	if l := links(t, dir, "entry-changes"); len(l) != 0 {
		t.Errorf("left: %q", l)
	}
	if err := do([]string{"../x"}, nil); fop.Errno(err) != syscall.EINVAL {
		t.Errorf("a name with a slash: %v", err)
	}
}

// A directory in which names were missed that nobody recorded gets no list, which healers
// would take for whole.
func TestEntryChangesAfterOthers(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	g, entry := fop.RootGFID, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	do := func(create ...string) {
		t.Helper()
		q := &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: blame, Value: entry}}, EntryCreate: create}
		if _, err := x.Xattrop(context.Background(), q); err != nil {
			t.Fatal(err)
		}
	}
	do() // GlusterFS with granular-entry-heal off
	do("a")
	if names, err := x.Names(g); err != nil || len(names) != 0 {
		t.Errorf("recorded after unrecorded ones: %q, %v", names, err)
	}
	xattrop(t, x, g, fop.Xattr{Name: blame, Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe}})
	do("b")
	do("c")
	if names, err := x.Names(g); err != nil || len(names) != 2 {
		t.Errorf("recorded after healing: %q, %v; want b and c", names, err)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	want := map[fop.GFID]bool{}
	for i := range 100 {
		want[mknod(t, x, string(rune('a'+i%26))+string(rune('a'+i/26)), fop.Xattr{Name: blame, Value: one})] = true
	}
	for _, page := range []int{1, 7, 1000} {
		got := map[fop.GFID]bool{}
		cursor, calls := uint64(0), 0
		for done := false; !done; calls++ {
			gs, next, err := x.List(context.Background(), Pending, cursor, page)
			if err != nil || len(gs) > page {
				t.Fatalf("List: %d, %v", len(gs), err)
			}
			for _, g := range gs {
				if got[g] || !want[g] {
					t.Errorf("%v is listed twice or wrongly", g)
				}
				got[g] = true
			}
			cursor, done = next, next == 0
		}
		if len(got) != len(want) {
			t.Errorf("pages of %d: %d of %d in %d calls", page, len(got), len(want), calls)
		}
	}
}

// A new process knows the links of the old one, and removes its unused base files.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	g := mknod(t, x, "f", fop.Xattr{Name: dirty, Value: one})
	h := mknod(t, x, "h", fop.Xattr{Name: blame, Value: one})
	xattrop(t, x, h, fop.Xattr{Name: blame, Value: minus})
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = over(t, dir)
	wantLinks(t, dir, "dirty", g)
	if m, _ := filepath.Glob(dir + "/.glusterfs/indices/xattrop/*"); len(m) != 0 {
		t.Errorf("unused base files are left: %q", m)
	}
	xattrop(t, x, g, fop.Xattr{Name: dirty, Value: minus})
	wantLinks(t, dir, "dirty")
}

// Many clients mark and unmark one inode; in the end the link says what the value says.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	g := mknod(t, x, "f")
	for round := range 20 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 5 {
					xattrop(t, x, g, fop.Xattr{Name: dirty, Value: one}, fop.Xattr{Name: blame, Value: one})
					xattrop(t, x, g, fop.Xattr{Name: dirty, Value: minus}, fop.Xattr{Name: blame, Value: minus})
				}
			})
		}
		wg.Wait()
		if round%2 == 0 {
			xattrop(t, x, g, fop.Xattr{Name: dirty, Value: one})
			wantLinks(t, dir, "dirty", g)
			xattrop(t, x, g, fop.Xattr{Name: dirty, Value: minus})
		}
		wantLinks(t, dir, "dirty")
		wantLinks(t, dir, "xattrop")
	}
}

// gate lets a test hold one Xattrop between the child's answer and the index.
type gate struct {
	xlator.Pass
	after func(q *fop.XattropReq)
	fail  error
}

func (g *gate) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	r, err := g.Child.Xattrop(ctx, q)
	g.after(q)
	if g.fail != nil {
		return nil, g.fail
	}
	return r, err
}

// An unmark that ran before a mark, but whose answer comes after it, must not remove the
// mark's link.
func TestOvertaken(t *testing.T) {
	dir := t.TempDir()
	p, err := posix.New(xlator.Env{}, xlator.Options{"directory": dir, "health-check-interval": "0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	unmarked, marked := make(chan struct{}), make(chan struct{})
	x := overChild(t, dir, &gate{Pass: xlator.Pass{Child: p}, after: func(q *fop.XattropReq) {
		if q.Deltas[0].Value[0] == 0xff {
			close(unmarked)
			<-marked
		}
	}})
	f := mknod(t, x, "f", fop.Xattr{Name: dirty, Value: one})
	done := make(chan struct{})
	go func() {
		defer close(done)
		xattrop(t, x, f, fop.Xattr{Name: dirty, Value: minus})
	}()
	<-unmarked
	xattrop(t, x, f, fop.Xattr{Name: dirty, Value: one})
	close(marked)
	<-done
	wantLinks(t, dir, "dirty", f)
}

func TestNewErrors(t *testing.T) {
	if _, err := New(xlator.Env{}, xlator.Options{"index-base": "/x"}, nil); err == nil {
		t.Error("New without a subvolume succeeds")
	}
	x := &Index{}
	if _, err := New(xlator.Env{}, xlator.Options{"index-base": "rel"}, []xlator.Xlator{x}); err == nil {
		t.Error("New with a relative index-base succeeds")
	}
	if _, err := New(xlator.Env{}, xlator.Options{"index-base": "/nonexistent/a"}, []xlator.Xlator{x}); fop.Errno(err) != syscall.ENOENT {
		t.Errorf("New without a brick: %v", err)
	}
}

// What somebody put in the place of links and lists stops no change, is not taken for a list,
// and goes when it is in the way.
func TestForeignEntries(t *testing.T) {
	dir := t.TempDir()
	x := over(t, dir)
	f, d := mknod(t, x, "f"), mknod(t, x, "d")
	x.Close()
	at := func(parts ...string) string {
		return filepath.Join(append([]string{dir, ".glusterfs/indices"}, parts...)...)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(at("xattrop", f.String()), 0o700))
	must(os.Mkdir(at("xattrop", "no GFID"), 0o700))
	must(os.WriteFile(at("dirty", "no GFID"), nil, 0o600))
	must(os.WriteFile(at("dirty", strings.ToUpper(fop.NewGFID().String())), nil, 0o600))
	must(os.WriteFile(at("entry-changes", d.String()), nil, 0o600))
	must(os.Mkdir(at("entry-changes", f.String()), 0o700))
	must(os.Mkdir(at("entry-changes", f.String(), "name"), 0o700))
	x = over(t, dir)
	if names, err := x.Names(d); err != nil || len(names) != 0 {
		t.Errorf("names of a list that is a file: %q, %v", names, err)
	}
	add := func(g fop.GFID, v []byte, create, del []string) {
		t.Helper()
		_, err := x.Xattrop(context.Background(), &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: blame, Value: v}}, EntryCreate: create, EntryDelete: del})
		if err != nil {
			t.Fatal(err)
		}
	}
	entry := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	add(d, entry, []string{"one"}, nil)
	if names, err := x.Names(d); err != nil || !slices.Equal(names, []string{"one"}) {
		t.Errorf("names: %q, %v", names, err)
	}
	add(f, one, nil, nil)
	add(f, minus, nil, []string{"name"})
	if names, err := x.Names(f); err != nil || len(names) != 0 {
		t.Errorf("names that are healed stay: %q, %v", names, err)
	}
	if l := links(t, dir, "xattrop"); slices.Contains(l, f.String()) {
		t.Errorf("a directory in the place of a link stays: %q", l)
	}
}

// Marks that are no counters keep an inode listed, also when they are all zeros.
func TestUnreadableStays(t *testing.T) {
	for _, v := range [][]byte{{}, {0}, make([]byte, 13), []byte("text")} {
		dir := t.TempDir()
		x := over(t, dir)
		g := mknod(t, x, "f", fop.Xattr{Name: blame, Value: one})
		_, err := x.Xattrop(context.Background(), &fop.XattropReq{GFID: g, Op: fop.XattropSet, Deltas: []fop.Xattr{{Name: blame, Value: v}}})
		if err != nil {
			t.Fatal(err)
		}
		xattrop(t, x, g, fop.Xattr{Name: blame, Value: zeros})
		if l := links(t, dir, "xattrop"); !slices.Contains(l, g.String()) {
			t.Errorf("%d bytes of garbage: not listed any more: %q", len(v), l)
		}
		_, err = x.Xattrop(context.Background(), &fop.XattropReq{GFID: g, Op: fop.XattropSet, Deltas: []fop.Xattr{{Name: blame, Value: zeros}}})
		if err != nil {
			t.Fatal(err)
		}
		if l := links(t, dir, "xattrop"); slices.Contains(l, g.String()) {
			t.Errorf("listed although all is zero: %q", l)
		}
	}
}
