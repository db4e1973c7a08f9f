package posix

import (
	"strings"

	"github.com/gofs/gofs/xlators/fop"
)

// links returns the names of in: a directory's from its handle, others' from gfid2path.
func (b *brick) links(in *inode) ([]fop.Link, error) {
	if in.gfid == fop.RootGFID {
		return nil, nil
	}
	if in.typ == fop.TypeDir {
		s, err := b.readLocked(in.gfid)
		if err != nil {
			return nil, err
		}
		return []fop.Link{{Parent: s.parent, Name: s.name}}, nil
	}
	names, err := b.listx(in)
	if err != nil {
		return nil, err
	}
	var out []fop.Link
	for _, n := range names {
		if !strings.HasPrefix(n, prefixPath) {
			continue
		}
		v, err := b.getx(in, n, nil)
		if err != nil {
			continue // it went meanwhile
		}
		if parent, name, ok := parsePath(v); ok {
			out = append(out, fop.Link{Parent: parent, Name: name})
		}
	}
	return out, nil
}
