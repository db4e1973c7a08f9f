package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/metrics"
	"github.com/gofs/gofs/server/mgmt/store"
)

// serveMetrics serves http://ADDRESS/metrics until ctx ends. That the address is taken is no
// reason for a daemon not to run.
func (d *Daemon) serveMetrics(ctx context.Context) {
	if d.cfg.Metrics == "" {
		return
	}
	l, err := net.Listen("tcp", d.cfg.Metrics)
	if err != nil {
		d.cfg.Log.Warn("no metrics", "error", err)
		return
	}
	s := &http.Server{Handler: metrics.Handler(d.gather), ReadHeaderTimeout: greeting, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	d.cfg.Log.Info("metrics are served", "url", "http://"+l.Addr().String()+"/metrics")
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		d.cfg.Log.Warn("no metrics any more", "error", err)
	}
}

// gather asks this node's bricks and mounts for their counters.
func (d *Daemon) gather(ctx context.Context) *metrics.Node {
	n := &metrics.Node{Version: d.cfg.Version, UUID: d.uuid}
	n.Peers, _ = d.Pool(ctx) // it never fails
	s := d.store.State()
	n.Volumes = make([]metrics.Volume, len(s.Volumes))
	var wg sync.WaitGroup
	for i, name := range s.Names() {
		wg.Go(func() { n.Volumes[i] = d.gatherVolume(ctx, s.Volumes[name]) })
	}
	wg.Go(func() { n.Mounts = d.gatherMounts(ctx) })
	wg.Wait()
	return n
}

func (d *Daemon) gatherVolume(ctx context.Context, v *store.Volume) metrics.Volume {
	r := metrics.Volume{Name: v.Name, Started: v.Status == store.Started}
	answers := map[string]*mgmt.BrickAnswer{}
	if r.Started {
		for _, a := range d.askLocalBricks(ctx, v, &mgmt.BrickAsk{Volume: v.Name, Method: mgmt.AskMetrics}) {
			answers[a.Path] = &a
		}
	}
	for i, b := range v.Bricks {
		if b.Node != d.uuid {
			continue
		}
		m := metrics.Brick{Brick: describeBrick(v, i), Disk: diskOf(b.Path)}
		if a := answers[b.Path]; a != nil {
			m.Online = a.Online && a.Error == ""
			if p, err := decode[mgmt.ProcessMetrics](a); err == nil {
				m.Process = p
				m.Online = p.Serving
			}
		}
		r.Bricks = append(r.Bricks, m)
	}
	return r
}

// gatherMounts asks the mounts of this machine that use this daemon's run directory. The
// socket of one that is dead is removed.
func (d *Daemon) gatherMounts(ctx context.Context) []mgmt.ProcessMetrics {
	ctx, cancel := context.WithTimeout(ctx, askingBricks)
	defer cancel()
	sockets, err := filepath.Glob(filepath.Join(d.cfg.RunDir, "mount-*.socket"))
	if err != nil {
		return nil // the pattern is a good one
	}
	found := make([]*mgmt.ProcessMetrics, len(sockets))
	var wg sync.WaitGroup
	for i, path := range sockets {
		wg.Go(func() {
			p, err := askMount(ctx, path)
			if errors.Is(err, syscall.ECONNREFUSED) {
				os.Remove(path)
			}
			found[i] = p
		})
	}
	wg.Wait()
	var out []mgmt.ProcessMetrics
	for _, p := range found {
		if p != nil {
			out = append(out, *p)
		}
	}
	return out
}

func askMount(ctx context.Context, path string) (*mgmt.ProcessMetrics, error) {
	c, err := mgmt.Dial(ctx, path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	body, err := c.Ask(ctx, mgmt.AskMetrics, nil)
	if err != nil {
		return nil, err
	}
	p := new(mgmt.ProcessMetrics)
	return p, json.Unmarshal(body, p)
}
