package posix

import (
	"bytes"
	"slices"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// InodeTable tells what inodes the brick has in memory.
type InodeTable struct {
	Limit  int // of idle ones
	Active int // in use
	Idle   int // remembered
	Open   []OpenInode
}

// OpenInode is an inode that is in use.
type OpenInode struct {
	GFID fop.GFID
	Type fop.FileType
	Refs int // who uses it now
	Open int // how many times it is open
}

// InodeTableOf returns the table of a translator that New made, with at most limit of the
// inodes in use, by GFID; ok is false of any other translator.
func InodeTableOf(x xlator.Xlator, limit int) (table InodeTable, ok bool) {
	b, ok := x.(*brick)
	if !ok {
		return InodeTable{}, false
	}
	return b.table.inspect(limit), true
}

func (t *table) inspect(limit int) InodeTable {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := InodeTable{Limit: t.files.limit + t.dirs.limit, Idle: t.files.n + t.dirs.n}
	r.Active = len(t.byGFID) - r.Idle
	for _, in := range t.byGFID {
		if in.refs > 0 && len(r.Open) < limit {
			r.Open = append(r.Open, OpenInode{GFID: in.gfid, Type: in.typ, Refs: in.refs, Open: int(in.opens.Load())})
		}
	}
	slices.SortFunc(r.Open, func(a, b OpenInode) int { return bytes.Compare(a.GFID[:], b.GFID[:]) })
	return r
}
