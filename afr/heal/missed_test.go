package heal_test

import (
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
)

const root = "root"

// A scene is something that happens before, and something while a brick is away.
type scene struct {
	before func(t *testing.T, s *stage)
	missed func(t *testing.T, s *stage)
	// want are parts of the tree's description that must be there after healing.
	want []string
	// written is how many bytes healing may write; 0: any.
	written int64
}

// A stage remembers inodes by name, and is what the scenes act on.
type stage struct {
	*rig
	g map[string]fop.GFID
}

var scenes = map[string]scene{
	"files": {
		before: func(t *testing.T, s *stage) {
			s.g["f"] = create(t, s.client, fop.RootGFID, "f", "old content")
			create(t, s.client, fop.RootGFID, "gone", "x")
		},
		missed: func(t *testing.T, s *stage) {
			write(t, s.client, s.g["f"], 0, []byte("NEW"))
			create(t, s.client, fop.RootGFID, "new", "fresh")
			create(t, s.client, fop.RootGFID, "empty", "")
			unlink(t, s.client, fop.RootGFID, "gone")
		},
		want: []string{"new mode 100644 owner 7:8", "empty mode"},
	},
	"attributes": {
		before: func(t *testing.T, s *stage) {
			s.g["f"] = create(t, s.client, fop.RootGFID, "f", "x")
			s.g["d"] = mkdir(t, s.client, fop.RootGFID, "d")
			ok[*fop.InodeReply](t)(s.client.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: s.g["f"], Xattrs: []fop.Xattr{{Name: "user.old", Value: []byte("1")}, {Name: "user.both", Value: []byte("1")}}}))
		},
		missed: func(t *testing.T, s *stage) {
			for _, g := range []fop.GFID{s.g["f"], s.g["d"], fop.RootGFID} {
				ok[*fop.InodeReply](t)(s.client.Setattr(ctx, &fop.SetattrReq{Req: req(), GFID: g, Valid: fop.SetMode | fop.SetUID | fop.SetGID | fop.SetMtime,
					Mode: 0o6751, UID: 1000, GID: 1001, Mtime: fop.Time{Sec: 1e9, Nsec: 5}}))
			}
			ok[*fop.InodeReply](t)(s.client.Removexattr(ctx, &fop.RemovexattrReq{Req: req(), GFID: s.g["f"], Names: []string{"user.old"}}))
			ok[*fop.InodeReply](t)(s.client.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: s.g["f"], Xattrs: []fop.Xattr{{Name: "user.both", Value: []byte("2")}, {Name: "trusted.x", Value: []byte("y")}}}))
			ok[*fop.InodeReply](t)(s.client.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: s.g["d"], Internal: true, Xattrs: []fop.Xattr{{Name: "trusted.glusterfs.dht", Value: []byte("0123456789abcdef")}}}))
		},
		want: []string{"f mode 106751 owner 1000:1001", "d mode 46751"},
	},
	"acl": {
		before: func(t *testing.T, s *stage) {
			s.g["f"] = create(t, s.client, fop.RootGFID, "f", "x")
			s.g["d"] = mkdir(t, s.client, fop.RootGFID, "d")
		},
		missed: func(t *testing.T, s *stage) {
			acl := []byte("\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\xe8\x03\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x06\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff")
			ok[*fop.InodeReply](t)(s.client.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: s.g["f"], Xattrs: []fop.Xattr{{Name: "system.posix_acl_access", Value: acl}}}))
			ok[*fop.InodeReply](t)(s.client.Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: s.g["d"], Xattrs: []fop.Xattr{{Name: "system.posix_acl_default", Value: acl}}}))
			create(t, s.client, s.g["d"], "heir", "x")
			mkdir(t, s.client, s.g["d"], "sub")
		},
		want: []string{"system.posix_acl_access", "system.posix_acl_default"},
	},
	"trees": {
		before: func(t *testing.T, s *stage) {
			s.g["dead"] = mkdir(t, s.client, fop.RootGFID, "dead")
			s.g["sub"] = mkdir(t, s.client, s.g["dead"], "sub")
			create(t, s.client, s.g["sub"], "f", "x")
			create(t, s.client, s.g["dead"], "g", "x")
		},
		missed: func(t *testing.T, s *stage) {
			unlink(t, s.client, s.g["sub"], "f")
			unlink(t, s.client, s.g["dead"], "g")
			rmdir(t, s.client, s.g["dead"], "sub")
			rmdir(t, s.client, fop.RootGFID, "dead")
			d := fop.RootGFID
			for range 12 {
				d = mkdir(t, s.client, d, "deep")
			}
			create(t, s.client, d, "bottom", "found")
		},
	},
	"special files": {
		before: func(t *testing.T, s *stage) {},
		missed: func(t *testing.T, s *stage) {
			for n, typ := range map[string]fop.FileType{"fifo": fop.TypeFifo, "sock": fop.TypeSock, "chr": fop.TypeChr, "blk": fop.TypeBlk} {
				ok[*fop.EntryReply](t)(s.client.Mknod(ctx, &fop.MknodReq{Req: req(), Parent: fop.RootGFID, Name: n, GFID: fop.NewGFID(), Type: typ, Mode: 0o600, Rdev: 0x0103}))
			}
			ok[*fop.EntryReply](t)(s.client.Symlink(ctx, &fop.SymlinkReq{Req: req(), Parent: fop.RootGFID, Name: "ln", GFID: fop.NewGFID(), Target: "/no/where"}))
		},
		want: []string{"ln mode 120777 owner 7:8 rdev 0 -> /no/where"},
	},
	"hard links": {
		before: func(t *testing.T, s *stage) {
			s.g["f"] = create(t, s.client, fop.RootGFID, "f", strings.Repeat("linked", 1000))
			s.g["d"] = mkdir(t, s.client, fop.RootGFID, "d")
			ok[*fop.EntryReply](t)(s.client.Link(ctx, &fop.LinkReq{Req: req(), GFID: s.g["f"], Parent: s.g["d"], Name: "second"}))
		},
		missed: func(t *testing.T, s *stage) {
			ok[*fop.EntryReply](t)(s.client.Link(ctx, &fop.LinkReq{Req: req(), GFID: s.g["f"], Parent: s.g["d"], Name: "third"}))
			unlink(t, s.client, s.g["d"], "second")
			unlink(t, s.client, fop.RootGFID, "f")
			n := create(t, s.client, fop.RootGFID, "n", "new")
			ok[*fop.EntryReply](t)(s.client.Link(ctx, &fop.LinkReq{Req: req(), GFID: n, Parent: s.g["d"], Name: "n2"}))
		},
		want: []string{"d/third mode 100644 owner 7:8 rdev 0 links 2"}, written: 3 * 2,
	},
	"renames copy nothing": {
		before: func(t *testing.T, s *stage) {
			s.g["a"] = mkdir(t, s.client, fop.RootGFID, "a")
			s.g["b"] = mkdir(t, s.client, fop.RootGFID, "b")
			s.g["d"] = mkdir(t, s.client, s.g["a"], "d")
			create(t, s.client, s.g["d"], "deep", strings.Repeat("1", 5000))
			create(t, s.client, s.g["a"], "big", strings.Repeat("2", 5000))
			create(t, s.client, fop.RootGFID, "x", strings.Repeat("3", 5000))
			create(t, s.client, fop.RootGFID, "y", strings.Repeat("4", 5000))
		},
		missed: func(t *testing.T, s *stage) {
			rename(t, s.client, s.g["a"], "d", s.g["b"], "moved")
			rename(t, s.client, s.g["a"], "big", fop.RootGFID, "big")
			n := mkdir(t, s.client, s.g["b"], "new")
			rename(t, s.client, fop.RootGFID, "big", n, "bigger")
			rename(t, s.client, fop.RootGFID, "x", fop.RootGFID, "t") // x and y change places
			rename(t, s.client, fop.RootGFID, "y", fop.RootGFID, "x")
			rename(t, s.client, fop.RootGFID, "t", fop.RootGFID, "y")
		},
		want: []string{"b/moved/deep", "b/new/bigger"}, written: -1,
	},
	"a directory moved into its own successor": {
		before: func(t *testing.T, s *stage) {
			s.g["a"] = mkdir(t, s.client, fop.RootGFID, "a")
			create(t, s.client, s.g["a"], "f", strings.Repeat("x", 3000))
		},
		missed: func(t *testing.T, s *stage) {
			rename(t, s.client, fop.RootGFID, "a", fop.RootGFID, "t")
			n := mkdir(t, s.client, fop.RootGFID, "a")
			rename(t, s.client, fop.RootGFID, "t", n, "old")
		},
		want: []string{"a/old/f"}, written: -1,
	},
	"saved from a removed tree": {
		before: func(t *testing.T, s *stage) {
			s.g["a"] = mkdir(t, s.client, fop.RootGFID, "a")
			s.g["sub"] = mkdir(t, s.client, s.g["a"], "sub")
			create(t, s.client, s.g["sub"], "f", strings.Repeat("x", 3000))
			s.g["keep"] = mkdir(t, s.client, s.g["sub"], "keep")
			create(t, s.client, s.g["keep"], "g", strings.Repeat("y", 3000))
		},
		missed: func(t *testing.T, s *stage) {
			n := mkdir(t, s.client, fop.RootGFID, "n")
			rename(t, s.client, s.g["sub"], "f", n, "f")
			rename(t, s.client, s.g["sub"], "keep", n, "keep")
			rmdir(t, s.client, s.g["a"], "sub")
			rmdir(t, s.client, fop.RootGFID, "a")
		},
		want: []string{"n/f ", "n/keep/g "}, written: -1,
	},
	"another type under the name": {
		before: func(t *testing.T, s *stage) {
			create(t, s.client, fop.RootGFID, "x", "file")
			mkdir(t, s.client, fop.RootGFID, "y")
		},
		missed: func(t *testing.T, s *stage) {
			unlink(t, s.client, fop.RootGFID, "x")
			mkdir(t, s.client, fop.RootGFID, "x")
			rmdir(t, s.client, fop.RootGFID, "y")
			create(t, s.client, fop.RootGFID, "y", "file")
		},
		want: []string{"x mode 40755", "y mode 100644"},
	},
	"truncated": {
		before: func(t *testing.T, s *stage) {
			s.g["f"] = create(t, s.client, fop.RootGFID, "f", strings.Repeat("x", 10000))
			s.g["g"] = create(t, s.client, fop.RootGFID, "g", "short")
		},
		missed: func(t *testing.T, s *stage) {
			ok[*fop.InodeReply](t)(s.client.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: s.g["f"], Size: 100}))
			ok[*fop.InodeReply](t)(s.client.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: s.g["g"], Size: 3 << 20}))
		},
	},
	"many names": {
		before: func(t *testing.T, s *stage) {
			s.g["d"] = mkdir(t, s.client, fop.RootGFID, "d")
			for i := range 150 {
				create(t, s.client, s.g["d"], "old"+itoa(i), "")
			}
		},
		missed: func(t *testing.T, s *stage) {
			for i := range 150 {
				create(t, s.client, s.g["d"], "new"+itoa(i), "x")
			}
			for i := range 100 {
				unlink(t, s.client, s.g["d"], "old"+itoa(i))
			}
		},
	},
}

