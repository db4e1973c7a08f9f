package server_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func TestConnections(t *testing.T) {
	top := newStub()
	l := serve(t, top, server.Config{})
	p := connect(t, l, nil)
	p.wait(t, xlator.ChildUp)
	f := openFile(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	as := fop.Req{Caller: &fop.Caller{UID: 7, GID: 8, PID: 9}}
	go func() {
		_, err := p.Lookup(ctx, &fop.LookupReq{Req: as, Parent: fop.RootGFID, Name: "block"})
		errs <- err
	}()
	<-top.entered
	go func() {
		_, err := p.Inodelk(ctx, &fop.InodelkReq{Req: as, GFID: fop.RootGFID, Cmd: fop.LockWait})
		errs <- err
	}()
	<-top.entered
	got := l.srv.Connections(10)
	if len(got) != 1 || len(got[0].Open) != 1 || len(got[0].Calls) != 2 {
		t.Fatalf("Connections = %+v", got)
	}
	first, second := got[0].Calls[0], got[0].Calls[1]
	if first.Name != "LOOKUP" || first.Waiting || first.Caller == nil || first.Caller.UID != 7 || first.Caller.PID != 9 || second.Name != "INODELK" || !second.Waiting {
		t.Errorf("calls %+v, %+v", first, second)
	}
	if few := l.srv.Connections(0); len(few[0].Open) != 0 {
		t.Errorf("more handles than asked for: %+v", few)
	}
	cancel()
	wantErrno(t, "cancelled", <-errs, syscall.EINTR)
	wantErrno(t, "cancelled", <-errs, syscall.EINTR)
	f.Close()
	l.srv.Disconnect([]uint64{got[0].Client}, "a test")
	p.wait(t, xlator.ChildDown)
	if gone := <-top.discon; gone != got[0].Client {
		t.Errorf("connection %d was ended", gone)
	}
}
