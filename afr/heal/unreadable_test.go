package heal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// garbage are values that no counters are.
var garbage = map[string][]byte{
	"empty": {}, "short": {0, 0, 0, 0, 0, 0, 0}, "zeros too long": make([]byte, 16), "text": []byte("no counters at all"), "large": bytes.Repeat([]byte{9}, 3000),
}

func (r *rig) spoil(i int, g fop.GFID, key string, v []byte) {
	r.t.Helper()
	ok[*fop.XattropReply](r.t)(r.bricks[i].Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: g, Op: fop.XattropSet, Deltas: []fop.Xattr{{Name: key, Value: v}}}))
}

func readAll(x xlator.Xlator, g fop.GFID) (string, error) {
	o, err := x.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_RDONLY})
	if err != nil {
		return "", err
	}
	defer o.File.Close()
	buf := make([]byte, 1000)
	a, err := o.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: buf})
	if err != nil {
		return "", err
	}
	return string(buf[:a.N]), nil
}

// stale makes a file whose copy on brick 2 has missed a change, and a directory that lacks a
// name there.
func (r *rig) stale() (f, d fop.GFID) {
	r.t.Helper()
	f = create(r.t, r.client, fop.RootGFID, "f", "old")
	d = mkdir(r.t, r.client, fop.RootGFID, "d")
	r.without(2, func() {
		write(r.t, r.client, f, 0, []byte("new!"))
		create(r.t, r.client, d, "n", "inside")
	})
	return f, d
}

// Marks of one copy that cannot be read stop nobody: the others know whose copy is right, who
// reads gets that, and all are healed.
func TestUnreadableMarks(t *testing.T) {
	for what, v := range garbage {
		for i := range 3 {
			for _, key := range []string{"trusted.afr.v-client-0", "trusted.afr.v-client-1", "trusted.afr.v-client-2", changelog.DirtyKey} {
				if what != "text" && (i != 0 || key != "trusted.afr.v-client-2") {
					continue // enough is enough
				}
				t.Run(fmt.Sprintf("%s, %s on %d", what, key, i), func(t *testing.T) {
					t.Parallel()
					r := newRig(t, 3, false, nil)
					f, d := r.stale()
					r.spoil(i, f, key, v)
					r.spoil(i, d, key, v)
					if got, err := readAll(r.client, f); err != nil || got != "new!" {
						t.Errorf("before healing: %q, %v", got, err)
					}
					r.healAll()
					r.wantEqual()
					if got, _ := os.ReadFile(filepath.Join(r.dirs[2], "f")); string(got) != "new!" {
						t.Errorf("after healing: %q", got)
					}
					if got, _ := os.ReadFile(filepath.Join(r.dirs[2], "d/n")); string(got) != "inside" {
						t.Errorf("after healing, in the directory: %q", got)
					}
				})
			}
		}
	}
}

// A change under way neither makes marks readable that cannot be read, nor is lost with them.
func TestWritingOverUnreadableMarks(t *testing.T) {
	for i := range 3 {
		r := newRig(t, 3, false, nil)
		f := create(t, r.client, fop.RootGFID, "f", "old")
		r.remount()
		r.spoil(i, f, "trusted.afr.v-client-2", []byte{})
		r.spoil(i, f, changelog.DirtyKey, []byte{1})
		write(t, r.client, f, 0, []byte("newer"))
		r.remount()
		r.healAll()
		r.wantEqual()
		if got, _ := os.ReadFile(filepath.Join(r.dirs[2], "f")); string(got) != "newer" {
			t.Errorf("unreadable on %d: %q", i, got)
		}
	}
}

// Where those with unreadable marks may be the only ones who know whose copy is right, nothing
// is read or healed until the user says, and no copy changes.
func TestUnreadableMarksNobodyKnows(t *testing.T) {
	for _, c := range []struct {
		bricks  int
		arbiter bool
		spoiled []int
	}{{2, false, []int{0}}, {2, false, []int{1}}, {2, false, []int{0, 1}}, {3, false, []int{0, 1}}, {3, false, []int{0, 1, 2}}, {3, true, []int{0, 2}}} {
		for _, source := range []int{0, 1} {
			t.Run(fmt.Sprint(c, "source", source), func(t *testing.T) {
				r := newRig(t, c.bricks, c.arbiter, nil)
				f := create(t, r.client, fop.RootGFID, "f", "old")
				r.without(1, func() { write(t, r.client, f, 0, []byte("new")) })
				for _, i := range c.spoiled {
					r.spoil(i, f, "trusted.afr.v-client-1", []byte("x"))
				}
				r.remount()
				if got, err := readAll(r.client, f); fop.Errno(err) != syscall.EIO {
					t.Errorf("read %q, %v, want EIO", got, err)
				}
				o, err := r.healer.Inode(ctx, f)
				if err != nil || o.Kind != heal.SplitBrain || !strings.Contains(o.Why, "cannot be read") || !strings.Contains(o.Why, fmt.Sprint("v-client-", c.spoiled[len(c.spoiled)-1])) {
					t.Errorf("Inode = %+v, %v", o, err)
				}
				if s, err := r.healer.Inspect(ctx, f); err != nil || s.Data != heal.Split {
					t.Errorf("Inspect = %+v, %v", s, err)
				}
				for i, want := range []string{"new", "old"} {
					if got, _ := os.ReadFile(filepath.Join(r.dirs[i], "f")); string(got) != want {
						t.Errorf("copy %d is %q by now", i, got)
					}
				}
				r.unmount()
				if err := r.healer.Resolve(ctx, f, heal.Resolution{How: heal.SourceChild, Child: source}); err != nil {
					t.Fatal(err)
				}
				r.healAll()
				r.wantEqual()
				if got, _ := os.ReadFile(filepath.Join(r.dirs[1-source], "f")); string(got) != []string{"new", "old"}[source] {
					t.Errorf("after resolving: %q", got)
				}
				if err := r.healer.Resolve(ctx, f, heal.Resolution{How: heal.SourceChild, Child: source}); !errors.Is(err, heal.ErrNotSplit) {
					t.Errorf("resolving again: %v", err)
				}
			})
		}
	}
}

