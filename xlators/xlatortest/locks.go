package xlatortest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

var lockTests = []test{
	{"inodelk conflicts", nil, (*fs).testInodelk},
	{"inodelk ranges and readers", nil, (*fs).testInodelkRanges},
	{"inodelk waits", nil, (*fs).testInodelkWait},
	{"inodelk wait is cancelled", nil, (*fs).testInodelkCancel},
	{"inodelk marks and wants", []Feature{Xattrop, InternalXattr}, (*fs).testInodelkMark},
	{"entrylk", nil, (*fs).testEntrylk},
	{"create with lock", nil, (*fs).testCreateLock},
	{"release", []Feature{Xattrop, InternalXattr}, (*fs).testRelease},
	{"disconnect", nil, (*fs).testDisconnect},
	{"posix locks", nil, (*fs).testLk},
	{"posix locks end with flush and close", nil, (*fs).testLkEnds},
}

// client is a request of a client of its own.
func (s *fs) client(n uint64) fop.Req {
	q := s.req()
	q.Caller.Client = n
	return q
}

func (s *fs) inodelk(client uint64, g fop.GFID, cmd fop.LockCmd, typ fop.LkType, start, n int64) error {
	_, err := s.x.Inodelk(s.ctx(), &fop.InodelkReq{Req: s.client(client), GFID: g, Domain: "d", Owner: 1, Cmd: cmd, Type: typ, Start: start, Len: n})
	return err
}

func (s *fs) testInodelk() {
	g := s.file(root, "f", "")
	s.ok(s.inodelk(1, g, fop.LockTry, fop.LkWrite, 0, 0), "lock")
	s.fails(s.inodelk(2, g, fop.LockTry, fop.LkWrite, 0, 0), syscall.EAGAIN, "lock by another client")
	s.fails(s.inodelk(2, g, fop.LockTry, fop.LkRead, 5, 1), syscall.EAGAIN, "read lock by another client")
	_, err := s.x.Inodelk(s.ctx(), &fop.InodelkReq{Req: s.client(2), GFID: g, Domain: "other", Owner: 1, Cmd: fop.LockTry, Type: fop.LkWrite})
	s.ok(err, "lock in another domain")
	s.ok(s.inodelk(2, s.file(root, "h", ""), fop.LockTry, fop.LkWrite, 0, 0), "lock of another inode")
	s.fails(s.inodelk(2, g, fop.LockUnlock, fop.LkWrite, 0, 0), syscall.EINVAL, "unlock of what another client holds")
	s.ok(s.inodelk(1, g, fop.LockUnlock, fop.LkWrite, 0, 0), "unlock")
	s.ok(s.inodelk(2, g, fop.LockTry, fop.LkWrite, 0, 0), "lock after the unlock")
}

func (s *fs) testInodelkRanges() {
	g := s.file(root, "f", "")
	s.ok(s.inodelk(1, g, fop.LockTry, fop.LkWrite, 0, 10), "lock 0-9")
	s.ok(s.inodelk(2, g, fop.LockTry, fop.LkWrite, 10, 10), "lock 10-19")
	s.fails(s.inodelk(3, g, fop.LockTry, fop.LkWrite, 9, 2), syscall.EAGAIN, "lock 9-10")
	s.ok(s.inodelk(3, g, fop.LockTry, fop.LkRead, 20, 0), "read lock 20-")
	s.ok(s.inodelk(4, g, fop.LockTry, fop.LkRead, 30, 5), "read lock 30-34")
	s.fails(s.inodelk(4, g, fop.LockTry, fop.LkWrite, 1000, 1), syscall.EAGAIN, "lock 1000")
}

func (s *fs) testInodelkWait() {
	g := s.file(root, "f", "")
	s.ok(s.inodelk(1, g, fop.LockTry, fop.LkWrite, 0, 0), "lock")
	q := s.client(2)
	granted := make(chan error, 1)
	go func() {
		_, err := s.x.Inodelk(s.ctx(), &fop.InodelkReq{Req: q, GFID: g, Domain: "d", Owner: 1, Cmd: fop.LockWait, Type: fop.LkWrite})
		granted <- err
	}()
	select {
	case err := <-granted:
		s.Fatalf("a second lock was granted: %v", err)
	default:
	}
	s.ok(s.inodelk(1, g, fop.LockUnlock, fop.LkWrite, 0, 0), "unlock")
	s.ok(<-granted, "waiting lock")
	s.fails(s.inodelk(1, g, fop.LockTry, fop.LkWrite, 0, 0), syscall.EAGAIN, "lock while the waiter holds it")
}

func (s *fs) testInodelkCancel() {
	g := s.file(root, "f", "")
	s.ok(s.inodelk(1, g, fop.LockTry, fop.LkWrite, 0, 0), "lock")
	ctx, cancel := context.WithCancel(s.ctx())
	q := s.client(2)
	done := make(chan error, 1)
	go func() {
		_, err := s.x.Inodelk(ctx, &fop.InodelkReq{Req: q, GFID: g, Domain: "d", Owner: 1, Cmd: fop.LockWait, Type: fop.LkWrite})
		done <- err
	}()
	cancel()
	if err := <-done; fop.Errno(err) != syscall.EINTR && !errors.Is(err, context.Canceled) {
		s.Errorf("cancelled wait: %v, want EINTR", err)
	}
	s.ok(s.inodelk(1, g, fop.LockUnlock, fop.LkWrite, 0, 0), "unlock")
	s.ok(s.inodelk(3, g, fop.LockTry, fop.LkWrite, 0, 0), "lock after the cancelled waiter went")
}

