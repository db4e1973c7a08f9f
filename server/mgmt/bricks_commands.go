package mgmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
	"github.com/gofs/gofs/volfile/volgen"
)

// Options that are set while a volume is profiled, as in GlusterFS. The bricks count always;
// these say that somebody looks.
const (
	countHits = "diagnostics.count-fop-hits"
	measure   = "diagnostics.latency-measurement"
)

func profiled(v *store.Volume) bool {
	for _, key := range []string{measure, countHits} {
		value, _ := v.Option(key)
		if on, _ := volgen.Bool(value); !on {
			return false
		}
	}
	return true
}

// Profile implements mgmt.Service.
func (d *Daemon) Profile(ctx context.Context, q *mgmt.ProfileReq) (*mgmt.ProfileReply, error) {
	v, err := d.volume(q.Name)
	if err != nil {
		return nil, err
	}
	switch r := (&mgmt.ProfileReply{Name: v.Name}); {
	case q.Op == mgmt.ProfileStart && profiled(v):
		return nil, mgmt.Errorf("Profile on Volume %s is already started", v.Name)
	case q.Op == mgmt.ProfileStart:
		_, err := d.commit(ctx, &store.Command{SetOptions: &store.SetOptions{Name: v.Name, Options: []store.Option{{Key: measure, Value: "on"}, {Key: countHits, Value: "on"}}}})
		return r, err
	case !profiled(v):
		return nil, mgmt.Errorf("Profile on Volume %s is not started", v.Name)
	case q.Op == mgmt.ProfileStop:
		_, err := d.commit(ctx, &store.Command{ResetOptions: &store.ResetOptions{Name: v.Name, Keys: []string{measure, countHits}}})
		return r, err
	case q.Op == mgmt.ProfileInfo:
		return d.profileInfo(ctx, v, &q.ProfileAsk)
	}
	return nil, mgmt.Errorf("%q cannot be done with a profile", q.Op)
}

func (d *Daemon) profileInfo(ctx context.Context, v *store.Volume, args *mgmt.ProfileAsk) (*mgmt.ProfileReply, error) {
	if v.Status != store.Started {
		return nil, mgmt.Errorf("Volume %s is not started.", v.Name)
	}
	q, err := ask(v.Name, "", mgmt.AskProfile, args)
	if err != nil {
		return nil, err
	}
	r := &mgmt.ProfileReply{Name: v.Name}
	for _, a := range d.askBricks(ctx, v, q) {
		b := mgmt.BrickProfiles{Brick: a.Brick}
		if report, err := decode[mgmt.ProfileReport](&a); err != nil {
			b.Error = err.Error()
		} else {
			b.ProfileReport = *report
		}
		r.Bricks = append(r.Bricks, b)
	}
	return r, nil
}

// Top implements mgmt.Service.
func (d *Daemon) Top(ctx context.Context, q *mgmt.TopReq) (*mgmt.TopReply, error) {
	v, err := d.started(q.Name, "Volume %s is not started.")
	if err != nil {
		return nil, err
	}
	q.Brick = brickCalled(q.Brick)
	if !hasBrick(v, q.Brick) {
		return nil, mgmt.Errorf("Incorrect brick %s for volume %s", q.Brick, v.Name)
	}
	question, err := ask(v.Name, q.Brick, mgmt.AskTop, &q.TopAsk)
	if err != nil {
		return nil, err
	}
	r := &mgmt.TopReply{Name: v.Name, Bricks: []mgmt.BrickTop{}}
	for _, a := range d.askBricks(ctx, v, question) {
		b := mgmt.BrickTop{Brick: a.Brick}
		if report, err := decode[mgmt.TopReport](&a); err != nil {
			b.Error = err.Error()
		} else {
			b.TopReport = *report
		}
		r.Bricks = append(r.Bricks, b)
	}
	return r, nil
}

// Statedump implements mgmt.Service. Bricks that do not run have nothing to dump.
func (d *Daemon) Statedump(ctx context.Context, q *mgmt.StatedumpReq) (*mgmt.FilesReply, error) {
	v, err := d.started(q.Name, "Volume %s is not in the started state")
	switch {
	case err != nil:
		return nil, err
	case q.Client != "":
		return d.dumpClient(ctx, v, q)
	case q.Daemon == "quotad":
		return nil, mgmt.Errorf("Quota is not enabled on volume %s", v.Name)
	case q.Daemon != "":
		return nil, mgmt.Errorf("gofs has no NFS server of its own to dump")
	}
	question, err := ask(v.Name, "", mgmt.AskDump, mgmt.DumpAsk{Parts: q.Parts})
	if err != nil {
		return nil, err
	}
	r := &mgmt.FilesReply{Files: []string{}}
	for _, a := range d.askBricks(ctx, v, question) {
		if report, err := decode[mgmt.DumpReport](&a); err == nil {
			r.Files = append(r.Files, a.Host+":"+report.File)
		} else if a.Online {
			return nil, mgmt.Errorf("brick %s: %v", a.Name(), err)
		}
	}
	return r, nil
}

