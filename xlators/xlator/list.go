package xlator

import (
	"context"

	"github.com/gofs/gofs/xlators/fop"
)

// ListAll calls f with all entries of an open directory from q.Off on, in pieces of q.Size.
func ListAll(ctx context.Context, d Dir, q fop.ReaddirpReq, f func([]fop.Dirent) error) error {
	for {
		r, err := d.Readdirp(ctx, &q)
		if err != nil {
			return err
		}
		if err := f(r.Entries); err != nil {
			return err
		}
		if r.EOF || len(r.Entries) == 0 {
			return nil
		}
		q.Off = r.Entries[len(r.Entries)-1].Off
	}
}

// LinksOn returns the names of an inode on x, as far as they can be known: none if x does not
// have it, or does not say.
func LinksOn(ctx context.Context, x Xlator, caller *fop.Caller, g fop.GFID) []fop.Link {
	r, err := x.Getxattr(ctx, &fop.GetxattrReq{Req: fop.Req{Caller: caller}, GFID: g, Name: fop.LinksXattr, Internal: true})
	if err != nil || len(r.Xattrs) != 1 {
		return nil
	}
	ls, err := fop.ParseLinks(r.Xattrs[0].Value)
	if err != nil {
		return nil
	}
	return ls
}
