package posix

import (
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

func TestParseReserve(t *testing.T) {
	for s, want := range map[string]reserve{"1": {share: 0.01}, "5%": {share: 0.05}, "0": {}, "200": {bytes: 200}, "2GB": {bytes: 2 << 30}, "0.5MB": {bytes: 512 << 10}} {
		if got, err := parseReserve(s); err != nil || got != want {
			t.Errorf("parseReserve(%q) = %+v, %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "abc", "-1", "101%", "5%GB", "NaN", "1e300PB"} {
		if got, err := parseReserve(s); err == nil {
			t.Errorf("parseReserve(%q) = %+v", s, got)
		}
	}
}

// With all of the disk reserved nothing can be added; what is there can be changed.
func TestReserve(t *testing.T) {
	dir := t.TempDir()
	b := serve(t, dir)
	g := fop.NewGFID()
	c, err := b.Create(t.Context(), &fop.CreateReq{Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	defer c.File.Close()
	write := func(off int64, pid int32) error {
		_, err := c.File.Writev(t.Context(), &fop.WritevReq{Req: fop.Req{Caller: &fop.Caller{PID: pid}}, Off: off, Data: []byte("text")})
		return err
	}
	if err := write(0, 1); err != nil {
		t.Fatal(err)
	}
	b.reserve = reserve{share: 1}
	b.lookForRoom()
	if err := write(2, 1); fop.Errno(err) != syscall.ENOSPC {
		t.Errorf("a write that makes the file longer: %v, want ENOSPC", err)
	}
	if err := write(0, 1); err != nil {
		t.Errorf("a write inside of the file: %v", err)
	}
	if err := write(4, -6); err != nil {
		t.Errorf("a healer's write: %v", err)
	}
	_, cerr := b.Create(t.Context(), &fop.CreateReq{Parent: fop.RootGFID, Name: "g", GFID: fop.NewGFID(), Mode: 0644, Flags: syscall.O_RDWR})
	_, merr := b.Mkdir(t.Context(), &fop.MkdirReq{Parent: fop.RootGFID, Name: "d", GFID: fop.NewGFID(), Mode: 0755})
	_, ferr := c.File.Fallocate(t.Context(), &fop.FallocateReq{Len: 1 << 20})
	for what, err := range map[string]error{"create": cerr, "mkdir": merr, "fallocate": ferr} {
		if fop.Errno(err) != syscall.ENOSPC {
			t.Errorf("%s: %v, want ENOSPC", what, err)
		}
	}
	if s, err := b.Statfs(t.Context(), &fop.StatfsReq{}); err != nil || s.Bavail != 0 {
		t.Errorf("Statfs: %+v, %v, want nothing available", s, err)
	}
	if _, err := b.Unlink(t.Context(), &fop.UnlinkReq{Parent: fop.RootGFID, Name: "f"}); err != nil {
		t.Errorf("unlink: %v", err)
	}
	b.reserve = reserve{}
	b.lookForRoom()
	if err := write(100, 1); err != nil {
		t.Errorf("a write after there is room again: %v", err)
	}
}
