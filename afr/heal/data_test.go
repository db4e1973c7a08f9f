package heal_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
)

func random(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestBlocks heals a large file of which few blocks changed.
func TestBlocks(t *testing.T) {
	const size = 40 << 20
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "")
	write(t, r.client, g, 0, random(size, 1))
	const blocks = 20
	r.without(1, func() {
		for i := range blocks {
			write(t, r.client, g, int64(i)*(size/blocks)+777, random(3000, uint64(i)))
		}
	})
	sum := r.healAll()
	r.wantEqual()
	if sum.BytesWritten > 2*blocks*8192 {
		t.Errorf("healing %d changed bytes wrote %d", blocks*3000, sum.BytesWritten)
	}
}

// TestHoles heals a sparse file: what is a hole stays one, what became one becomes one.
func TestHoles(t *testing.T) {
	r := newRig(t, 2, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "")
	write(t, r.client, g, 0, random(3<<20, 1))
	r.without(1, func() {
		o, err := r.client.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_RDWR})
		if err != nil {
			t.Fatal(err)
		}
		defer o.File.Close()
		ok[*fop.InodeReply](t)(o.File.Fallocate(ctx, &fop.FallocateReq{Req: req(), Mode: 3, Off: 1 << 20, Len: 1 << 20}))
		ok[*fop.WritevReply](t)(o.File.Writev(ctx, &fop.WritevReq{Req: req(), Off: 100 << 20, Data: []byte("far")}))
		ok[*fop.InodeReply](t)(r.client.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: g, Size: 200 << 20}))
	})
	sum := r.healAll()
	r.wantEqual()
	if sum.BytesWritten > 64<<10 {
		t.Errorf("healing holes wrote %d bytes", sum.BytesWritten)
	}
	var a, b unix.Stat_t
	if unix.Stat(filepath.Join(r.dirs[0], "f"), &a) != nil || unix.Stat(filepath.Join(r.dirs[1], "f"), &b) != nil {
		t.Fatal("no file")
	}
	if b.Blocks > a.Blocks+64 {
		t.Errorf("the source has %d blocks, the sink %d", a.Blocks, b.Blocks)
	}
}

// TestWritersGoOn heals a large file while a client writes to it.
func TestWritersGoOn(t *testing.T) {
	const size = 24 << 20
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "")
	r.without(2, func() { write(t, r.client, g, 0, random(size, 1)) })
	r.remount()
	want := random(size, 1)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		o, err := r.client.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_RDWR})
		if err != nil {
			t.Error(err)
			return
		}
		defer o.File.Close()
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			off, data := int64(i*7919*1024)%(size-5000), random(5000, 100+i)
			if _, err := o.File.Writev(ctx, &fop.WritevReq{Req: req(), Off: off, Data: data}); err != nil {
				t.Errorf("write while healing: %v", err)
				return
			}
			copy(want[off:], data)
		}
	})
	for {
		o, err := r.healer.Inode(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind == heal.Healed {
			break
		}
		if o.Kind > heal.Busy {
			t.Fatalf("%+v", o)
		}
	}
	close(stop)
	wg.Wait()
	r.healAll()
	r.wantEqual()
	got, err := os.ReadFile(filepath.Join(r.dirs[2], "f"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the healed file is not what was written: %v", err)
	}
}

// split makes a file whose copies accuse one another.
func split(t *testing.T, r *rig) fop.GFID {
	t.Helper()
	g := create(t, r.client, fop.RootGFID, "f", "same")
	r.without(1, func() { write(t, r.client, g, 0, []byte("a longer one")) })
	r.without(0, func() { write(t, r.client, g, 0, []byte("later")) })
	return g
}

func TestSplitBrain(t *testing.T) {
	for _, c := range []struct {
		how    heal.Resolution
		policy heal.Policy
		want   string
	}{
		{how: heal.Resolution{How: heal.BiggerFile}, want: "a longer one"},
		{how: heal.Resolution{How: heal.LatestMtime}, want: "later"},
		{how: heal.Resolution{How: heal.SourceChild, Child: 1}, want: "later"},
		{how: heal.Resolution{How: heal.SourceChild, Child: 0}, want: "a longer one"},
		{policy: heal.PolicySize, want: "a longer one"},
		{policy: heal.PolicyMtime, want: "later"},
		{policy: heal.PolicyCtime, want: "later"},
	} {
		r := newRig(t, 2, false, nil)
		g := split(t, r)
		if st, err := r.healer.Inspect(ctx, g); err != nil || st.Data != heal.Split || st.Type != fop.TypeReg {
			t.Fatalf("Inspect = %+v, %v", st, err)
		}
		if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind != heal.SplitBrain {
			t.Fatalf("Inode = %+v, %v", o, err)
		}
		if c.policy != heal.PolicyNone {
			r.connectHealer(c.policy)
		} else if err := r.healer.Resolve(ctx, g, c.how); err != nil {
			t.Fatalf("Resolve(%+v) = %v", c.how, err)
		}
		r.healAll()
		r.wantEqual()
		if b, err := os.ReadFile(filepath.Join(r.dirs[0], "f")); string(b) != c.want || err != nil {
			t.Errorf("%+v: the file is %q, %v; want %q", c, b, err, c.want)
		}
		if err := r.healer.Resolve(ctx, g, c.how); !errors.Is(err, heal.ErrNotSplit) {
			t.Errorf("Resolve of a healed file = %v", err)
		}
	}
}

// TestTornName merges two directories that made different files under one name.
func TestTornName(t *testing.T) {
	r := newRig(t, 2, false, nil)
	create(t, r.client, fop.RootGFID, "before", "")
	r.without(1, func() {
		create(t, r.client, fop.RootGFID, "x", "zero")
		create(t, r.client, fop.RootGFID, "only0", "0")
	})
	r.without(0, func() { create(t, r.client, fop.RootGFID, "x", "one"); create(t, r.client, fop.RootGFID, "only1", "1") })
	o, err := r.healer.Inode(ctx, fop.RootGFID)
	if err != nil || o.Kind != heal.SplitBrain || o.NamesMade != 2 {
		t.Fatalf("Inode = %+v, %v; want split-brain of x, and two names merged", o, err)
	}
	if torn, err := r.healer.Torn(ctx, fop.RootGFID); err != nil || len(torn) != 1 || torn[0] != "x" {
		t.Errorf("Torn = %q, %v", torn, err)
	}
	if err := r.healer.Resolve(ctx, fop.RootGFID, heal.Resolution{How: heal.SourceChild, Child: 1}); err != nil {
		t.Fatalf("Resolve: %v", err)
	}
	r.healAll()
	tree := r.wantEqual()
	for _, n := range []string{"x ", "only0 ", "only1 "} {
		if !strings.Contains(tree, "\n"+n) {
			t.Errorf("%q is missing:\n%s", n, tree)
		}
	}
}

// TestDeadClient leaves dirty marks without blame, and copies that differ.
func TestDeadClient(t *testing.T) {
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "content")
	r.remount()
	one := []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}
	for _, b := range r.bricks {
		ok[*fop.XattropReply](t)(b.Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: "trusted.afr.dirty", Value: one}}}))
	}
	write(t, r.bricks[1], g, 7, []byte(" and more"))
	r.healAll()
	r.wantEqual()
	if b, _ := os.ReadFile(filepath.Join(r.dirs[0], "f")); string(b) != "content and more" {
		t.Errorf("the file is %q", b)
	}
}

