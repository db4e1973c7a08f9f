package heal_test

import (
	"testing"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// mark adds to a mark on a brick; names are those that were missed.
func (r *rig) mark(brick int, g fop.GFID, key string, by changelog.Counters, names ...string) {
	r.t.Helper()
	q := &fop.XattropReq{Req: req(), GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: key, Value: by.Bytes()}}, EntryCreate: names}
	if _, err := r.bricks[brick].Xattrop(ctx, q); err != nil {
		r.t.Fatal(err)
	}
}

// healWithout heals what is pending once, while brick i is away from the healer.
func (r *rig) healWithout(i int) {
	r.t.Helper()
	gs := r.pending()
	r.hlinks[i].SetDown(true)
	defer r.hlinks[i].SetDown(false)
	for _, g := range gs {
		if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind == heal.Failed || o.Kind == heal.SplitBrain {
			r.t.Fatalf("healing %v without brick %d: %+v, %v", g, i, o, err)
		}
	}
}

// cutUnlink removes a name of the root on one brick, as an unlink that was cut short does.
func (r *rig) cutUnlink(brick int, name string) {
	r.t.Helper()
	for i := range r.bricks {
		r.mark(i, fop.RootGFID, changelog.DirtyKey, changelog.One(changelog.Entry))
	}
	unlink(r.t, r.bricks[brick], fop.RootGFID, name)
}

// A file that one of the two copies which knew that the third is stale has lost is not made again
// from the stale one: these two would be a quorum.
func TestMakeFromAStaleCopy(t *testing.T) {
	for _, name := range []string{"before", "after"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 3, false, nil)
			f := create(t, r.client, fop.RootGFID, "f", "old")
			r.without(0, func() { write(t, r.client, f, 0, []byte("new")) })
			r.unmount()
			r.cutUnlink(2, "f")
			if name == "after" { // brick 1 is there when the copy is made, and away when it is filled
				if o, err := r.healer.Inode(ctx, fop.RootGFID); err != nil || o.NamesMade != 1 {
					t.Fatalf("healing the names: %+v, %v", o, err)
				}
			}
			r.healWithout(1)
			r.healWithout(1)
			r.healAll()
			r.wantEqual()
			r.wantContent(f, "new")
		})
	}
}

func (r *rig) wantContent(f fop.GFID, want string) {
	r.t.Helper()
	a, err := r.client.Open(ctx, &fop.OpenReq{Req: req(), GFID: f})
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.File.Close()
	got := make([]byte, 100)
	d, err := a.File.Readv(ctx, &fop.ReadvReq{Req: req(), Buf: got})
	if err == nil {
		got = got[:d.N]
	}
	if string(got) != want {
		r.t.Errorf("the file has %q, %v, want %q", got, err, want)
	}
}

// A client that holds a lease does not take a copy that was lost and made again for the one that
// was there when it took the lease.
func TestMakeUnderALease(t *testing.T) {
	r := newRig(t, 3, false, xlator.Options{"post-op-delay-secs": "60", "read-subvolume-index": "1"})
	f := create(t, r.client, fop.RootGFID, "f", "content")
	d := mkdir(t, r.client, fop.RootGFID, "d")
	create(t, r.client, d, "in", "")
	unlink(t, r.bricks[1], d, "in")
	if _, err := r.bricks[1].Rmdir(ctx, &fop.RmdirReq{Req: req(), Parent: fop.RootGFID, Name: "d"}); err != nil {
		t.Fatal(err)
	}
	r.cutUnlink(1, "f")
	for range 50 {
		if o, err := r.healer.Compare(ctx, fop.RootGFID); err != nil || o.NamesMade > 0 && o.Kind <= heal.Healed {
			break
		}
	}
	if st, err := r.client.Stat(ctx, &fop.StatReq{Req: req(), GFID: f}); err != nil || st.Iatt.Size != 7 {
		t.Errorf("the file is %+v, %v; want a size of 7", st, err)
	}
	r.wantContent(f, "content")
	if _, err := r.client.Lookup(ctx, &fop.LookupReq{Req: req(), Parent: d, Name: "in"}); err != nil {
		t.Errorf("a name in the directory: %v", err)
	}
	r.healAll()
	r.wantEqual()
}

// A file that only the arbiter has left is not made again, empty, while a brick that may have
// its content is away. Once all are there it goes: it was being removed.
func TestMakeFromTheArbiter(t *testing.T) {
	for name, lost := range map[string][]int{"it has": {1}, "it has not": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 3, true, nil)
			f := create(t, r.client, fop.RootGFID, "f", "content")
			r.unmount()
			for _, i := range lost {
				r.cutUnlink(i, "f")
			}
			r.healWithout(0)
			r.healAll()
			r.wantEqual()
			if len(lost) == 1 {
				r.wantContent(f, "content")
			} else if _, err := r.client.Stat(ctx, &fop.StatReq{Req: req(), GFID: f}); !fop.IsGone(err) {
				t.Errorf("a file without content: %v", err)
			}
		})
	}
}
