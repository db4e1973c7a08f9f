package posix

import (
	"encoding/hex"
	"errors"

	"github.com/cespare/xxhash/v2"

	"github.com/gofs/gofs/xlators/fop"
)

const (
	xattrGFID     = "trusted.gfid"
	xattrVolumeID = "trusted.glusterfs.volume-id"
	xattrMdata    = "trusted.glusterfs.mdata"
	prefixPath    = "trusted.gfid2path."

	relLen     = len("xx/yy/") + 36 // of a handle's path beneath .glusterfs
	targetHead = len("../../xx/yy/") + 36 + 1
	// maxTarget is what GlusterFS takes for a directory handle's target at most.
	maxTarget = 512
	rootRel   = "00/00/00000000-0000-0000-0000-000000000001"
)

// errBadHandle: a directory handle's target is not of the form that a brick writes.
var errBadHandle = errors.New("malformed directory handle")

// appendRel appends the path of g's handle beneath .glusterfs: xx/yy/<canonical g>.
func appendRel(dst []byte, g fop.GFID) []byte {
	var c [36]byte
	g.Canon(&c)
	dst = append(dst, c[0], c[1], '/', c[2], c[3], '/')
	return append(dst, c[:]...)
}

// handleTarget is what the handle of the directory name in parent says.
func handleTarget(parent fop.GFID, name string) string {
	b := make([]byte, 0, targetHead+len(name))
	b = append(b, "../../"...)
	b = appendRel(b, parent)
	b = append(b, '/')
	return string(append(b, name...))
}

// parseTarget is the inverse of handleTarget. It accepts nothing that handleTarget
// would not have written, so that a target can lead nowhere but to a name in a
// directory of the brick.
func parseTarget(t string) (parent fop.GFID, name string, err error) {
	if len(t) <= targetHead || len(t) >= maxTarget || t[:6] != "../../" ||
		t[8] != '/' || t[11] != '/' || t[targetHead-1] != '/' {
		return parent, "", errBadHandle
	}
	parent, err = fop.ParseGFID(t[12 : 12+36])
	if err != nil {
		return fop.GFID{}, "", errBadHandle
	}
	name = t[targetHead:]
	if checkName(name) != nil || handleTarget(parent, name) != t {
		return fop.GFID{}, "", errBadHandle
	}
	return parent, name, nil
}

// gfid2path returns the xattr that records the name in parent on a non-directory: key
// trusted.gfid2path.<XXH64 of the value, 16 hexadecimal digits>, value
// <canonical parent>/<name>.
func gfid2path(parent fop.GFID, name string) (key string, value []byte) {
	value = make([]byte, 36, 37+len(name))
	parent.Canon((*[36]byte)(value))
	value = append(value, '/')
	value = append(value, name...)
	var sum [8]byte
	h := xxhash.Sum64(value)
	for i := range sum {
		sum[i] = byte(h >> (56 - 8*i))
	}
	k := make([]byte, len(prefixPath)+16)
	copy(k, prefixPath)
	hex.Encode(k[len(prefixPath):], sum[:])
	return string(k), value
}

// parsePath reads the value of a gfid2path xattr.
func parsePath(v []byte) (parent fop.GFID, name string, ok bool) {
	if len(v) < 38 || v[36] != '/' {
		return parent, "", false
	}
	parent, err := fop.ParseGFID(string(v[:36]))
	name = string(v[37:])
	if err != nil || checkName(name) != nil {
		return fop.GFID{}, "", false
	}
	return parent, name, true
}
