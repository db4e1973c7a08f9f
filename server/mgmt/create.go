package mgmt

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// Create implements mgmt.Service. The bricks' directories are marked as the new
// volume's before it is recorded; whatever fails, they are left as they were.
func (d *Daemon) Create(ctx context.Context, q *mgmt.CreateReq) (*mgmt.VolumeReply, error) {
	if err := checkName(q.Name); err != nil {
		return nil, err
	}
	if err := d.catchUp(ctx); err != nil {
		return nil, err
	}
	if d.store.State().Volumes[q.Name] != nil {
		return nil, mgmt.Errorf("Volume %s already exists", q.Name)
	}
	v, err := d.define(ctx, q)
	if err != nil {
		return nil, err
	}
	if !q.Force {
		if err := checkSpread(v); err != nil {
			return nil, err
		}
	}
	order := newUUID()
	err = d.prepare(ctx, v, &mgmt.PrepareReq{Order: order, Force: q.Force}, staging)
	if err == nil {
		_, err = d.commit(ctx, &store.Command{CreateVolume: v})
	}
	if err != nil {
		d.unprepare(v, order)
		return nil, err
	}
	return &mgmt.VolumeReply{Name: v.Name, ID: v.ID}, nil
}

// checkName repeats what the command line checks, for other clients.
func checkName(name string) error {
	bad := func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if name == "" || name == all || name == "volume" || len(name) > 200 || name[0] == '-' || strings.ContainsFunc(name, bad) {
		return mgmt.Errorf("%q cannot be the name of a volume.", name)
	}
	return nil
}

// define makes the definition that q asks for.
func (d *Daemon) define(ctx context.Context, q *mgmt.CreateReq) (*store.Volume, error) {
	v := &store.Volume{Name: q.Name, ID: newUUID(), Status: store.Created, Replica: max(q.Replica, 1), Arbiter: q.Arbiter, Transport: "tcp"}
	if q.Transport != "" && q.Transport != "tcp" {
		return nil, mgmt.Errorf("transport %s is not supported; gofs speaks tcp", q.Transport)
	}
	if q.Arbiter != 0 && (q.Arbiter != 1 || v.Replica != 3) {
		return nil, mgmt.Errorf("For arbiter configuration, replica count must be 2 and arbiter count must be 1. The 3rd brick of the replica will be the arbiter")
	}
	if len(q.Bricks) == 0 || len(q.Bricks)%v.Replica != 0 {
		return nil, mgmt.Errorf("number of bricks is not a multiple of replica count")
	}
	for i, spec := range q.Bricks {
		host, dir, err := splitBrick(spec)
		if err != nil {
			return nil, err
		}
		node, ok := d.nodeOf(ctx, host)
		if !ok {
			return nil, mgmt.Errorf("Host %s is not in 'Peer in Cluster' state", host)
		}
		v.Bricks = append(v.Bricks, store.Brick{Node: node, Host: host, Path: dir, ID: fmt.Sprintf("%s-client-%d", v.Name, i)})
	}
	for _, o := range volgen.Created(v.Replica) {
		v.Options = append(v.Options, store.Option{Key: o[0], Value: o[1]})
	}
	return v, nil
}

// splitBrick reads host:/path.
func splitBrick(spec string) (host, dir string, err error) {
	i := strings.LastIndex(spec, ":/")
	if i <= 0 || len(spec) > 4096 {
		return "", "", mgmt.Errorf("Wrong brick type: %s, use <HOSTNAME>:<export-dir-abs-path>", spec)
	}
	host, dir = strings.Trim(spec[:i], "[]"), path.Clean(spec[i+1:])
	odd := func(r rune) bool { return r <= ' ' || r == '"' || r == '`' || r == 0x7f }
	if strings.ContainsFunc(host, odd) || strings.ContainsFunc(dir, odd) || dir == "/" {
		return "", "", mgmt.Errorf("Brick %s: a brick's path is not / and has no blanks, quotes or control characters", spec)
	}
	return host, dir, nil
}

// brickCalled is how the definition writes a brick that a person wrote as name: an IPv6
// address without brackets, a clean path.
func brickCalled(name string) string {
	if host, dir, err := splitBrick(name); err == nil {
		return host + ":" + dir
	}
	return name
}

// nodeOf returns the UUID of the node that host names.
func (d *Daemon) nodeOf(ctx context.Context, host string) (string, bool) {
	if d.cfg.Address != "" && host == d.cfg.Address {
		return d.uuid, true
	}
	if n, ok := d.store.State().NodeCalled(host); ok {
		return n.UUID, true
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", false
	}
	if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return d.mine(a.Unmap()) }) {
		return d.uuid, true
	}
	n, ok := d.nodeAt(ctx, host)
	return n.UUID, ok
}

// mine tells whether a is an address of this daemon. A loopback address is only if the
// daemon was started with it: other nodes' clients could not reach it.
func (d *Daemon) mine(a netip.Addr) bool {
	if d.cfg.Address != "" {
		own, err := netip.ParseAddr(d.cfg.Address)
		return err == nil && own.Unmap() == a
	}
	return !a.IsLoopback() && isLocal(a)
}

// checkSpread refuses a replicate set with two bricks on one node, which dies with it.
func checkSpread(v *store.Volume) error {
	if v.Replica < 2 {
		return nil
	}
	for i := range v.Bricks {
		for j := i - i%v.Replica; j < i; j++ {
			if v.Bricks[j].Node == v.Bricks[i].Node {
				return mgmt.Errorf("Multiple bricks of a replicate volume are present on the same server. This setup is not optimal. Bricks should be on different nodes to have best fault tolerant configuration. Use 'force' at the end of the command if you want to override this behavior. ")
			}
		}
	}
	return nil
}
