package fuse_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/gofs/gofs/client/fuse"
	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/hanwen/go-fuse/v2/posixtest"
)

// volume is a brick in memory behind a connection, mounted.
type volume struct {
	t     testing.TB
	dir   string
	brick xlator.Xlator
	top   xlator.Xlator
	mount *fuse.Mount

	bridge *fuse.Bridge
	events chan xlator.EventKind

	mu     sync.Mutex
	srv    *server.Server
	conn   net.Conn
	refuse bool
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) { os.Stderr.Write(p); return len(p), nil }

// writeback mounts with the kernel's writeback cache; GOFS_WRITEBACK=1 runs all tests so.
var writeback = os.Getenv("GOFS_WRITEBACK") != ""

func newVolume(t testing.TB, opts fuse.Options) *volume { return newVolumeOn(t, opts, memBrick) }

// newVolumeOn mounts a brick whose bottom is made by bottom.
func newVolumeOn(t testing.TB, opts fuse.Options, bottom func(t testing.TB, env xlator.Env) xlator.Xlator) *volume {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
	dir := t.TempDir()
	os.Chmod(filepath.Dir(dir), 0o755) // other users come by
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	env := xlator.Env{Name: "demo", Log: log}
	brick := must(locks.New(env, xlator.Options{}, []xlator.Xlator{bottom(t, env)}))
	v := &volume{t: t, dir: dir, brick: brick}
	v.srv = server.New(brick, server.Config{Log: log})
	v.top = must(client.NewDialer(v.dial)(env, xlator.Options{}, nil))
	v.events = make(chan xlator.EventKind, 100)
	v.top.Watch(func(e xlator.Event) { v.events <- e.Kind })
	v.wait(xlator.ChildUp)
	opts.Log = log
	b := fuse.New(v.top, opts)
	v.bridge = b
	v.mount = must(b.Mount(v.dir, fuse.MountOptions{Source: "server1:/demo", WritebackCache: writeback}))
	t.Cleanup(func() {
		if err := v.mount.Unmount(); err != nil {
			t.Error(err)
		}
		v.mount.Wait()
		b.Close()
		v.top.Close()
		v.srv.Close()
		brick.Close()
	})
	return v
}

func memBrick(_ testing.TB, env xlator.Env) xlator.Xlator { return must(mem.New(env, nil, nil)) }

func posixBrick(t testing.TB, env xlator.Env) xlator.Xlator {
	return must(posix.New(env, xlator.Options{"directory": t.TempDir()}, nil))
}

func (v *volume) dial(context.Context, string, string) (net.Conn, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refuse {
		return nil, syscall.ECONNREFUSED
	}
	a, b, err := tcpPair()
	if err != nil {
		return nil, err
	}
	v.conn = a
	go v.srv.ServeConn(b)
	return a, nil
}

func tcpPair() (net.Conn, net.Conn, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	b, err := ln.Accept()
	return a, b, err
}

// wait waits for an event of the connection.
func (v *volume) wait(k xlator.EventKind) {
	for e := range v.events {
		if e == k {
			return
		}
	}
}

// cut drops the connection; none is made while refuse.
func (v *volume) cut(refuse bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refuse = refuse
	v.conn.Close()
}

// notOurs are tests of posixtest that ask for more than POSIX does.
var notOurs = map[string]string{
	"FcntlFlockLocksFile": "asks that a process's POSIX locks conflict with each other, as go-fuse's loopback has it",
	"OpenSymlinkRace":     "a name may be replaced between the kernel's lookup and its open twice in a row: ESTALE, as on NFS",
}

func TestPosix(t *testing.T) {
	for name, bottom := range map[string]func(testing.TB, xlator.Env) xlator.Xlator{"mem": memBrick, "posix": posixBrick} {
		for test, f := range posixtest.All {
			t.Run(name+"/"+test, func(t *testing.T) {
				if why := notOurs[test]; why != "" {
					t.Skip(why)
				}
				f(t, newVolumeOn(t, fuse.DefaultOptions(), bottom).dir)
			})
		}
	}
}
