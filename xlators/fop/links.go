package fop

import (
	"bytes"
	"errors"
)

// LinksXattr is a virtual xattr (internal): the names that a brick knows of an inode, as
// EncodeLinks writes them. Names that the brick never recorded are missing; whether one
// is still true is for the reader to check. The root has none.
const LinksXattr = "glusterfs.links"

// SuspectXattr is a virtual xattr of a brick's root (internal): "1" if the machine lost
// power and the brick may have forgotten changes that nobody blames it for. Removing it
// says that somebody does now.
const SuspectXattr = "glusterfs.suspect"

// LockedXattr is a virtual xattr (internal): "1" if anybody holds or awaits an inodelk or
// entrylk of the inode, in any domain, else "0".
const LockedXattr = "glusterfs.locked"

// A Link is a name of an inode.
type Link struct {
	Parent GFID
	Name   string
}

// EncodeLinks writes the value of LinksXattr: for each link the parent's 16 bytes, the
// name and a NUL.
func EncodeLinks(ls []Link) []byte {
	var b []byte
	for _, l := range ls {
		b = append(b, l.Parent[:]...)
		b = append(b, l.Name...)
		b = append(b, 0)
	}
	return b
}

// ParseLinks is the inverse of EncodeLinks.
func ParseLinks(b []byte) (ls []Link, err error) {
	for len(b) > 0 {
		if len(b) < len(GFID{}) {
			return nil, errors.New("links: a parent is cut short")
		}
		g := GFID(b)
		name, rest, ok := bytes.Cut(b[len(g):], []byte{0})
		if !ok || len(name) == 0 || len(name) > 255 || bytes.IndexByte(name, '/') >= 0 || string(name) == "." || string(name) == ".." {
			return nil, errors.New("links: malformed name")
		}
		ls = append(ls, Link{g, string(name)})
		b = rest
	}
	return ls, nil
}
