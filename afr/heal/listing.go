package heal

import (
	"context"
	"hash/maphash"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// page is the size of the pieces in which directories are listed.
const page = 128 << 10

// list calls f with all entries of a directory on child i, a page at a time.
func (h *Healer) list(ctx context.Context, i int, req fop.Req, g fop.GFID, f func([]fop.Dirent) error) error {
	o, err := h.children[i].Opendir(ctx, &fop.OpendirReq{Req: req, GFID: g})
	if err != nil {
		return err
	}
	defer o.Dir.Close()
	return xlator.ListAll(ctx, o.Dir, fop.ReaddirpReq{Req: req, Size: page}, f)
}

// whole compares the listings of all copies and heals where they differ. In memory is one
// number for each name; which names differ is found by listing again.
func (d *dirHeal) whole(ctx context.Context) error {
	seed := maphash.MakeSeed()
	digest := func(e *fop.Dirent) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		h.Write(e.Iatt.GFID[:])
		h.WriteString(e.Name)
		return h.Sum64()
	}
	has := map[uint64]set{}
	all := d.c.m.Replied
	for i := range all.Each {
		err := d.h.list(ctx, i, d.l.req(i), d.gfid, func(es []fop.Dirent) error {
			for k := range es {
				has[digest(&es[k])] |= changelog.Of(i)
			}
			return nil
		})
		if err != nil {
			d.refused(i, "listing", err)
			d.postpone("a copy could not be listed")
			return nil
		}
	}
	for i := range all.Each {
		var differ []string
		err := d.h.list(ctx, i, fop.Req{Caller: caller()}, d.gfid, func(es []fop.Dirent) error {
			for k := range es {
				if s := has[digest(&es[k])]; s != all && lowest(s) == i {
					differ = append(differ, es[k].Name)
				}
			}
			return nil
		})
		if err != nil {
			d.refused(i, "listing", err)
			d.postpone("a copy could not be listed")
			return nil
		}
		if err := d.some(ctx, differ); err != nil {
			return err
		}
	}
	return nil
}

// indexed calls f with each entry of one of the lists of a brick's index.
func (h *Healer) indexed(ctx context.Context, i int, list fop.GFID, f func(*fop.Dirent) error) (n int, err error) {
	err = h.list(ctx, i, fop.Req{Caller: caller()}, list, func(es []fop.Dirent) error {
		for k := range es {
			n++
			if err := f(&es[k]); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Pending calls yield with the inodes that a child's index lists: directories of which it
// knows names that were missed, which come first because small files are healed with their
// names, those of which it accuses others, and those that are dirty. An inode may be listed more than once, or have been healed meanwhile. An error
// of yield ends it.
func (h *Healer) Pending(ctx context.Context, child int, yield func(fop.GFID) error) error {
	for _, list := range [...]fop.GFID{fop.IndexEntries, fop.IndexPending, fop.IndexDirty} {
		if _, err := h.indexed(ctx, child, list, func(e *fop.Dirent) error { return yield(e.Iatt.GFID) }); err != nil {
			return err
		}
	}
	return nil
}
