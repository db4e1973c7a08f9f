package mgmt

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// ListenAdmin makes the socket by which the daemon asks a brick, a mount or a heal daemon;
// only this user and root may connect. What is there is removed: the caller knows that
// its process is dead.
func ListenAdmin(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil { // whatever the umask is
		l.Close()
		return nil, err
	}
	return l, nil
}

// adminGreeting is how long who connects may take to say what it wants.
const adminGreeting = 5 * time.Second

// ServeAdmin answers with routes what comes through l, until ctx ends; then it closes l, which
// removes the socket, and returns when all connections have ended.
func ServeAdmin(ctx context.Context, l net.Listener, routes Routes, log *slog.Logger) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				log.Error("the admin socket is lost", "error", err)
			}
			return
		}
		wg.Go(func() {
			nc.SetReadDeadline(time.Now().Add(adminGreeting))
			if kind, err := ReadKind(nc); err != nil || kind != KindMgmt {
				nc.Close()
				return
			}
			nc.SetReadDeadline(time.Time{})
			if err := Serve(ctx, nc, routes, nil); err != nil {
				log.Warn("admin connection", "error", err)
			}
		})
	}
}
