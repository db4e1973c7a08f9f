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
