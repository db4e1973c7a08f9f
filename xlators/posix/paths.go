package posix

import (
	"strings"
	"syscall"

	"github.com/gofs/gofs/xlators/fop"
)

// paths returns the absolute paths, in the volume, of in. Those of a non-directory come
// from its gfid2path xattrs; one that does not resolve is left out.
func (b *brick) paths(in *inode) ([]string, error) {
	if in.typ == fop.TypeDir {
		p, err := b.dirPath(in.gfid)
		return []string{p}, err
	}
	names, err := b.listx(in)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range names {
		if !strings.HasPrefix(n, prefixPath) {
			continue
		}
		v, err := b.getx(in, n, nil)
		if err != nil {
			continue
		}
		parent, name, ok := parsePath(v)
		if !ok {
			continue
		}
		dir, err := b.dirPath(parent)
		if err != nil {
			continue
		}
		out = append(out, strings.TrimSuffix(dir, "/")+"/"+name)
	}
	if len(out) == 0 {
		return nil, syscall.ENODATA
	}
	return out, nil
}

// dirPath returns the path of a directory by climbing its handles.
func (b *brick) dirPath(g fop.GFID) (string, error) {
	var names []string
	n := 0
	for g != fop.RootGFID {
		s, err := b.readHandle(g)
		if err != nil {
			return "", err
		}
		names = append(names, s.name)
		if n += len(s.name) + 1; n > 1<<20 || len(names) > maxDepth {
			return "", syscall.ENAMETOOLONG
		}
		g = s.parent
	}
	var sb strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		sb.WriteByte('/')
		sb.WriteString(names[i])
	}
	if sb.Len() == 0 {
		return "/", nil
	}
	return sb.String(), nil
}
