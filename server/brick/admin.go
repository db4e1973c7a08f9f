package brick

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/gofs/gofs/protocol/mgmt"
)

// listenAdmin listens on the admin socket; nil if there is to be none. The locked pid
// file says that an earlier process is dead.
func (b *process) listenAdmin() (net.Listener, error) {
	if b.cfg.Socket == "" {
		return nil, nil
	}
	l, err := mgmt.ListenAdmin(b.cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the daemon: %w", err)
	}
	return l, nil
}

// serveAdmin answers the daemon until ctx ends.
func (b *process) serveAdmin(ctx context.Context, l net.Listener) {
	mgmt.ServeAdmin(ctx, l, mgmt.AdminRoutes(b.status, b.answer, asked...), b.cfg.Log)
}

// status is what the brick says of itself.
func (b *process) status() *mgmt.BrickStatus {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	r := &mgmt.BrickStatus{PID: os.Getpid(), Volume: b.cfg.Volume, VolumeID: b.cfg.VolumeID, Path: b.cfg.Path, Port: b.port, Data: b.socket, Serving: down == "", Reason: down}
	if r.Serving {
		r.Reason = b.whySuspect()
	}
	for _, c := range b.srv.Clients() {
		r.Clients = append(r.Clients, clientInfo(&c))
	}
	return r
}
