package afr

import (
	"context"
	"sync"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A dir lists one good copy of a directory. Offsets belong to the brick that gave
// them; when that brick is lost, the listing goes on at another one without the names
// that were given already.
type dir struct {
	r    *replicate
	gfid fop.GFID

	mu    sync.Mutex
	child int                 // guarded by mu: which copy
	d     xlator.Dir          // guarded by mu
	given map[string]struct{} // guarded by mu: names given since offset 0
	skip  bool                // guarded by mu: the copy changed; leave out what was given
}

func (r *replicate) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	d := &dir{r: r, gfid: q.GFID, given: map[string]struct{}{}}
	a, err := readFrom(ctx, r, q.GFID, changelog.Entry, func(i int) (*xlator.OpendirReply, error) {
		a, err := r.children[i].Opendir(ctx, q)
		if err == nil {
			d.child, d.d = i, a.Dir
		}
		return a, err
	})
	if err != nil {
		return nil, err
	}
	return &xlator.OpendirReply{Dir: d, Iatt: a.Iatt}, nil
}

// Readdirp gives attributes only while no brick accuses another: a copy's word about
// each inode would have to be checked with the others, which lookup does. Otherwise
// only GFID, type and the xattrs asked for are given.
func (d *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	qq := *q
	clean := d.r.clean.now()
	if q.Off == 0 {
		clear(d.given)
		d.skip = false
	}
	var bad set
	switch good, err := d.r.goodFor(ctx, d.gfid, changelog.Entry); {
	case err == nil && !good.Has(d.child): // it has missed something meanwhile
		bad = changelog.Of(d.child)
	case err != nil && !fop.IsGone(err): // a directory that was removed has no more names
		return nil, err
	}
	for {
		if bad.Has(d.child) {
			if err := d.reopen(ctx, &q.Req, bad); err != nil {
				return nil, err
			}
			d.skip, qq.Off = len(d.given) > 0, 0
		}
		r, err := d.fresh(ctx, &qq)
		if err == nil {
			if !clean {
				forgetAttributes(r)
			}
			return r, nil
		}
		if !elsewhere(err) {
			return nil, err
		}
		bad |= changelog.Of(d.child)
	}
}

// forgetAttributes keeps GFID and type only.
func forgetAttributes(r *fop.ReaddirpReply) {
	for i := range r.Entries {
		e := &r.Entries[i]
		e.Iatt = fop.Iatt{GFID: e.Iatt.GFID, Type: e.Iatt.Type}
	}
}

// fresh goes on with the listing, and leaves out what was given before it moved to
// another copy.
func (d *dir) fresh(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	next := *q
	for {
		r, err := d.d.Readdirp(ctx, &next)
		if err != nil {
			return nil, err
		}
		if d.skip {
			kept := r.Entries[:0]
			for _, e := range r.Entries {
				next.Off = e.Off
				if _, was := d.given[e.Name]; !was {
					kept = append(kept, e)
				}
			}
			if r.Entries = kept; len(kept) == 0 && !r.EOF {
				continue
			}
		}
		for i := range r.Entries {
			d.given[r.Entries[i].Name] = struct{}{}
		}
		return r, nil
	}
}

// reopen goes on at another good copy, which is not one of bad.
func (d *dir) reopen(ctx context.Context, q *fop.Req, bad set) error {
	_, err := readFrom(ctx, d.r, d.gfid, changelog.Entry, func(i int) (*xlator.OpendirReply, error) {
		if bad.Has(i) {
			return nil, errDown
		}
		a, err := d.r.children[i].Opendir(ctx, &fop.OpendirReq{Req: fop.Req{Caller: q.Caller}, GFID: d.gfid})
		if err == nil {
			d.d.Close()
			d.child, d.d = i, a.Dir
		}
		return a, err
	})
	return err
}

// Fsync makes the names durable on every live copy.
func (d *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	idx := d.r.indexes(d.r.state.Load().up)
	got := xlator.Each(len(idx), func(k int) (*fop.Empty, error) {
		a, err := d.r.children[idx[k]].Opendir(ctx, &fop.OpendirReq{Req: fop.Req{Caller: q.Caller}, GFID: d.gfid})
		if err != nil {
			return nil, err
		}
		defer a.Dir.Close()
		return a.Dir.Fsync(ctx, q)
	})
	var ok set
	var errs []error
	for k, i := range idx {
		errs = append(errs, got[k].Err)
		if got[k].Err == nil {
			ok |= changelog.Of(i)
		}
	}
	if d.r.quorum.Met(ok) {
		return &fop.Empty{}, nil
	}
	if e := worst(errs); e != nil {
		return nil, e
	}
	return nil, errDown
}

func (d *dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.d.Close()
}