// Where all copies are alike it does not matter whom marks blamed that cannot be read.
func TestUnreadableMarksOfEqualCopies(t *testing.T) {
	for _, spoiled := range [][]int{{0}, {1}, {0, 1}} {
		r := newRig(t, 2, false, nil)
		f := create(t, r.client, fop.RootGFID, "f", "content")
		r.remount()
		for _, i := range spoiled {
			r.spoil(i, f, "trusted.afr.v-client-1", []byte("x"))
		}
		r.healAll()
		r.wantEqual()
		if got, err := readAll(r.client, f); err != nil || got != "content" {
			t.Errorf("unreadable on %v: after healing: %q, %v", spoiled, got, err)
		}
	}
}

// Counters that are as high as they can be, or negative as GlusterFS would see them, are blame
// like any other: one more mark does not make them zero, and healing ends.
func TestAbsurdCounters(t *testing.T) {
	for _, v := range [][]byte{
		bytes.Repeat([]byte{0xff}, 12), bytes.Repeat([]byte{0x80, 0, 0, 0}, 3), bytes.Repeat([]byte{0x7f, 0xff, 0xff, 0xff}, 3), bytes.Repeat([]byte{0x80, 0, 0, 1}, 3)} {
		r := newRig(t, 3, false, nil)
		f, d := r.stale()
		for _, g := range []fop.GFID{f, d} {
			for i := range 2 {
				r.spoil(i, g, "trusted.afr.v-client-2", v)
				r.spoil(i, g, changelog.DirtyKey, v)
			}
			r.spoil(2, g, "trusted.afr.v-client-2", v)
		}
		r.without(2, func() {
			write(t, r.client, f, 0, []byte("newer"))
			create(t, r.client, d, "m", "more")
		})
		if got, err := readAll(r.client, f); err != nil || got != "newer" {
			t.Errorf("%x: before healing: %q, %v", v, got, err)
		}
		r.healAll()
		r.wantEqual()
	}
}

// suspected is a brick whose machine has lost power, until somebody vouches for it.
type suspected struct {
	xlator.Xlator
	is bool
}

func (s *suspected) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name != fop.SuspectXattr {
		return s.Xlator.Getxattr(ctx, q)
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(map[bool]string{true: "1", false: "0"}[s.is])}}}, nil
}

func (s *suspected) Removexattr(ctx context.Context, q *fop.RemovexattrReq) (*fop.InodeReply, error) {
	s.is = false
	return &fop.InodeReply{}, nil
}

// One file with unreadable marks does not keep a brick out for ever that has lost power: it is
// blamed for that file, as for one that may be dirty.
func TestVouchWithUnreadableMarks(t *testing.T) {
	for spoiled := range 3 {
		r := newRig(t, 3, false, nil)
		f := create(t, r.client, fop.RootGFID, "f", "content")
		r.unmount()
		cfg := r.healer.Config
		var subs []xlator.Xlator
		for i, b := range r.bricks {
			subs = append(subs, &suspected{b, i == 1})
		}
		one := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		for _, b := range r.bricks {
			ok[*fop.XattropReply](t)(b.Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: f, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: changelog.DirtyKey, Value: one}}}))
		}
		r.spoil(spoiled, f, "trusted.afr.v-client-0", []byte("x"))
		if was, err := heal.New(cfg, subs).Vouch(ctx, 1); !was || err != nil {
			t.Errorf("unreadable on %d: Vouch = %v, %v", spoiled, was, err)
		}
		if s := subs[1].(*suspected); s.is {
			t.Errorf("unreadable on %d: still suspect", spoiled)
		}
		r.healAll()
		r.wantEqual()
	}
}