// dumpClient asks a mount on this machine, by its process number.
func (d *Daemon) dumpClient(ctx context.Context, v *store.Volume, q *mgmt.StatedumpReq) (*mgmt.FilesReply, error) {
	host, number, _ := strings.Cut(q.Client, ":")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 || host == "" {
		return nil, mgmt.Errorf("%s names no client; a client is <hostname:process-id>", q.Client)
	}
	if own, _ := os.Hostname(); host != "localhost" && host != own && !d.isMe(ctx, host) {
		return nil, mgmt.Errorf("Process %d is not on this node: run the command on %s, or send the process SIGUSR1", pid, host)
	}
	ctx, cancel := context.WithTimeout(ctx, askingBricks)
	defer cancel()
	c, err := mgmt.Dial(ctx, filepath.Join(d.cfg.RunDir, mgmt.MountSocket(pid)))
	if err != nil {
		return nil, mgmt.Errorf("Process %d is no mount of volume %s on this node", pid, v.Name)
	}
	defer c.Close()
	a := mgmt.BrickAnswer{}
	if a.Body, err = c.Ask(ctx, mgmt.AskMetrics, nil); err != nil {
		return nil, err
	}
	if m, err := decode[mgmt.ProcessMetrics](&a); err != nil || m.Volume != v.Name {
		return nil, mgmt.Errorf("Process %d is no mount of volume %s on this node", pid, v.Name)
	}
	if a.Body, err = c.Ask(ctx, mgmt.AskDump, nil); err != nil {
		return nil, err
	}
	report, err := decode[mgmt.DumpReport](&a)
	if err != nil {
		return nil, err
	}
	return &mgmt.FilesReply{Files: []string{host + ":" + report.File}}, nil
}

// ClearLocks implements mgmt.Service.
func (d *Daemon) ClearLocks(ctx context.Context, q *mgmt.ClearReq) (*mgmt.ClearReply, error) {
	v, err := d.started(q.Name, "Volume %s is not started")
	if err != nil {
		return nil, err
	}
	question, err := ask(v.Name, "", mgmt.AskClear, &q.ClearAsk)
	if err != nil {
		return nil, err
	}
	r := &mgmt.ClearReply{Bricks: []mgmt.BrickCleared{}}
	missing := 0
	var failed error
	for _, a := range d.askBricks(ctx, v, question) {
		report, err := decode[mgmt.ClearReport](&a)
		switch {
		case err == nil:
			r.Bricks = append(r.Bricks, mgmt.BrickCleared{Brick: a.Brick, ClearReport: *report})
		case a.Code == mgmt.CodeNoFile:
			missing++
		default:
			failed = mgmt.Errorf("brick %s: %v", a.Name(), err)
		}
	}
	switch {
	case len(r.Bricks) > 0:
		return r, nil
	case missing > 0:
		return nil, &mgmt.Error{Code: mgmt.CodeNoFile, Message: "clear-locks getxattr command failed. Reason: No such file or directory"}
	}
	return nil, failed
}

// Barrier implements mgmt.Service. Either all bricks that run have it raised afterwards, or,
// if one cannot, none of those that had not.
func (d *Daemon) Barrier(ctx context.Context, q *mgmt.BarrierReq) error {
	v, err := d.started(q.Name, "Volume %s is not started")
	if err != nil {
		return err
	}
	if q.Op != "enable" && q.Op != "disable" {
		return mgmt.Errorf("Failed to reconfigure barrier.")
	}
	question, err := ask(v.Name, "", mgmt.AskBarrier, mgmt.BarrierAsk{Up: q.Op == "enable"})
	if err != nil {
		return err
	}
	var failed error
	var done []string
	for _, a := range d.askBricks(ctx, v, question) {
		switch {
		case a.Error == "":
			done = append(done, a.Name())
		case a.Online || failed == nil:
			failed = &mgmt.Error{Code: a.Code, Message: a.Error}
		}
	}
	if failed == nil || q.Op == "disable" && len(done) > 0 {
		return nil
	}
	if q.Op == "enable" {
		for _, brick := range done {
			if undo, err := ask(v.Name, brick, mgmt.AskBarrier, mgmt.BarrierAsk{}); err == nil {
				d.askBricks(ctx, v, undo)
			}
		}
	}
	return failed
}

// RotateLog implements mgmt.Service.
func (d *Daemon) RotateLog(ctx context.Context, q *mgmt.RotateReq) error {
	v, err := d.started(q.Name, "Volume %s needs to be started before log rotate.")
	if err != nil {
		return err
	}
	q.Brick = brickCalled(q.Brick)
	if !hasBrick(v, q.Brick) {
		return mgmt.Errorf("Incorrect brick %s for volume %s", q.Brick, v.Name)
	}
	question, err := ask(v.Name, q.Brick, mgmt.AskRotate, struct{}{})
	if err != nil {
		return err
	}
	var failed []error
	for _, a := range d.askBricks(ctx, v, question) {
		if a.Error != "" && (a.Online || q.Brick != "") {
			failed = append(failed, fmt.Errorf("brick %s: %s", a.Name(), a.Error))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return mgmt.Errorf("%v", err)
	}
	return nil
}

// Sync implements mgmt.Service. All nodes of a pool have the one configuration, so there is
// nothing to take from another node.
func (d *Daemon) Sync(ctx context.Context, q *mgmt.SyncReq) error {
	if d.isMe(ctx, q.Host) || q.Host == "localhost" {
		return mgmt.Errorf("sync from localhost not allowed")
	}
	s := d.store.State()
	if _, ok := s.NodeCalled(q.Host); !ok {
		if _, ok = d.nodeAt(ctx, q.Host); !ok {
			return mgmt.Errorf("%s, is not a friend", q.Host)
		}
	}
	if q.Name != "" && q.Name != all && !slices.Contains(s.Names(), q.Name) {
		return mgmt.Errorf("Volume %s does not exist", q.Name)
	}
	return nil
}