func (s *fs) testInodelkMark() {
	g := s.file(root, "f", "data")
	one := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	r, err := s.x.Inodelk(s.ctx(), &fop.InodelkReq{Req: s.client(1), GFID: g, Domain: "d", Owner: 1, Cmd: fop.LockTry, Type: fop.LkWrite,
		Mark: []fop.Xattr{{Name: "trusted.afr.dirty", Value: one}}, Want: []string{"trusted.afr.dirty", "trusted.afr.none"}})
	s.ok(err, "Inodelk")
	if v, _ := fop.XattrOf(r.Xattrs, "trusted.afr.dirty"); !bytes.Equal(v, one) || len(r.Xattrs) != 1 {
		s.Errorf("xattrs with the grant: %q", r.Xattrs)
	}
	if r.Iatt.GFID != g || r.Iatt.Size != 4 {
		s.Errorf("attributes with the grant: %+v", r.Iatt)
	}
	_, err = s.x.Inodelk(s.ctx(), &fop.InodelkReq{Req: s.client(2), GFID: g, Domain: "d", Owner: 1, Cmd: fop.LockTry, Type: fop.LkWrite,
		Mark: []fop.Xattr{{Name: "trusted.afr.dirty", Value: one}}})
	s.fails(err, syscall.EAGAIN, "refused Inodelk with a mark")
	if v := s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: "trusted.afr.dirty", Value: make([]byte, 12)}); !bytes.Equal(v[0].Value, one) {
		s.Errorf("a refused lock's mark was set: %x", v[0].Value)
	}
}

func (s *fs) testEntrylk() {
	d := s.mkdir(root, "d")
	lk := func(client uint64, cmd fop.LockCmd, name string) error {
		_, err := s.x.Entrylk(s.ctx(), &fop.EntrylkReq{Req: s.client(client), GFID: d, Domain: "d", Owner: 1, Cmd: cmd, Name: name})
		return err
	}
	s.ok(lk(1, fop.LockTry, "a"), "lock a")
	s.ok(lk(2, fop.LockTry, "b"), "lock b")
	s.fails(lk(2, fop.LockTry, "a"), syscall.EAGAIN, "lock a by another client")
	s.fails(lk(3, fop.LockTry, ""), syscall.EAGAIN, "lock of all names")
	s.ok(lk(1, fop.LockUnlock, "a"), "unlock a")
	s.ok(lk(2, fop.LockUnlock, "b"), "unlock b")
	s.ok(lk(3, fop.LockTry, ""), "lock of all names")
	s.fails(lk(1, fop.LockTry, "a"), syscall.EAGAIN, "lock a while all are locked")
	s.ok(s.inodelk(1, d, fop.LockTry, fop.LkWrite, 0, 0), "inodelk, which is independent")
}

func (s *fs) testCreateLock() {
	q := s.createReq(root, "f")
	q.Req = s.client(1)
	q.Lock = &fop.Lock{Domain: "d", Owner: 1}
	r, err := s.x.Create(s.ctx(), q)
	s.ok(err, "Create")
	s.closeAtEnd(r.File)
	s.fails(s.inodelk(2, q.GFID, fop.LockTry, fop.LkWrite, 0, 0), syscall.EAGAIN, "lock by another client")
	s.ok(s.inodelk(1, q.GFID, fop.LockUnlock, fop.LkWrite, 0, 0), "unlock by the creator")
	p := s.createReq(root, "f")
	p.Req, p.Lock = s.client(1), q.Lock
	_, err = s.x.Create(s.ctx(), p)
	s.fails(err, syscall.EEXIST, "Create of an existing name")
	s.ok(s.inodelk(2, q.GFID, fop.LockTry, fop.LkWrite, 0, 0), "lock after a failed Create")
}

