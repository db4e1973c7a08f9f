package posix

import (
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

func TestModes(t *testing.T) {
	b := serve(t, t.TempDir(), "create-mask", "0750", "force-create-mode", "0020", "create-directory-mask", "0700", "force-directory-mode", "0011")
	mode := func(r *fop.EntryReply, err error) uint32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.Iatt.Mode & 07777
	}
	req := fop.Req{Caller: &fop.Caller{UID: 5, GID: 6}}
	c, err := b.Create(t.Context(), &fop.CreateReq{Req: req, Parent: fop.RootGFID, Name: "f", GFID: fop.NewGFID(), Mode: 0666, Umask: 022, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	c.File.Close()
	// 0666 masked is 0640; umask leaves 0640; 0020 is given whatever the umask says.
	if got := c.Iatt.Mode & 07777; got != 0660 {
		t.Errorf("file: %04o, want 0660", got)
	}
	if got := mode(b.Mkdir(t.Context(), &fop.MkdirReq{Req: req, Parent: fop.RootGFID, Name: "d", GFID: fop.NewGFID(), Mode: 01777})); got != 01711 {
		t.Errorf("directory: %04o, want 1711", got)
	}
	if got := mode(b.Mknod(t.Context(), &fop.MknodReq{Req: req, Parent: fop.RootGFID, Name: "p", GFID: fop.NewGFID(), Type: fop.TypeReg, Mode: 01000})); got != 01000 {
		t.Errorf("pointer: %04o, want 1000", got)
	}
	if got := mode(b.Symlink(t.Context(), &fop.SymlinkReq{Req: req, Parent: fop.RootGFID, Name: "l", GFID: fop.NewGFID(), Target: "x"})); got != 0777 {
		t.Errorf("symlink: %04o, want 0777", got)
	}
	for _, o := range [][2]string{{"create-mask", "01777"}, {"force-directory-mode", "-1"}, {"force-create-mode", "x"}} {
		if _, err := start(t.TempDir(), o[0], o[1]); err == nil {
			t.Errorf("%s %s was taken", o[0], o[1])
		}
	}
}
