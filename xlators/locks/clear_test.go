package locks

import (
	"context"
	"errors"
	"reflect"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

func newTable(t *testing.T) (*locks, fop.GFID) {
	t.Helper()
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(xlator.Env{}, nil, []xlator.Xlator{m})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	g := fop.NewGFID()
	r, err := x.Create(t.Context(), &fop.CreateReq{Req: by(9), Parent: fop.RootGFID, Name: "f", GFID: g, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.File.Close() })
	return x.(*locks), g
}

func by(client uint64) fop.Req { return fop.Req{Caller: &fop.Caller{Client: client}} }

// inodelk asks on its own goroutine and returns where the answer comes.
func inodelk(t *testing.T, l *locks, g fop.GFID, client uint64, cmd fop.LockCmd, start, length int64) <-chan error {
	t.Helper()
	ch := make(chan error, 1)
	do := func() {
		_, err := l.Inodelk(context.Background(), &fop.InodelkReq{Req: by(client), GFID: g, Domain: "d", Owner: 1, Cmd: cmd, Type: fop.LkWrite, Start: start, Len: length})
		ch <- err
	}
	if cmd != fop.LockWait {
		do()
		return ch
	}
	go do()
	for queued := 0; queued == 0; { // until it stands in the queue
		for _, in := range l.Dump() {
			for _, k := range in.Locks {
				if k.Client == client && !k.Blocked.IsZero() {
					queued++
				}
			}
		}
	}
	return ch
}

func TestClearBlocked(t *testing.T) {
	l, g := newTable(t)
	if err := <-inodelk(t, l, g, 1, fop.LockTry, 0, 0); err != nil {
		t.Fatal(err)
	}
	waits := inodelk(t, l, g, 2, fop.LockWait, 0, 0)
	if got := l.Clear(&ClearReq{GFID: g, Kind: Inode, Blocked: true}); !reflect.DeepEqual(got, Cleared{Blocked: 1}) {
		t.Errorf("Clear = %+v", got)
	}
	if err := <-waits; !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("who waited got %v", err)
	}
	if err := <-inodelk(t, l, g, 3, fop.LockTry, 0, 0); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("the granted lock is gone: %v", err)
	}
}

func TestClearGranted(t *testing.T) {
	l, g := newTable(t)
	for i, r := range [][2]int64{{0, 10}, {10, 10}, {20, 0}} {
		if err := <-inodelk(t, l, g, uint64(i+1), fop.LockTry, r[0], r[1]); err != nil {
			t.Fatal(err)
		}
	}
	next := inodelk(t, l, g, 7, fop.LockWait, 10, 10)
	if got := l.Clear(&ClearReq{GFID: g, Kind: Inode, Granted: true, Ranged: true, Start: 10, Len: 10}); !reflect.DeepEqual(got, Cleared{Granted: 1, Holders: []uint64{2}}) {
		t.Errorf("Clear = %+v", got)
	}
	if err := <-next; err != nil {
		t.Errorf("who waited was not let in: %v", err)
	}
	got := l.Clear(&ClearReq{GFID: g, Kind: Inode, Granted: true, Blocked: true})
	if !reflect.DeepEqual(got, Cleared{Granted: 3, Holders: []uint64{1, 3, 7}}) {
		t.Errorf("Clear = %+v", got)
	}
	if left := l.Dump(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	if got := l.Clear(&ClearReq{GFID: fop.NewGFID(), Kind: Entry, Granted: true}); got.Granted != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestClearEntry(t *testing.T) {
	l, _ := newTable(t)
	for _, name := range []string{"a", "b"} {
		if _, err := l.Entrylk(t.Context(), &fop.EntrylkReq{Req: by(1), GFID: fop.RootGFID, Domain: "d", Owner: 1, Cmd: fop.LockTry, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Clear(&ClearReq{GFID: fop.RootGFID, Kind: Entry, Granted: true, Named: true, Name: "a"}); got.Granted != 1 {
		t.Errorf("Clear = %+v", got)
	}
	if d := l.Dump(); len(d) != 1 || len(d[0].Locks) != 1 || d[0].Locks[0].Name != "b" || d[0].Locks[0].Kind != Entry {
		t.Errorf("Dump = %+v", d)
	}
}

func TestClearPosix(t *testing.T) {
	l, g := newTable(t)
	o, err := l.Open(t.Context(), &fop.OpenReq{Req: by(1), GFID: g, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	defer o.File.Close()
	lk := func(owner fop.LkOwner, cmd fop.LkCmd, start, end uint64) error {
		_, err := o.File.Lk(context.Background(), &fop.LkReq{Req: by(1), Cmd: cmd, Type: fop.LkWrite, Owner: owner, PID: 42, Start: start, End: end})
		return err
	}
	if err := errors.Join(lk(1, fop.LkSet, 0, 9), lk(1, fop.LkSet, 20, 1<<63)); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() { waits <- lk(2, fop.LkWait, 0, 9) }()
	for n := 0; n < 3; { // two granted and the waiting one
		n = 0
		for _, in := range l.Dump() {
			n += len(in.Locks)
		}
	}
	if got := l.Clear(&ClearReq{GFID: g, Kind: Posix, Blocked: true}); got.Blocked != 1 || got.Granted != 0 {
		t.Errorf("Clear = %+v", got)
	}
	if err := <-waits; !errors.Is(err, syscall.EINTR) {
		t.Errorf("who waited got %v", err)
	}
	if got := l.Clear(&ClearReq{GFID: g, Kind: Posix, Granted: true, Ranged: true, Start: 20}); got.Granted != 1 || len(got.Holders) != 0 {
		t.Errorf("Clear = %+v", got)
	}
	if d := l.Dump(); len(d) != 1 || len(d[0].Locks) != 1 || d[0].Locks[0].Len != 10 || d[0].Locks[0].PID != 42 {
		t.Errorf("Dump = %+v", d)
	}
}

// A client that is well gives its lock up when it hears that somebody wants it.
func TestRecall(t *testing.T) {
	l, g := newTable(t)
	heard := make(chan xlator.Event, 10)
	l.Watch(func(e xlator.Event) {
		if e.Kind == xlator.Contention {
			heard <- e
		}
	})
	for i, r := range [][2]int64{{0, 10}, {10, 0}} {
		if err := <-inodelk(t, l, g, uint64(i+1), fop.LockTry, r[0], r[1]); err != nil {
			t.Fatal(err)
		}
	}
	n, left := l.Recall(&ClearReq{GFID: g, Kind: Inode, Granted: true})
	if n != 2 || left() != 2 {
		t.Errorf("Recall = %d, %d left", n, left())
	}
	for range 2 {
		if e := <-heard; e.GFID != g || e.Domain != "d" || e.Client == 0 {
			t.Errorf("event %+v", e)
		}
	}
	if err := <-inodelk(t, l, g, 1, fop.LockUnlock, 0, 10); err != nil {
		t.Fatal(err)
	}
	if left() != 1 {
		t.Errorf("%d left", left())
	}
	if n, _ := l.Recall(&ClearReq{GFID: g, Kind: Inode, Blocked: true}); n != 0 {
		t.Errorf("Recall of waiting locks = %d", n)
	}
}