func itoa(i int) string {
	return string([]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)})
}

// TestMissed lets bricks miss each scene, in each kind of set.
func TestMissed(t *testing.T) {
	for name, sc := range scenes {
		for _, c := range []struct {
			kind string
			n    int
			away []int
		}{{"replica 2", 2, []int{1}}, {"replica 3", 3, []int{0}}, {"arbiter", 3, []int{1, 2}}} {
			for _, away := range c.away {
				t.Run(strings.ReplaceAll(name+"/"+c.kind, " ", "_")+"/"+itoa(away)[2:], func(t *testing.T) {
					t.Parallel()
					s := &stage{rig: newRig(t, c.n, c.kind == "arbiter", nil), g: map[string]fop.GFID{root: fop.RootGFID}}
					sc.play(t, s, away)
				})
			}
		}
	}
}

func (sc scene) play(t *testing.T, s *stage, away int) {
	sc.before(t, s)
	s.without(away, func() { sc.missed(t, s) })
	sum := s.healAll()
	tree := s.wantEqual()
	for _, w := range sc.want {
		if !strings.Contains(tree, w) {
			t.Errorf("after healing %q is missing in:\n%s", w, tree)
		}
	}
	switch {
	case sc.written < 0 && sum.BytesWritten > 0, sc.written > 0 && sum.BytesWritten > sc.written:
		t.Errorf("healing wrote %d bytes", sum.BytesWritten)
	}
	if more := s.healAll(); !reflect.DeepEqual(more, heal.Outcome{}) {
		t.Errorf("healing again did %+v", more)
	}
}