// TestBadInput lists an inode that does not exist, and marks that cannot be read (TestUnreadableMarks
// has more of these).
func TestBadInput(t *testing.T) {
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "x")
	r.remount()
	base := filepath.Join(r.dirs[0], ".glusterfs/indices/xattrop")
	gone := fop.NewGFID()
	if err := os.WriteFile(filepath.Join(base, "xattrop-"+fop.NewGFID().String()), nil, 0); err != nil {
		t.Fatal(err)
	}
	r.unmount()
	if err := os.WriteFile(filepath.Join(base, gone.String()), nil, 0); err != nil {
		t.Fatal(err)
	}
	r.bricks[0].Close()
	r.start(0) // it reads its index anew
	r.connectHealer(heal.PolicyNone)
	r.mount()
	if gs := r.pending(); len(gs) != 1 || gs[0] != gone {
		t.Fatalf("pending: %v", gs)
	}
	r.healAll()
	ok[*fop.InodeReply](t)(r.bricks[1].Setxattr(ctx, &fop.SetxattrReq{Req: req(), GFID: g, Internal: true, Xattrs: []fop.Xattr{{Name: "trusted.afr.v-client-2", Value: []byte("too long for counters")}}}))
	if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind != heal.Healed {
		t.Errorf("Inode = %+v, %v; want it healed: the others know that its copy is right", o, err)
	}
	r.healAll()
	r.wantEqual()
}

// TestBusy leaves an inode alone that another healer or a client is at work on.
func TestBusy(t *testing.T) {
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "x")
	r.without(2, func() { write(t, r.client, g, 0, []byte("y")) })
	r.unmount()
	lock := func(domain string, cmd fop.LockCmd) {
		t.Helper()
		ok[*fop.LockReply](t)(r.bricks[0].Inodelk(ctx, &fop.InodelkReq{Req: req(), GFID: g, Domain: domain, Owner: 77, Cmd: cmd, Type: fop.LkWrite}))
	}
	lock("v-replicate-0:self-heal", fop.LockTry)
	if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind != heal.Busy {
		t.Errorf("Inode = %+v, %v; want busy", o, err)
	}
	lock("v-replicate-0:self-heal", fop.LockUnlock)
	r.mount()
	r.healAll()
	r.unmount()
	for _, b := range r.bricks {
		ok[*fop.XattropReply](t)(b.Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: g, Op: fop.XattropAdd32,
			Deltas: []fop.Xattr{{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}}}}))
	}
	lock("v-replicate-0", fop.LockTry)
	if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind != heal.Busy {
		t.Errorf("Inode = %+v, %v; want busy", o, err)
	}
	if st, err := r.healer.Inspect(ctx, g); err != nil || st.Worst() != heal.Changing {
		t.Errorf("Inspect = %+v, %v; want changing", st, err)
	}
	lock("v-replicate-0", fop.LockUnlock)
	r.mount()
	r.healAll()
	r.wantEqual()
}
