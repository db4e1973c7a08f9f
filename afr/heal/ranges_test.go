package heal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Of a large file only what was changed without a brick is compared.
func TestMissedRanges(t *testing.T) {
	const size = 40 << 20
	for name, arbiter := range map[string]bool{"replica 3": false, "arbiter": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 3, arbiter, nil)
			g := create(t, r.client, fop.RootGFID, "f", "")
			write(t, r.client, g, 0, random(size, 1))
			r.remount()
			missed := func() {
				r.without(1, func() {
					for i := range int64(10) {
						write(t, r.client, g, i*(size/10)+777, random(3000, uint64(i)))
					}
					appendTo(t, r.client, g, random(5000, 7))
					ok[*fop.InodeReply](t)(r.client.Truncate(ctx, &fop.TruncateReq{Req: req(), GFID: g, Size: size + 1000}))
				})
			}
			missed()
			sum := r.healAll()
			r.wantEqual()
			if sum.BytesCompared > 10*3000+5000 {
				t.Errorf("%d bytes were compared", sum.BytesCompared)
			}
			// Who does not know what a counter stands for cannot tell what was missed.
			missed()
			one := changelog.One(changelog.Data)
			ok[*fop.XattropReply](t)(r.bricks[0].Xattrop(ctx, &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: "trusted.afr.v-client-1", Value: one.Bytes()}}}))
			if sum := r.healAll(); sum.BytesCompared < size {
				t.Errorf("%d bytes were compared although nobody knows what was missed", sum.BytesCompared)
			}
			r.wantEqual()
			missed()
			if sum := r.healAll(); sum.BytesCompared > 10*3000+5000 {
				t.Errorf("%d bytes were compared", sum.BytesCompared)
			}
			r.wantEqual()
		})
	}
}

func appendTo(t *testing.T, x xlator.Xlator, g fop.GFID, data []byte) {
	t.Helper()
	o, err := x.Open(ctx, &fop.OpenReq{Req: req(), GFID: g, Flags: syscall.O_WRONLY | syscall.O_APPEND})
	if err != nil {
		t.Fatal(err)
	}
	defer o.File.Close()
	ok[*fop.WritevReply](t)(o.File.Writev(ctx, &fop.WritevReq{Req: req(), Data: data}))
}

// A brick that came back appends at an end of its own until it is healed: then more than was
// missed may be wrong.
func TestStaleAppend(t *testing.T) {
	const size = 4 << 20
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "")
	write(t, r.client, g, 0, random(size, 1))
	r.without(1, func() { write(t, r.client, g, size+1<<20, random(100, 2)) })
	appendTo(t, r.client, g, random(200, 3))
	write(t, r.client, g, size+3<<20, random(100, 4))
	r.healAll()
	r.wantEqual()
}

// A copy that nobody accuses is read while it is healed: at no time it has bytes that nobody
// wrote.
func TestHealedWhileRead(t *testing.T) {
	const short, long = 3<<20 + 100, 6<<20 + 5
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "")
	text := random(long, 1)
	write(t, r.client, g, 0, text[:short])
	r.remount()
	// A client died while it wrote the rest: only brick 0 has that.
	r.unmount()
	mark := fop.Xattr{Name: changelog.DirtyKey, Value: changelog.Counters{1}.Bytes()}
	for _, b := range r.bricks {
		ok[*fop.XattropReply](t)(b.Xattrop(ctx, &fop.XattropReq{GFID: g, Op: fop.XattropAdd32, Deltas: []fop.Xattr{mark}}))
	}
	write(t, r.bricks[0], g, short, text[short:])
	var looked, wrong atomic.Int64
	for i := 1; i < 3; i++ {
		r.hlinks[i].SetRule(func(fop.Fop, any) faults.Action {
			if now, err := os.ReadFile(filepath.Join(r.dirs[i], "f")); err == nil {
				looked.Add(1)
				if !bytes.HasPrefix(text, now) {
					wrong.Add(1)
				}
			}
			return faults.Action{}
		})
	}
	if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind != heal.Healed {
		t.Fatalf("healing: %+v, %v", o, err)
	}
	if looked.Load() < 10 || wrong.Load() > 0 {
		t.Errorf("%d of %d times a copy had what nobody wrote", wrong.Load(), looked.Load())
	}
	r.mount()
	r.wantEqual()
}

// A machine that loses power while its brick is healed loses what the brick was given: nothing but
// the connection tells.
func TestPowerLostWhileHealed(t *testing.T) {
	const size = 20 << 20
	r := newRig(t, 3, false, nil)
	g := create(t, r.client, fop.RootGFID, "f", "")
	old := random(size, 1)
	write(t, r.client, g, 0, old)
	r.without(1, func() { write(t, r.client, g, 0, random(size, 2)) })
	r.remount()
	var stretches atomic.Int64
	r.hlinks[0].SetRule(func(op fop.Fop, q any) faults.Action {
		if k, ok := q.(*fop.InodelkReq); ok && k.Cmd == fop.LockUnlock && k.Len > 0 && stretches.Add(1) == 1 {
			r.hlinks[1].SetDown(true)
			f, err := os.OpenFile(filepath.Join(r.dirs[1], "f"), os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteAt(old[:4<<20], 0)
				f.Close()
			}
			if err != nil {
				t.Error(err)
			}
			r.hlinks[1].SetDown(false)
		}
		return faults.Action{}
	})
	if o, err := r.healer.Inode(ctx, g); err != nil || o.Kind != heal.Partly {
		t.Errorf("healing: %+v, %v", o, err)
	}
	r.healAll()
	r.wantEqual()
}