// TestWiped heals a brick whose disk was replaced: only the root is marked, as
// replace-brick does it.
func TestWiped(t *testing.T) {
	r := newRig(t, 3, false, nil)
	d := mkdir(t, r.client, fop.RootGFID, "d")
	f := create(t, r.client, d, "f", strings.Repeat("x", 5000))
	ok[*fop.EntryReply](t)(r.client.Link(ctx, &fop.LinkReq{Req: req(), GFID: f, Parent: fop.RootGFID, Name: "l"}))
	r.unmount()
	r.bricks[2].Close()
	r.dirs[2] = t.TempDir()
	r.start(2)
	one := []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}
	for i := range 2 {
		ok[*fop.XattropReply](t)(r.bricks[i].Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: fop.RootGFID, Op: fop.XattropAdd32,
			Deltas: []fop.Xattr{{Name: "trusted.afr.v-client-2", Value: one}}}))
	}
	ok[*fop.XattropReply](t)(r.bricks[2].Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: fop.RootGFID, Op: fop.XattropAdd32,
		Deltas: []fop.Xattr{{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}}))
	r.connectHealer(heal.PolicyNone)
	r.mount()
	r.healAll()
	if tree := r.wantEqual(); !strings.Contains(tree, "d/f") {
		t.Errorf("the tree did not come back:\n%s", tree)
	}
}

