package sim

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// An index lists what may need healing, and answers fop.PendingCountXattr, as
// features/index does on a disk.
type index struct {
	xlator.Pass
	disk *journal

	mu  sync.Mutex
	has map[fop.GFID]map[string]bool // guarded by mu: marks that may not be zero
}

// newIndex makes the index of a disk, over child.
func newIndex(disk *journal, child xlator.Xlator) *index {
	x := &index{Pass: xlator.Pass{Child: child}, disk: disk, has: map[fop.GFID]map[string]bool{}}
	for _, g := range disk.all() {
		if r, err := disk.inodes.Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: g, Internal: true}); err == nil {
			x.mark(g, r.Xattrs, false)
		}
	}
	return x
}

// mark notes values of marks; never (zeros of deltas) takes a note back if add.
func (x *index) mark(g fop.GFID, xs []fop.Xattr, add bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, v := range xs {
		c, _ := changelog.Parse(v.Value)
		if !strings.HasPrefix(v.Name, changelog.KeyPrefix) || add && c.IsZero() {
			continue
		}
		if x.has[g] == nil {
			x.has[g] = map[string]bool{}
		}
		x.has[g][v.Name] = !c.IsZero()
	}
}

func (x *index) Create(ctx context.Context, q *fop.CreateReq) (*xlator.CreateReply, error) {
	x.mark(q.GFID, q.Mark, true)
	return x.Child.Create(ctx, q)
}

func (x *index) Mkdir(ctx context.Context, q *fop.MkdirReq) (*fop.EntryReply, error) {
	x.mark(q.GFID, q.Mark, true)
	return x.Child.Mkdir(ctx, q)
}

func (x *index) Mknod(ctx context.Context, q *fop.MknodReq) (*fop.EntryReply, error) {
	x.mark(q.GFID, q.Mark, true)
	return x.Child.Mknod(ctx, q)
}

func (x *index) Symlink(ctx context.Context, q *fop.SymlinkReq) (*fop.EntryReply, error) {
	x.mark(q.GFID, q.Mark, true)
	return x.Child.Symlink(ctx, q)
}

func (x *index) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	x.mark(q.GFID, q.Deltas, true)
	x.disk.miss(q.GFID, q.EntryCreate, true)
	r, err := x.Child.Xattrop(ctx, q)
	switch {
	case err == nil:
		x.mark(q.GFID, r.Values, false)
		x.disk.miss(q.GFID, q.EntryDelete, false)
	case fop.IsGone(err):
		x.mu.Lock()
		delete(x.has, q.GFID)
		x.mu.Unlock()
		x.disk.forget(q.GFID)
	}
	return r, err
}

func (x *index) Release(ctx context.Context, q *fop.ReleaseReq) (*fop.ReleaseReply, error) {
	r := &fop.ReleaseReply{Errnos: make([]uint32, len(q.Items))}
	items := make([]fop.ReleaseItem, len(q.Items))
	for i, it := range q.Items {
		items[i] = fop.ReleaseItem{GFID: it.GFID}
	}
	if sync, err := x.Child.Release(ctx, &fop.ReleaseReq{Req: q.Req, Sync: q.Sync, Items: items}); err != nil {
		return sync, err
	}
	for i, it := range q.Items {
		if len(it.Undo)+len(it.EntryDelete) > 0 {
			_, err := x.Xattrop(ctx, &fop.XattropReq{Req: q.Req, GFID: it.GFID, Op: fop.XattropAdd32, Deltas: it.Undo, EntryDelete: it.EntryDelete})
			r.Errnos[i] = uint32(fop.Errno(err))
		}
	}
	return r, nil
}

// listed returns the inodes with (pending) blame of others, or that are dirty.
func (x *index) listed(pending bool) (gs []fop.GFID) {
	x.mu.Lock()
	for g, keys := range x.has {
		for k, some := range keys {
			if some && pending == (k != changelog.DirtyKey) {
				gs = append(gs, g)
				break
			}
		}
	}
	x.mu.Unlock()
	gs = slices.DeleteFunc(gs, func(g fop.GFID) bool {
		_, err := x.disk.inodes.Stat(ctx, &fop.StatReq{GFID: g})
		return err != nil
	})
	slices.SortFunc(gs, func(a, b fop.GFID) int { return bytes.Compare(a[:], b[:]) })
	return gs
}

// blames reports whether a mark is set on any inode that is there.
func (x *index) blames(key string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for g, keys := range x.has {
		if _, err := x.disk.inodes.Stat(ctx, &fop.StatReq{GFID: g}); keys[key] && err == nil {
			return true
		}
	}
	return false
}

func (x *index) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name == fop.AccusedXattr {
		var keys []string
		for i := range changelog.MaxReplicas {
			if key := fmt.Sprint(changelog.KeyPrefix, "v-client-", i); x.blames(key) {
				keys = append(keys, key)
			}
		}
		return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(strings.Join(keys, ","))}}}, nil
	}
	if q.Name != fop.PendingCountXattr {
		return x.Child.Getxattr(ctx, q)
	}
	n := len(x.listed(true))
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(strconv.Itoa(n))}}}, nil
}

func (x *index) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	l := &listing{}
	switch q.GFID {
	case fop.IndexPending, fop.IndexDirty:
		l.add(x.listed(q.GFID == fop.IndexPending))
	case fop.IndexEntries:
		l.add(x.disk.dirs())
	default:
		for _, n := range x.disk.names(fop.IndexNames(q.GFID)) {
			l.es = append(l.es, fop.Dirent{Name: n})
		}
		if len(l.es) == 0 {
			return x.Child.Opendir(ctx, q)
		}
	}
	return &xlator.OpendirReply{Dir: l, Iatt: fop.Iatt{GFID: q.GFID, Type: fop.TypeDir}}, nil
}

// A listing is one of the index's lists.
type listing struct{ es []fop.Dirent }

func (l *listing) add(gs []fop.GFID) {
	for _, g := range gs {
		l.es = append(l.es, fop.Dirent{Name: g.String(), Iatt: fop.Iatt{GFID: g, Type: fop.TypeReg}})
	}
}

func (l *listing) Readdirp(context.Context, *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	return &fop.ReaddirpReply{Entries: l.es, EOF: true}, nil
}

func (l *listing) Fsync(context.Context, *fop.FsyncReq) (*fop.Empty, error) { return &fop.Empty{}, nil }
func (l *listing) Close() error                                             { return nil }
