package dht

import (
	"context"
	"math/bits"
	"slices"
	"sync"
	"syscall"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A dir lists one subvolume after the other. Files are given by the subvolume that has
// their data; directories by the one that their name hashes to.
type dir struct {
	d    *distribute
	gfid fop.GFID
	lay  layout.Layout

	mu   sync.Mutex
	dirs []xlator.Dir // guarded by mu; nil where the subvolume could not be opened
	lost error        // guarded by mu: why a subvolume is missing from the listing
}

// Opendir opens all copies. A listing that lacks a subvolume ends with an error, after
// what could be listed.
func (d *distribute) Opendir(ctx context.Context, q *fop.OpendirReq) (*xlator.OpendirReply, error) {
	if d.single() {
		r, err := d.subs[0].Opendir(ctx, q)
		if err == nil {
			showDir(&r.Iatt)
			r.Dir = &singleDir{r.Dir}
		}
		return r, err
	}
	lay, err := d.layoutOf(ctx, &q.Req, q.GFID)
	if err != nil {
		return nil, err
	}
	x := &dir{d: d, gfid: q.GFID, lay: lay, dirs: make([]xlator.Dir, len(d.subs))}
	var iatt *fop.Iatt
	for i, a := range on(d.but(), func(i int) (*xlator.OpendirReply, error) { return d.subs[i].Opendir(ctx, q) }) {
		switch {
		case a.Err == nil:
			x.dirs[i] = a.Reply.Dir
			if iatt == nil {
				iatt = &a.Reply.Iatt
			}
		case !fop.IsGone(a.Err): // a missing copy has no names
			x.lost = a.Err
		}
	}
	if iatt == nil {
		if x.lost != nil {
			return nil, x.lost
		}
		return nil, syscall.ESTALE
	}
	showDir(iatt)
	return &xlator.OpendirReply{Dir: x, Iatt: *iatt}, nil
}

// singleDir lists the only copy.
type singleDir struct{ xlator.Dir }

func (x *singleDir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	r, err := x.Dir.Readdirp(ctx, q)
	if err == nil {
		for i := range r.Entries {
			if a := &r.Entries[i].Iatt; a.IsDir() && a.Nlink != 0 {
				showDir(a)
			}
		}
	}
	return r, err
}

// Offsets hold the subvolume's number: the brick's offset x of subvolume id of n is
// shown as x*n + id where that fits below the top bit; else the top bit is set, the
// offset is halved and its low bits give way to id, as GlusterFS does with the 63-bit
// hashes of some filesystems.
const topBit = 1 << 63

func encodeOff(x uint64, id, n int) uint64 {
	hi, lo := bits.Mul64(x, uint64(n))
	if hi == 0 && lo+uint64(id) < topBit {
		return lo + uint64(id)
	}
	mask := uint64(1)<<bits.Len(uint(n-1)) - 1
	return topBit | x>>1&^mask | uint64(id)
}

func decodeOff(y uint64, n int) (x uint64, id int) {
	if y&topBit == 0 {
		return y / uint64(n), int(y % uint64(n))
	}
	mask := uint64(1)<<bits.Len(uint(n-1)) - 1
	return (y &^ topBit &^ mask) << 1, int(y & mask)
}

func (x *dir) Readdirp(ctx context.Context, q *fop.ReaddirpReq) (*fop.ReaddirpReply, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := len(x.dirs)
	off, i := uint64(0), 0
	if q.Off != 0 {
		if off, i = decodeOff(q.Off, n); i >= n {
			return nil, syscall.EINVAL
		}
	}
	out := &fop.ReaddirpReply{}
	rest := *q
	for ; i < n; i, off = i+1, 0 {
		if x.dirs[i] == nil {
			continue
		}
		if rest.Size = q.Size - replySize(out); rest.Size <= 0 {
			return out, nil
		}
		done, err := x.list(ctx, &rest, i, off, out)
		if err != nil {
			if len(out.Entries) > 0 {
				return out, nil // the error comes when the listing goes on
			}
			return nil, err
		}
		if !done {
			return out, nil
		}
	}
	if x.lost != nil {
		if len(out.Entries) == 0 {
			return nil, x.lost
		}
		return out, nil
	}
	out.EOF = true
	return out, nil
}

// replySize is about what the entries fill of ReaddirpReq.Size.
func replySize(r *fop.ReaddirpReply) int {
	n := 0
	for i := range r.Entries {
		n += len(r.Entries[i].Name) + 128
	}
	return n
}

// list adds one subvolume's entries to out. done: all of them.
func (x *dir) list(ctx context.Context, q *fop.ReaddirpReq, i int, off uint64, out *fop.ReaddirpReply) (done bool, err error) {
	for {
		qq := *q
		qq.Off, qq.Plus = off, true // linkto files are told by their xattr
		qq.Want = append(slices.Clone(q.Want), layout.LinktoXattr)
		r, err := x.dirs[i].Readdirp(ctx, &qq)
		if err != nil {
			return false, err
		}
		for _, e := range r.Entries {
			off = e.Off
			if !x.shown(i, &e) {
				continue
			}
			e.Off = encodeOff(e.Off, i, len(x.dirs))
			if e.Iatt.IsDir() { // one copy's attributes are not the directory's
				e.Iatt = fop.Iatt{GFID: e.Iatt.GFID, Type: fop.TypeDir}
			} else if !e.Iatt.GFID.IsZero() && x.d.ctx.get(e.Iatt.GFID) == nil {
				x.d.ctx.set(e.Iatt.GFID, &inodeCtx{cached: i})
			}
			e.Xattrs = slices.DeleteFunc(e.Xattrs, func(a fop.Xattr) bool { return !slices.Contains(q.Want, a.Name) })
			out.Entries = append(out.Entries, e)
		}
		if r.EOF || len(r.Entries) == 0 {
			return true, nil
		}
		if len(out.Entries) > 0 {
			return false, nil
		}
	}
}

// shown reports whether subvolume i is the one to give this entry.
func (x *dir) shown(i int, e *fop.Dirent) bool {
	if e.Iatt.IsDir() {
		h := x.lay.Search(x.d.munger.Hash(e.Name))
		if h < 0 || x.dirs[h] == nil { // the first one that is there gives it
			h = slices.IndexFunc(x.dirs, func(o xlator.Dir) bool { return o != nil })
		}
		return h == i
	}
	_, link := fop.XattrOf(e.Xattrs, layout.LinktoXattr)
	return !link || e.Iatt.Type != fop.TypeReg
}

func (x *dir) Fsync(ctx context.Context, q *fop.FsyncReq) (*fop.Empty, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, o := range x.dirs {
		if o == nil {
			continue
		}
		if _, err := o.Fsync(ctx, q); err != nil {
			return nil, err
		}
	}
	return &fop.Empty{}, nil
}

func (x *dir) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, o := range x.dirs {
		if o != nil {
			o.Close()
		}
	}
	return nil
}