// TestQuorumSuffices heals one brick while another is away, which keeps its blame.
func TestQuorumSuffices(t *testing.T) {
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "old")
	r.without(2, func() { write(t, r.client, g, 0, []byte("new")) })
	r.remount()
	r.hlinks[1].SetDown(true)
	o, err := r.healer.Inode(ctx, g)
	if err != nil || o.Kind != heal.Healed || o.BytesWritten != 3 {
		t.Fatalf("Inode = %+v, %v", o, err)
	}
	st, err := r.healer.Inspect(ctx, g)
	if err != nil || st.Worst() != heal.Clean {
		t.Errorf("Inspect without brick 1 = %+v, %v", st, err)
	}
	r.hlinks[1].SetDown(false)
	if st, err = r.healer.Inspect(ctx, g); err != nil || st.Data != heal.Needs {
		t.Errorf("Inspect = %+v, %v; brick 1 still blames brick 2", st, err)
	}
	r.healAll()
	r.wantEqual()
}

// TestNoQuorumNoHealing asks for healing with one brick of three.
func TestNoQuorumNoHealing(t *testing.T) {
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "old")
	r.without(2, func() { write(t, r.client, g, 0, []byte("new")) })
	r.hlinks[0].SetDown(true)
	r.hlinks[1].SetDown(true)
	if o, err := r.healer.Inode(ctx, g); fop.Errno(err) != syscall.ENOTCONN {
		t.Errorf("Inode = %+v, %v; want ENOTCONN", o, err)
	}
}
