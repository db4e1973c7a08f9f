package brick

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

// listenAdmin listens on the admin socket; nil if there is to be none. What is left of
// an earlier process's socket is removed: the locked pid file says that it is dead.
func (b *process) listenAdmin() (net.Listener, error) {
	if b.cfg.Socket == "" {
		return nil, nil
	}
	if err := os.Remove(b.cfg.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot listen for the daemon: %w", err)
	}
	l, err := net.Listen("unix", b.cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the daemon: %w", err)
	}
	// The umask is 0: say who may connect.
	if err := os.Chmod(b.cfg.Socket, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot listen for the daemon: %w", err)
	}
	return l, nil
}

// serveAdmin answers the daemon until ctx ends.
func (b *process) serveAdmin(ctx context.Context, l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() }) // also removes the socket
	defer stop()
	routes := mgmt.AdminRoutes(b.status, b.answer, asked...)
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				b.cfg.Log.Error("the admin socket is lost", "error", err)
			}
			return
		}
		wg.Go(func() {
			nc.SetReadDeadline(time.Now().Add(5 * time.Second))
			if kind, err := mgmt.ReadKind(nc); err != nil || kind != mgmt.KindMgmt {
				nc.Close()
				return
			}
			nc.SetReadDeadline(time.Time{})
			if err := mgmt.Serve(ctx, nc, routes, nil); err != nil {
				b.cfg.Log.Warn("admin connection", "error", err)
			}
		})
	}
}

// status is what the brick says of itself.
func (b *process) status() *mgmt.BrickStatus {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	r := &mgmt.BrickStatus{PID: os.Getpid(), Volume: b.cfg.Volume, VolumeID: b.cfg.VolumeID, Path: b.cfg.Path, Port: b.port, Data: b.socket, Serving: down == "", Reason: down}
	for _, c := range b.srv.Clients() {
		r.Clients = append(r.Clients, clientInfo(&c))
	}
	return r
}