func (s *fs) testRelease() {
	d, f := s.mkdir(root, "d"), s.file(root, "f", "")
	plus := []fop.Xattr{{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}
	minus := []fop.Xattr{{Name: "trusted.afr.dirty", Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}}}
	q := s.client(1)
	_, err := s.x.Inodelk(s.ctx(), &fop.InodelkReq{Req: q, GFID: f, Domain: "d", Owner: 1, Cmd: fop.LockTry, Type: fop.LkWrite, Mark: plus})
	s.ok(err, "Inodelk")
	_, err = s.x.Entrylk(s.ctx(), &fop.EntrylkReq{Req: q, GFID: d, Domain: "d", Owner: 1, Cmd: fop.LockTry, Mark: plus})
	s.ok(err, "Entrylk")
	release := func(items ...fop.ReleaseItem) []uint32 {
		r, err := s.x.Release(s.ctx(), &fop.ReleaseReq{Req: q, Sync: true, Items: items})
		s.ok(err, "Release")
		return r.Errnos
	}
	item := fop.ReleaseItem{GFID: f, Domain: "d", Owner: 1, Undo: minus, NoUnlock: true}
	if e := release(item); len(e) != 1 || e[0] != 0 {
		s.Errorf("Release without unlocking: %v", e)
	}
	s.fails(s.inodelk(2, f, fop.LockTry, fop.LkWrite, 0, 0), syscall.EAGAIN, "lock that was not to be unlocked")
	item.NoUnlock, item.Undo = false, nil
	e := release(item, fop.ReleaseItem{GFID: d, Domain: "d", Owner: 1, Entry: true, Undo: minus})
	if len(e) != 2 || e[0] != 0 || e[1] != 0 {
		s.Errorf("Release: %v", e)
	}
	s.ok(s.inodelk(2, f, fop.LockTry, fop.LkWrite, 0, 0), "lock after Release")
	_, err = s.x.Entrylk(s.ctx(), &fop.EntrylkReq{Req: s.client(2), GFID: d, Domain: "d", Owner: 1, Cmd: fop.LockTry})
	s.ok(err, "Entrylk after Release")
	for _, g := range []fop.GFID{f, d} {
		if v := s.xattrop(g, fop.XattropAdd32, fop.Xattr{Name: "trusted.afr.dirty", Value: make([]byte, 12)}); !bytes.Equal(v[0].Value, make([]byte, 12)) {
			s.Errorf("the mark is %x after Release", v[0].Value)
		}
	}
}

func (s *fs) testDisconnect() {
	g := s.file(root, "f", "")
	s.ok(s.inodelk(7, g, fop.LockTry, fop.LkWrite, 0, 0), "lock")
	_, err := s.x.Disconnect(s.ctx(), &fop.DisconnectReq{Req: s.req(), Client: 7})
	s.ok(err, "Disconnect")
	s.ok(s.inodelk(2, g, fop.LockTry, fop.LkWrite, 0, 0), "lock after the holder went")
}

func (s *fs) lk(f xlator.File, client uint64, owner fop.LkOwner, cmd fop.LkCmd, typ fop.LkType, start, end uint64) (*fop.LkReply, error) {
	return f.Lk(s.ctx(), &fop.LkReq{Req: s.client(client), Cmd: cmd, Type: typ, Owner: owner, PID: uint32(owner), Start: start, End: end})
}

func (s *fs) testLk() {
	g := s.file(root, "f", "")
	a, b := s.open(g, syscall.O_RDWR), s.open(g, syscall.O_RDWR)
	_, err := s.lk(a, 1, 10, fop.LkSet, fop.LkWrite, 0, 99)
	s.ok(err, "lock 0-99")
	_, err = s.lk(b, 1, 20, fop.LkSet, fop.LkRead, 50, 60)
	s.fails(err, syscall.EAGAIN, "read lock 50-60 of another owner")
	r, err := s.lk(b, 1, 20, fop.LkGet, fop.LkWrite, 50, math.MaxInt64)
	s.ok(err, "get lock")
	if r.Type != fop.LkWrite || r.PID != 10 || r.Start != 0 || r.End != 99 {
		s.Errorf("conflicting lock %+v", r)
	}
	_, err = s.lk(b, 1, 20, fop.LkSet, fop.LkWrite, 100, math.MaxInt64)
	s.ok(err, "lock 100-")
	_, err = s.lk(a, 1, 10, fop.LkSet, fop.LkUnlock, 40, 60) // splits the lock
	s.ok(err, "unlock 40-60")
	_, err = s.lk(b, 1, 20, fop.LkSet, fop.LkWrite, 40, 60)
	s.ok(err, "lock 40-60")
	_, err = s.lk(b, 1, 20, fop.LkSet, fop.LkWrite, 61, 61)
	s.fails(err, syscall.EAGAIN, "lock 61")
	r, err = s.lk(a, 1, 10, fop.LkGet, fop.LkWrite, 0, 39)
	s.ok(err, "get lock")
	if r.Type != fop.LkUnlock {
		s.Errorf("own lock stands in the way: %+v", r)
	}
}

func (s *fs) testLkEnds() {
	g := s.file(root, "f", "")
	a, b := s.open(g, syscall.O_RDWR), s.open(g, syscall.O_RDWR)
	_, err := s.lk(a, 1, 10, fop.LkSet, fop.LkWrite, 0, 9)
	s.ok(err, "lock")
	q := s.client(1)
	granted := make(chan error, 1)
	go func() {
		_, err := b.Lk(s.ctx(), &fop.LkReq{Req: q, Cmd: fop.LkWait, Type: fop.LkWrite, Owner: 20, PID: 20, Start: 5, End: 5})
		granted <- err
	}()
	_, err = a.Flush(s.ctx(), &fop.FlushReq{Req: s.client(1), Owner: 10})
	s.ok(err, "Flush")
	s.ok(<-granted, "waiting lock")
	_, err = s.lk(a, 1, 10, fop.LkSet, fop.LkWrite, 5, 5)
	s.fails(err, syscall.EAGAIN, "lock that another holds")
}
