package fop

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
)

// GFID is the identity of an inode in a volume: 16 raw bytes in RFC 4122 textual
// order, stored on every brick as the xattr trusted.gfid. It is chosen by the
// client that creates the inode, so that all replicas agree.
type GFID [16]byte

// RootGFID is the GFID of every volume's root directory.
var RootGFID = GFID{15: 1}

// NewGFID returns a random version 4 UUID.
func NewGFID() GFID {
	var g GFID
	rand.Read(g[:])
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

// A GFIDSource makes GFIDs that share their first two bytes for a while. Those two name
// the directory (.glusterfs/xx/yy) of the handle, so that inodes made one after the
// other have their handles in one directory, which is in the brick's caches, instead of
// each in another, of which half must be made first. The other 14 bytes are random.
// The zero value is ready; safe for concurrent use.
type GFIDSource struct {
	mu     sync.Mutex
	prefix [2]byte // guarded by mu
	left   int     // guarded by mu
}

// samePrefix is how many GFIDs in a row share their prefix.
const samePrefix = 256

// Next returns a new GFID.
func (s *GFIDSource) Next() GFID {
	g := NewGFID()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		s.prefix, s.left = [2]byte(g[:2]), samePrefix
	}
	s.left--
	copy(g[:], s.prefix[:])
	return g
}

// IsZero reports whether g is the null GFID, which names nothing.
func (g GFID) IsZero() bool { return g == GFID{} }

// Ino is the inode number shown to users: the last 8 bytes, big-endian. It is the
// same on every brick and every client.
func (g GFID) Ino() uint64 { return binary.BigEndian.Uint64(g[8:]) }

// String returns the canonical form: lower case, 8-4-4-4-12.
func (g GFID) String() string {
	var b [36]byte
	g.Canon(&b)
	return string(b[:])
}

// Canon writes the canonical form into b without allocating.
func (g GFID) Canon(b *[36]byte) {
	hex.Encode(b[0:8], g[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], g[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], g[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], g[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], g[10:16])
}

// ParseGFID reads the canonical form.
func ParseGFID(s string) (GFID, error) {
	var g GFID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g, fmt.Errorf("%q is not a GFID: want 8-4-4-4-12 hexadecimal digits", s)
	}
	hexOnly := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if _, err := hex.Decode(g[:], []byte(hexOnly)); err != nil {
		return GFID{}, fmt.Errorf("%q is not a GFID: want 8-4-4-4-12 hexadecimal digits", s)
	}
	return g, nil
}
