package mgmt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/portmap"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// State implements mgmt.Service.
func (d *Daemon) State(ctx context.Context, q *mgmt.StateReq) (*mgmt.StateReply, error) {
	dir := q.Dir
	if dir == "" {
		dir = d.cfg.RunDir
	}
	st, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, mgmt.Errorf("Output directory %s does not exist.", dir)
	case !st.IsDir():
		return nil, mgmt.Errorf("Output directory does not exist. %s points to a file.", dir)
	case strings.ContainsRune(q.File, '/'):
		return nil, mgmt.Errorf("%s is no name for a file in a directory", q.File)
	}
	name := q.File
	if name == "" {
		name = "gofs_state_" + time.Now().Format("20060102_150405")
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, mgmt.Errorf("Failed to open file %s for writing: %v", path, err)
	}
	w := bufio.NewWriter(f)
	d.writeState(ctx, w, q.Kind)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return nil, mgmt.Errorf("Failed to write file %s: %v", path, err)
	}
	return &mgmt.StateReply{Path: path}, nil
}

func (d *Daemon) writeState(ctx context.Context, w *bufio.Writer, kind string) {
	s := d.store.State()
	if kind == mgmt.StateOptions {
		for i, name := range s.Names() {
			fmt.Fprintf(w, "Volume%d.name: %s\n", i+1, name)
			for _, o := range volgen.List(definition(s.Volumes[name])) {
				fmt.Fprintf(w, "Volume%d.options.%s: %s\n", i+1, o.Key, o.Value)
			}
			w.WriteString("\n")
		}
		return
	}
	fmt.Fprintf(w, "[Global]\nMYUUID: %s\nop-version: %d\n\n[Global options]\n", d.uuid, opVersion)
	for _, o := range s.Options {
		fmt.Fprintf(w, "%s: %s\n", o.Key, o.Value)
	}
	w.WriteString("\n[Peers]\n")
	d.writePeers(ctx, w)
	w.WriteString("\n[Volumes]\n")
	for i, name := range s.Names() {
		d.writeVolume(ctx, w, fmt.Sprintf("Volume%d", i+1), s.Volumes[name], kind)
	}
	w.WriteString("\n[Services]\n")
	for i, name := range []string{"bitd", "scrub", "quotad"} {
		fmt.Fprintf(w, "svc%d.name: %s\nsvc%d.online_status: Offline\n\n", i+1, name, i+1)
	}
	base := d.cfg.BrickPorts
	if base == 0 {
		base = portmap.Base
	}
	fmt.Fprintf(w, "\n[Misc]\nBase port: %d\n", base)
}

func (d *Daemon) writePeers(ctx context.Context, w *bufio.Writer) {
	peers, err := d.Pool(ctx)
	if err != nil {
		return // it never fails
	}
	n := 0
	for _, p := range peers {
		if p.Self {
			continue
		}
		n++
		connected := "Disconnected"
		if p.Connected {
			connected = "Connected"
		}
		fmt.Fprintf(w, "Peer%d.primary_hostname: %s\nPeer%d.uuid: %s\nPeer%d.state: %s\nPeer%d.connected: %s\nPeer%d.othernames: %s\n",
			n, p.Host, n, p.UUID, n, p.State, n, connected, n, strings.Join(p.Others, ","))
	}
}

// writeVolume writes what is known of v here: of bricks on other nodes only where they are.
func (d *Daemon) writeVolume(ctx context.Context, w *bufio.Writer, at string, v *store.Volume, kind string) {
	put := func(key string, value any) { fmt.Fprintf(w, "%s.%s: %v\n", at, key, value) }
	put("name", v.Name)
	put("id", v.ID)
	put("type", typeName(v))
	put("transport_type", v.Transport)
	put("status", v.Status)
	on := 0
	if profiled(v) {
		on = 1
	}
	put("profile_enabled", on)
	put("brickcount", len(v.Bricks))
	for i := range v.Bricks {
		d.writeBrick(ctx, w, fmt.Sprintf("%s.Brick%d", at, i+1), v, i, kind)
	}
	put("snap_count", 0)
	put("stripe_count", 1)
	put("replica_count", v.Replica)
	put("subvol_count", len(v.Bricks)/v.Replica)
	put("arbiter_count", v.Arbiter)
	put("disperse_count", 0)
	put("redundancy_count", 0)
	put("quorum_status", "not_applicable")
	put("snapd_svc.online_status", "Offline")
	put("snapd_svc.inited", "False")
	put("rebalance.id", formatUUID([16]byte{}))
	put("rebalance.status", "not_started")
	for _, key := range []string{"failures", "skipped", "lookedup", "files"} {
		put("rebalance."+key, 0)
	}
	put("rebalance.data", "0Bytes")
	put("time_left", 0)
	state, inited := "Offline", "False"
	if healed(v) && d.healerHere(ctx).Online {
		state, inited = "Online", "True"
	}
	put("shd_svc.online_status", state)
	put("shd_svc.inited", inited)
	put("gsync_count", 0)
	for _, o := range v.Options {
		put("options."+o.Key, o.Value)
	}
	w.WriteString("\n")
}

func (d *Daemon) writeBrick(ctx context.Context, w *bufio.Writer, at string, v *store.Volume, i int, kind string) {
	put := func(key string, value any) { fmt.Fprintf(w, "%s.%s: %v\n", at, key, value) }
	b := v.Bricks[i]
	put("path", b.Host+":"+b.Path)
	put("hostname", b.Host)
	if v.IsArbiter(i) {
		put("is_arbiter", 1)
	}
	if b.Node != d.uuid {
		return
	}
	st := d.bricks.State(ctx, b.Path)
	registered, status := 0, "Stopped"
	if st.Online {
		registered, status = 1, "Started"
	}
	put("port", st.Port)
	put("rdma_port", 0)
	put("port_registered", registered)
	put("status", status)
	if disk := diskOf(b.Path); disk != nil {
		put("spacefree", fmt.Sprintf("%dBytes", disk.Free))
		put("spacetotal", fmt.Sprintf("%dBytes", disk.Total))
	}
	if kind != mgmt.StateDetail {
		return
	}
	put("client_count", len(st.Clients))
	for k, c := range st.Clients {
		put(fmt.Sprintf("Client%d.hostname", k+1), c.Addr)
		put(fmt.Sprintf("Client%d.bytesread", k+1), c.Read)
		put(fmt.Sprintf("Client%d.byteswrite", k+1), c.Wrote)
		put(fmt.Sprintf("Client%d.opversion", k+1), opVersion)
	}
}

// typeName is a volume's type in GlusterFS's words.
func typeName(v *store.Volume) string {
	switch {
	case v.Replica < 2:
		return "Distribute"
	case len(v.Bricks) == v.Replica:
		return "Replicate"
	}
	return "Distributed-Replicate"
}
