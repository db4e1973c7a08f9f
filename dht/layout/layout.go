package layout

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Xattr names of distribution.
const (
	Xattr           = "trusted.glusterfs.dht"
	LinktoXattr     = "trusted.glusterfs.dht.linkto"     // value: subvolume name and a NUL
	MDSXattr        = "trusted.glusterfs.dht.mds"        // BE32, negative: attributes differ
	CommitHashXattr = "trusted.glusterfs.dht.commithash" // ASCII decimal and a NUL, on the root
)

// NoCommit is the commit hash that is never equal to a volume's: names may be anywhere.
const NoCommit = 1

// Hash types of a layout entry.
const (
	TypeDM     = 0 // normal
	TypeDMUser = 1 // set by the user; never rewritten
)

// An Entry is what one subvolume's copy of a directory says about its range: the value
// of trusted.glusterfs.dht, four BE32 words.
type Entry struct {
	Commit      uint32
	Type        uint32
	Start, Stop uint32 // inclusive; both 0: no range here
}

// InUse reports whether the entry has a range.
func (e Entry) InUse() bool { return e.Start != 0 || e.Stop != 0 }

// Bytes encodes e.
func (e Entry) Bytes() []byte {
	b := make([]byte, 16)
	for i, w := range []uint32{e.Commit, e.Type, e.Start, e.Stop} {
		binary.BigEndian.PutUint32(b[4*i:], w)
	}
	return b
}

// Parse decodes the xattr's value.
func Parse(b []byte) (Entry, error) {
	if len(b) != 16 {
		return Entry{}, fmt.Errorf("a layout has %d bytes, want 16", len(b))
	}
	e := Entry{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
	if e.Type > TypeDMUser {
		return Entry{}, fmt.Errorf("a layout has hash type %d, which is unknown", e.Type)
	}
	if e.Start > e.Stop {
		return Entry{}, fmt.Errorf("a layout's range %08x-%08x is backwards", e.Start, e.Stop)
	}
	return e, nil
}

// A Layout is a directory's ranges, one Entry for each subvolume in volfile order.
type Layout []Entry

// Search returns the subvolume that owns hash h, or -1 in a hole.
func (l Layout) Search(h uint32) int {
	for i, e := range l {
		if e.InUse() && e.Start <= h && h <= e.Stop {
			return i
		}
	}
	return -1
}

// Whole reports whether the ranges tile 0..ffffffff exactly.
func (l Layout) Whole() bool {
	used := slices.DeleteFunc(slices.Clone(l), func(e Entry) bool { return !e.InUse() })
	slices.SortFunc(used, func(a, b Entry) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	next := uint64(0)
	for _, e := range used {
		if uint64(e.Start) != next {
			return false
		}
		next = uint64(e.Stop) + 1
	}
	return next == 1<<32
}

// Commit returns the commit hash if all entries in use have the same, else NoCommit.
func (l Layout) Commit() uint32 {
	c, first := uint32(NoCommit), true
	for _, e := range l {
		if !e.InUse() {
			continue
		}
		if !first && e.Commit != c {
			return NoCommit
		}
		c, first = e.Commit, false
	}
	return c
}

// A Share is what a subvolume may get of a new layout.
type Share struct {
	Name   string // of the subvolume; ranges are dealt in the order of names
	Able   bool   // it is up and not being removed
	Chunks uint32 // its size in MiB; 0: not known, and then all get the same
}

// New deals ranges to shares for a directory whose path (or GFID) hashes to rotation.
// spread, if not 0, limits how many subvolumes take part.
func New(shares []Share, rotation uint32, spread int, commit uint32) Layout {
	n := len(shares)
	l := make(Layout, n)
	order := make([]int, n)
	able := 0
	for i := range shares {
		order[i] = i
		l[i].Commit = commit
		if shares[i].Able {
			able++
		}
	}
	if able == 0 {
		return l
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(shares[a].Name, shares[b].Name) })
	use := able
	if spread > 0 && spread < able {
		use = spread
	}
	first := int(rotation % uint32(n))
	order = append(order[first:], order[:first]...)
	weights, total := weigh(shares, order, use)
	chunk := float64(math.MaxUint32) / float64(total)
	start, used := uint32(0), 0
	for r := range n {
		i := order[r]
		if !shares[i].Able {
			continue
		}
		size := uint32(chunk * float64(weights[i]))
		l[i].Start, l[i].Stop = start, start+size-1
		if used++; used == use {
			l[i].Stop = math.MaxUint32
			break
		}
		start += size
	}
	return l
}

// weigh returns the weight of each share and their sum over the use able ones that get
// a range. (GlusterFS sums over the first by name instead, whatever the rotation; with
// fewer ranges than subvolumes and unequal sizes its ranges then overlap.)
func weigh(shares []Share, order []int, use int) ([]uint32, uint64) {
	weights := make([]uint32, len(shares))
	total, seen, known := uint64(0), 0, true
	for _, i := range order {
		if !shares[i].Able || seen == use {
			continue
		}
		seen++
		known = known && shares[i].Chunks != 0
		total += uint64(shares[i].Chunks)
	}
	for i := range shares {
		weights[i] = shares[i].Chunks
		if !known {
			weights[i] = 1
		}
	}
	if !known {
		total = uint64(use)
	}
	return weights, total
}
