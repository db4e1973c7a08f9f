package server_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/xlator"
)

// TestBatch makes a copy of a file, locks it and reads it in one message, beside requests
// that fail.
func TestBatch(t *testing.T) {
	bricks := map[string]func(t *testing.T) (xlator.Xlator, error){
		"mem": func(*testing.T) (xlator.Xlator, error) { return mem.New(xlator.Env{}, nil, nil) },
		"posix": func(t *testing.T) (xlator.Xlator, error) {
			return posix.New(xlator.Env{}, xlator.Options{"directory": t.TempDir(), "health-check-interval": "0"}, nil)
		},
	}
	for name, make := range bricks {
		t.Run(name, func(t *testing.T) {
			b, err := make(t)
			if err != nil {
				t.Fatal(err)
			}
			brick, err := locks.New(xlator.Env{}, xlator.Options{}, []xlator.Xlator{b})
			if err != nil {
				t.Fatal(err)
			}
			defer brick.Close()
			p := connect(t, serve(t, brick, server.Config{}), nil)
			p.wait(t, xlator.ChildUp)
			testBatch(t, p.Xlator)
		})
	}
}

func testBatch(t *testing.T, x xlator.Xlator) {
	ctx, g := context.Background(), fop.NewGFID()
	// What the directory hands down does not change a copy.
	q := &fop.SetattrReq{Req: root, GFID: fop.RootGFID, Valid: fop.SetMode | fop.SetGID, Mode: 0o2755, GID: 77}
	if _, err := x.Setattr(ctx, q); err != nil {
		t.Fatal(err)
	}
	owner := fop.Req{Caller: &fop.Caller{UID: 12, GID: 34, PID: -6}}
	when := [...]fop.Time{{Sec: 1000, Nsec: 1}, {Sec: 2000, Nsec: 2}, {Sec: 3000, Nsec: 3}}
	mknod := &fop.MknodReq{Req: owner, Parent: fop.RootGFID, Name: "copy", GFID: g, Type: fop.TypeReg, Mode: 0o4751, Umask: 0o77,
		Xattrs: []fop.Xattr{{Name: "user.note", Value: []byte("kept")}}, Mark: []fop.Xattr{{Name: "trusted.afr.v-client-1", Value: []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}}},
		Copy: &fop.Copy{Content: []byte("all of it"), Atime: when[0], Mtime: when[1], Ctime: when[2]}}
	again := *mknod
	again.Name = "another"
	lock := &fop.InodelkReq{Req: root, GFID: g, Domain: "d", Owner: 7, Cmd: fop.LockTry, Type: fop.LkWrite}
	wait := *lock
	wait.Cmd = fop.LockWait
	look := func(limit uint32) *fop.LookupReq {
		return &fop.LookupReq{Req: root, GFID: g, Want: []string{"trusted.afr.v-client-1"}, Content: limit}
	}
	got := xlator.Batch(ctx, x, []any{lookup("copy"), mknod, &again, lock, &wait, look(9), look(8), &fop.GetxattrReq{Req: root, GFID: g, Name: "user.note"}})
	for i, want := range []syscall.Errno{syscall.ENOENT, 0, syscall.EEXIST, 0, syscall.EINVAL, 0, 0, 0} {
		if e := fop.Errno(got[i].Err); e != want {
			t.Fatalf("request %d: %v, want %v", i, got[i].Err, want)
		}
	}
	if r := got[3].Reply.(*fop.LockReply); r.Session == 0 {
		t.Error("the lock is of no session")
	}
	r := got[5].Reply.(*fop.LookupReply)
	if !r.HasContent || string(r.Content) != "all of it" || len(r.Xattrs) != 1 {
		t.Errorf("looked up %q, %v, xattrs %v", r.Content, r.HasContent, r.Xattrs)
	}
	if a := r.Iatt; a.UID != 12 || a.GID != 34 || a.Mode&0o7777 != 0o4751 || a.Atime != when[0] || a.Mtime != when[1] || a.Ctime != when[2] {
		t.Errorf("the copy has %+v", a)
	}
	if r := got[6].Reply.(*fop.LookupReply); r.HasContent || len(r.Content) > 0 {
		t.Errorf("content of a file above the limit: %q", r.Content)
	}
	if r := got[7].Reply.(*fop.GetxattrReply); len(r.Xattrs) != 1 || string(r.Xattrs[0].Value) != "kept" {
		t.Errorf("xattrs of the copy: %v", r.Xattrs)
	}
	for _, r := range xlator.Batch(ctx, x, []any{&fop.StatReq{Req: root, GFID: g}}) {
		if fop.Errno(r.Err) != syscall.EOPNOTSUPP {
			t.Errorf("what cannot be in a batch: %v", r.Err)
		}
	}
}
