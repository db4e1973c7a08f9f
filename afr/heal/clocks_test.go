package heal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
)

// at is what a program asks on a machine whose clock is off by d.
func at(d time.Duration) fop.Req {
	return fop.Req{Caller: &fop.Caller{UID: 7, GID: 8, PID: 9, Time: fop.TimeOf(time.Now().Add(d))}}
}

// Clients whose clocks are an hour apart change files and directories while one brick after the
// other is away: who is right is told by marks, never by times, and all copies end with the same
// times.
func TestClocksApart(t *testing.T) {
	r := newRig(t, 3, false, nil)
	clocks := []time.Duration{0, time.Hour, -time.Hour, 0}
	d := mkdir(t, r.client, fop.RootGFID, "d")
	f := create(t, r.client, d, "f", "")
	text := ""
	for i, off := range clocks {
		r.without(i%3, func() {
			text = fmt.Sprint("written by ", i, " ")
			o, err := r.client.Open(ctx, &fop.OpenReq{Req: at(off), GFID: f, Flags: syscall.O_RDWR | syscall.O_TRUNC})
			must(t, err)
			defer o.File.Close()
			ok[*fop.WritevReply](t)(o.File.Writev(ctx, &fop.WritevReq{Req: at(off), Data: []byte(text)}))
			ok[*fop.InodeReply](t)(r.client.Setattr(ctx, &fop.SetattrReq{Req: at(-off), GFID: d, Valid: fop.SetMode, Mode: 0o700 + uint32(i)}))
			ok[*fop.EntryReply](t)(r.client.Mkdir(ctx, &fop.MkdirReq{Req: at(off), Parent: d, Name: fmt.Sprint("sub", i), GFID: fop.NewGFID(), Mode: 0o755}))
		})
		r.healAll()
		r.wantEqual()
		if got, _ := os.ReadFile(filepath.Join(r.dirs[i%3], "d/f")); string(got) != text {
			t.Errorf("with a clock off by %v: healed to %q, want %q", off, got, text)
		}
	}
}

// Of copies in split-brain, the policy mtime and the command latest-mtime follow the times that
// clients gave, whatever the bricks' own are; where they are the same nothing is decided.
func TestLatestByClients(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		r := newRig(t, 2, false, nil)
		f := create(t, r.client, fop.RootGFID, "f", "")
		for i := range 2 {
			r.without(1-i, func() {
				o, err := r.client.Open(ctx, &fop.OpenReq{Req: req(), GFID: f, Flags: syscall.O_RDWR})
				if err != nil {
					t.Fatal(err)
				}
				defer o.File.Close()
				text := []byte{'0' + byte(i)}
				if _, err := o.File.Writev(ctx, &fop.WritevReq{Req: at(time.Duration(i) * off), Data: text}); err != nil {
					t.Fatal(err)
				}
			})
		}
		r.unmount()
		if err := r.healer.Resolve(ctx, f, heal.Resolution{How: heal.LatestMtime}); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "1", false: "0"}[off > 0]
		for _, dir := range r.dirs {
			if got, _ := os.ReadFile(filepath.Join(dir, "f")); string(got) != want {
				t.Errorf("second's clock off by %v: %q, want %q", off, got, want)
			}
		}
	}
}
