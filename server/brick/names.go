package brick

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/fop"
)

// deepest bounds how far up a path is followed: a damaged brick may have circles.
const deepest = 4096

// nameOf returns a path of the inode from the volume's root, or <gfid:...> if it has none
// (any more) or its names are not recorded.
func nameOf(brick string, g fop.GFID) string {
	up := g
	name := ""
	for range deepest {
		if up == fop.RootGFID {
			return "/" + name
		}
		parent, base, ok := nameIn(handle(brick, up))
		if !ok {
			break
		}
		up, name = parent, path.Join(base, name)
	}
	return "<gfid:" + g.String() + ">"
}

// handle is where the brick keeps the inode g.
func handle(brick string, g fop.GFID) string {
	s := g.String()
	return filepath.Join(brick, ".glusterfs", s[:2], s[2:4], s)
}

// nameIn returns a name of the inode with this handle: a directory's is a symbolic link to it,
// other inodes have an xattr for each name.
func nameIn(handle string) (parent fop.GFID, base string, ok bool) {
	if link, err := os.Readlink(handle); err == nil {
		if parent, base, ok = parseLink(link); ok {
			return parent, base, ok
		}
	}
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(handle, list)
	if err != nil {
		return fop.GFID{}, "", false
	}
	for key := range bytes.SplitSeq(list[:n], []byte{0}) {
		if !strings.HasPrefix(string(key), "trusted.gfid2path.") {
			continue
		}
		value := make([]byte, 512)
		if n, err := unix.Lgetxattr(handle, string(key), value); err == nil {
			if parent, base, ok = parsePath(string(value[:n])); ok {
				return parent, base, ok
			}
		}
	}
	return fop.GFID{}, "", false
}

// parseLink reads the target of a directory's handle: ../../aa/bb/PARENT/NAME.
func parseLink(link string) (parent fop.GFID, base string, ok bool) {
	rest, found := strings.CutPrefix(link, "../../")
	if !found || len(rest) < 6 || rest[2] != '/' || rest[5] != '/' {
		return fop.GFID{}, "", false
	}
	return parsePath(rest[6:])
}

// parsePath reads PARENT/NAME.
func parsePath(s string) (parent fop.GFID, base string, ok bool) {
	id, base, found := strings.Cut(s, "/")
	parent, err := fop.ParseGFID(id)
	if !found || err != nil || base == "" || base == "." || base == ".." || strings.ContainsAny(base, "/\x00") {
		return fop.GFID{}, "", false
	}
	return parent, base, true
}
