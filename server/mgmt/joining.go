package mgmt

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// A brick that is added to a set starts when all clients of the volume know of it. A client
// that did not would change a file on the others alone, without blaming the new one; were the
// new one's copy healed by then, it would be stale and nobody would know.

const (
	// admitting is how long an order waits until a new brick may run.
	admitting = 6 * time.Second
	// joinPause is the pause between two looks whether it may.
	joinPause = 50 * time.Millisecond
)

// joining is what the bricks of this node that wait are waiting for.
type joining struct {
	mu    sync.Mutex
	waits map[string]string // guarded by mu; by path
}

func (j *joining) note(path, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waits == nil {
		j.waits = map[string]string{}
	}
	j.waits[path] = why
}

// why says what a brick here waits for.
func (j *joining) why(path string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waits[path]
}

// awaitAdmitted waits until no brick of this node waits to join the volume.
func (d *Daemon) awaitAdmitted(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, admitting)
	defer cancel()
	for {
		why := d.admitBricks(ctx, name)
		if why == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return mgmt.Errorf("%s", why)
		case <-time.After(joinPause):
		}
	}
}

// admitBricks lets the bricks of this node run that waited, if they may. Else it says why not.
func (d *Daemon) admitBricks(ctx context.Context, name string) string {
	v, err := d.volume(name)
	if err != nil || v.Status != store.Started {
		return ""
	}
	after := slices.Clone(v.Bricks)
	var paths []string
	for i := range after {
		if b := &after[i]; b.Node == d.uuid && b.Joins {
			b.Joins = false
			paths = append(paths, b.Path)
		}
	}
	if len(paths) == 0 {
		return ""
	}
	why := d.notAllKnow(ctx, v)
	if why == "" {
		o := &order{d: d, v: v}
		if _, err := o.commit(ctx, after, nil); err != nil {
			why = err.Error()
		}
		d.drive()
	}
	for _, p := range paths {
		d.joins.note(p, why)
	}
	return why
}

// notAllKnow says who may still change files without knowing all bricks of v; "": nobody.
// Bricks that do not run have no clients, and know the present graph when they start.
func (d *Daemon) notAllKnow(ctx context.Context, v *store.Volume) string {
	q, err := ask(v.Name, "", mgmt.AskGraph, mgmt.GraphAsk{Graph: v.Graph})
	if err != nil {
		return err.Error()
	}
	for _, a := range d.askBricks(ctx, v, q) {
		r, err := decode[mgmt.GraphReport](&a)
		switch {
		case a.Silent: // and may well serve clients
			return fmt.Sprintf("Brick %s does not say which clients it has: %s", a.Name(), a.Error)
		case !a.Online:
		case err != nil:
			return fmt.Sprintf("Brick %s does not say which clients it has: %v", a.Name(), err)
		case r.Graph < v.Graph:
			return fmt.Sprintf("Brick %s has not heard of the new bricks yet", a.Name())
		case len(r.Older) > 0:
			return fmt.Sprintf("A new brick starts when programs close what they had open before, directories and files that are locked or have no name any more; those are on the clients %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(r.Older))), ", "))
		}
	}
	return ""
}
