package heal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
)

// handle is the path of a GFID's handle on a brick.
func handle(dir string, g fop.GFID) string {
	s := g.String()
	return filepath.Join(dir, ".glusterfs", s[:2], s[2:4], s)
}

// What one brick's disk says wrongly about who an inode is never reaches a reader, is voted down
// and healed. How it is found: f is written to, or (full) everything is compared.
func TestWrongIdentity(t *testing.T) {
	for what, harm := range map[string]func(t *testing.T, dir string, f, other fop.GFID){
		"GFID of another": func(t *testing.T, dir string, f, other fop.GFID) {
			g := fop.NewGFID()
			must(t, unix.Lsetxattr(dir+"/f", "trusted.gfid", g[:], 0))
		},
		"no GFID": func(t *testing.T, dir string, f, other fop.GFID) {
			must(t, unix.Lremovexattr(dir+"/f", "trusted.gfid"))
		},
		"GFID of five bytes": func(t *testing.T, dir string, f, other fop.GFID) {
			must(t, unix.Lsetxattr(dir+"/f", "trusted.gfid", []byte("short"), 0))
		},
		"no handle": func(t *testing.T, dir string, f, other fop.GFID) { must(t, os.Remove(handle(dir, f))) },
		"handle of another": func(t *testing.T, dir string, f, other fop.GFID) {
			must(t, os.Remove(handle(dir, f)))
			must(t, os.Link(dir+"/other", handle(dir, f)))
		},
		"name and handle gone": func(t *testing.T, dir string, f, other fop.GFID) {
			must(t, os.Remove(handle(dir, f)))
			must(t, os.Remove(dir+"/f"))
		},
	} {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, full %v", what, full), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, 3, false, nil)
				f := create(t, r.client, fop.RootGFID, "f", "content of f")
				other := create(t, r.client, fop.RootGFID, "other", "something else")
				r.unmount()
				r.bricks[1].Close()
				harm(t, r.dirs[1], f, other)
				r.start(1)
				r.connectHealer(heal.PolicyNone)
				r.mount()
				waitOld(t, r.dirs[1]+"/f")
				if got, err := readAll(r.client, f); err != nil || got != "content of f" {
					t.Errorf("before healing: %q, %v", got, err)
				}
				want := "content of f"
				if full {
					for _, g := range []fop.GFID{fop.RootGFID, f} {
						if o, err := r.healer.Compare(ctx, g); err != nil || o.Kind > heal.Partly {
							t.Errorf("Compare = %+v, %v", o, err)
						}
					}
				} else {
					lookupName(t, r, "f")
					write(t, r.client, f, 0, []byte("CONTENT"))
					want = "CONTENT of f"
				}
				r.healAll()
				r.wantEqual()
				if got, _ := os.ReadFile(r.dirs[1] + "/f"); string(got) != want {
					t.Errorf("after healing: %q", got)
				}
				if got, _ := os.ReadFile(r.dirs[1] + "/other"); string(got) != "something else" {
					t.Errorf("the other file: %q", got)
				}
			})
		}
	}
}

func lookupName(t *testing.T, r *rig, name string) {
	t.Helper()
	ok[*fop.LookupReply](t)(r.client.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: fop.RootGFID, Name: name}))
}

// waitOld waits until an object without a GFID is old enough to be adopted.
func waitOld(t *testing.T, path string) {
	t.Helper()
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil {
		<-time.After(time.Until(time.Unix(st.Ctim.Unix()).Add(1100 * time.Millisecond)))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
