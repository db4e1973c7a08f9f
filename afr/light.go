package afr

import (
	"context"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A file that is open for reading on one copy only is light. What has no name any more
// lives only where it is open, and a lease needs a quorum of copies; so before this
// client removes a name, it opens what it had light everywhere. (If another client
// removes the last name, the file is gone: ESTALE.)

// openLight opens on one child of a clean set. The file is listed before the brick is
// asked, so that a removal that comes between does not miss it.
func (r *replicate) openLight(ctx context.Context, q *fop.OpenReq, i int, st *state) (*xlator.OpenReply, error) {
	f := &file{r: r, in: r.inodes.get(q.GFID), flags: q.Flags}
	r.light.Add(1)
	f.in.mu.Lock()
	if f.in.light == nil {
		f.in.light = map[*file]struct{}{}
	}
	f.in.light[f] = struct{}{}
	if f.in.opened == 0 {
		f.in.opened = st.sum
	}
	f.in.mu.Unlock()
	reply, err := r.children[i].Open(ctx, q)
	if err != nil {
		f.Close()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files[i] != nil {
		f.files[i].Close()
	}
	f.files[i] = reply.File
	reply.File = f
	return reply, nil
}

// forgetLight takes f off the list of light files.
func (f *file) forgetLight() {
	f.in.mu.Lock()
	_, was := f.in.light[f]
	delete(f.in.light, f)
	f.in.mu.Unlock()
	if was {
		f.r.light.Add(-1)
	}
}

// keepName opens everywhere what is light and has this name, which is about to go. The
// caller holds the name's lease l.
func (r *replicate) keepName(ctx context.Context, q *fop.Req, parent fop.GFID, name string, l *lease) {
	if r.light.Load() == 0 {
		return
	}
	if found, err := r.named(ctx, q, l, parent, name); err == nil {
		r.keepOpen(ctx, found.GFID)
	}
}

// keepOpen opens everywhere what is light of g.
func (r *replicate) keepOpen(ctx context.Context, g fop.GFID) {
	in := r.inodes.peek(g)
	if in == nil {
		return
	}
	in.mu.Lock()
	var files []*file
	for f := range in.light {
		files = append(files, f)
	}
	in.mu.Unlock()
	for _, f := range files {
		idx := r.indexes(r.state.Load().up)
		xlator.Each(len(idx), func(k int) (xlator.File, error) { return f.on(ctx, idx[k]) })
		f.forgetLight()
	}
}
