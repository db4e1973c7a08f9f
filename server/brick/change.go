package brick

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// What the daemon asks while it changes the bricks of a volume.

// asDaemon is who asks.
var asDaemon = fop.Req{Caller: &fop.Caller{PID: -1}}

const (
	// mostBlamed is how many inodes a report lists.
	mostBlamed = 10000
	// page is the size of the pieces in which the index is read.
	page = 128 << 10
)

// blame lists the inodes of which this brick knows that one of q's bricks missed changes.
func (b *process) blame(ctx context.Context, q *mgmt.BlameAsk) (*mgmt.BlameReport, error) {
	if why := b.whySuspect(); why != "" {
		return nil, mgmt.Errorf("The brick does not know what the others missed: %s", why)
	}
	r := &mgmt.BlameReport{Inodes: []mgmt.Blame{}}
	o, err := b.below.Opendir(ctx, &fop.OpendirReq{Req: asDaemon, GFID: fop.IndexPending})
	if err != nil {
		return nil, fmt.Errorf("the brick's index cannot be read: %w", err)
	}
	defer o.Dir.Close()
	err = xlator.ListAll(ctx, o.Dir, fop.ReaddirpReq{Req: asDaemon, Size: page}, func(es []fop.Dirent) error {
		for i := range es {
			g := es[i].Iatt.GFID
			ids, err := b.blamed(ctx, g, q.Bricks)
			switch {
			case err != nil:
				return err
			case len(ids) == 0:
			case len(r.Inodes) == mostBlamed:
				r.More = true
				return errEnough
			default:
				r.Inodes = append(r.Inodes, mgmt.Blame{GFID: g.String(), Bricks: ids})
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("the brick's index cannot be read: %w", err)
	}
	return r, nil
}

// errEnough ends a listing.
var errEnough = errors.New("enough")

// blamed returns which of bricks this one accuses of having missed changes of an inode. Marks
// that cannot be read accuse.
func (b *process) blamed(ctx context.Context, g fop.GFID, bricks []string) (out []string, err error) {
	x, err := b.below.Getxattr(ctx, &fop.GetxattrReq{Req: asDaemon, GFID: g, Internal: true})
	if fop.IsGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the marks of %s cannot be read: %w", g, err)
	}
	for _, id := range bricks {
		v, _ := fop.XattrOf(x.Xattrs, changelog.KeyPrefix+id)
		if n, err := changelog.Parse(v); err != nil || !n.IsZero() {
			out = append(out, id)
		}
	}
	return out, nil
}

// missedAll marks the root: the brick with this ID has missed everything. It is on the disk
// when this returns.
func (b *process) missedAll(ctx context.Context, id string) error {
	if !strings.HasPrefix(id, b.cfg.Volume+"-") {
		return &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("%q is no brick of volume %s", id, b.cfg.Volume)}
	}
	mark := changelog.One(changelog.Data, changelog.Metadata, changelog.Entry)
	_, err := b.below.Xattrop(ctx, &fop.XattropReq{Req: asDaemon, GFID: fop.RootGFID, Op: fop.XattropAdd32,
		Deltas: []fop.Xattr{{Name: changelog.KeyPrefix + id, Value: mark.Bytes()}}})
	if err != nil {
		return fmt.Errorf("the brick cannot be marked: %w", err)
	}
	o, err := b.below.Opendir(ctx, &fop.OpendirReq{Req: asDaemon, GFID: fop.RootGFID})
	if err == nil {
		_, err = o.Dir.Fsync(ctx, &fop.FsyncReq{Req: asDaemon})
		err = errors.Join(err, o.Dir.Close())
	}
	if err != nil {
		return fmt.Errorf("the mark is not on the disk: %w", err)
	}
	return nil
}

// graph tells which clients have older graphs than q's. Who comes anew with one is refused: see
// admit.
func (b *process) graph(q *mgmt.GraphAsk) (*mgmt.GraphReport, error) {
	b.mu.Lock()
	r := &mgmt.GraphReport{Graph: b.live.graph}
	b.mu.Unlock()
	for _, c := range b.srv.Clients() {
		if c.Graph < q.Graph {
			r.Older = append(r.Older, c.Name)
		}
	}
	return r, nil
}
