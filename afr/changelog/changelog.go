// Package changelog is the pure part of replication: the pending counters that
// bricks keep about each other, who is accused by them, and whether a set of bricks
// is a quorum. No I/O, no clock, no logger.
package changelog

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Class is the kind of change that a counter counts.
type Class int

const (
	Data     Class = 0
	Metadata Class = 1
	Entry    Class = 2
	classes        = 3
)

func (c Class) String() string { return [classes]string{"data", "metadata", "entry"}[c] }

// DirtyKey is the xattr that says an operation may be in flight on this very copy.
const DirtyKey = "trusted.afr.dirty"

// KeyPrefix begins the name of each pending xattr; the rest is a pending name
// (<volume>-client-<N>, the accused brick's brick-id).
const KeyPrefix = "trusted.afr."

// Counters is the value of trusted.afr.*: three BE32 counters, data, metadata, entry.
type Counters [classes]uint32

// Size of encoded Counters.
const Size = 4 * classes

// Parse decodes b; a missing xattr (nil) is all zero.
func Parse(b []byte) (Counters, error) {
	var c Counters
	if b == nil {
		return c, nil
	}
	if len(b) != Size {
		return c, fmt.Errorf("pending counters have %d bytes, want %d", len(b), Size)
	}
	for i := range c {
		c[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return c, nil
}

// Bytes encodes c.
func (c Counters) Bytes() []byte {
	b := make([]byte, Size)
	for i, v := range c {
		binary.BigEndian.PutUint32(b[4*i:], v)
	}
	return b
}

// Negated returns -c, as an xattrop that takes c back adds it.
func (c Counters) Negated() Counters {
	for i := range c {
		c[i] = Back(c[i])
	}
	return c
}

// Back is what to add to take back n, or, of absurdly many, as many as can be taken back at
// once (fop.Sum32).
func Back(n uint32) uint32 { return -min(n, 1<<31) }

// IsZero reports whether nothing is counted.
func (c Counters) IsZero() bool { return c == Counters{} }

// One returns counters with 1 for each class given.
func One(cs ...Class) Counters {
	var c Counters
	for _, k := range cs {
		c[k] = 1
	}
	return c
}

// MaxReplicas is the largest replica set.
const MaxReplicas = 16

// Set is a set of children of a replica set, as bits.
type Set uint16

// All returns the first n children.
func All(n int) Set { return Set(1)<<n - 1 }

// Of returns the set of one child.
func Of(i int) Set { return 1 << i }

// Has reports whether child i is in s.
func (s Set) Has(i int) bool { return s>>i&1 != 0 }

// Len counts the children in s.
func (s Set) Len() int { return bits.OnesCount16(uint16(s)) }

// Each returns the children in s, lowest first.
func (s Set) Each(yield func(int) bool) {
	for ; s != 0; s &= s - 1 {
		if !yield(bits.TrailingZeros16(uint16(s))) {
			return
		}
	}
}

func (s Set) String() string { return fmt.Sprintf("%b", uint16(s)) }

// A Matrix holds what each child of a replica set says about one inode.
type Matrix struct {
	N       int
	Quorum  Quorum                             // by which changes are acknowledged; its zero value: by any child
	Stores  Set                                // children that hold data; none given: all
	Replied Set                                // children whose row is known
	Pending [MaxReplicas][MaxReplicas]Counters // Pending[i][j]: i says that j missed changes
	Dirty   [MaxReplicas]Counters
	// Unread are those of Replied whose marks cannot be read. What they had to say nobody
	// knows; they count as accusing themselves.
	Unread Set
}

// Enter enters what child i says; value returns an xattr of its copy, if there is one,
// and pending is the key against each child. The error tells what could not be read.
func (m *Matrix) Enter(i int, pending []string, value func(key string) ([]byte, bool)) error {
	m.Replied |= Of(i)
	var err error
	parse := func(key string) Counters {
		v, there := value(key)
		if there && v == nil {
			v = []byte{}
		}
		c, e := Parse(v)
		if e != nil {
			err = fmt.Errorf("%s: %w", key, e)
		}
		return c
	}
	for j, key := range pending {
		m.Pending[i][j] = parse(key)
	}
	m.Dirty[i] = parse(DirtyKey)
	if err != nil {
		m.Unread |= Of(i)
		m.Pending[i] = [MaxReplicas]Counters{}
		m.Pending[i][i] = One(Data, Metadata, Entry)
	}
	return err
}

// unknowing returns the children that do not say whom they accuse. If others cannot be
// relied on for what these know, blind.
func (m *Matrix) unknowing(q Quorum) (s Set, blind bool) {
	s = All(m.N)&^m.Replied | m.Unread
	return s, m.Unread != 0 && q.Met(s)
}

// Accused returns the children that some child that replied accuses of having missed
// changes of class k. One that accuses itself is a copy that the healer has begun and
// not finished.
func (m *Matrix) Accused(k Class) Set {
	var bad Set
	for i := range m.Replied.Each {
		for j := range m.N {
			if m.Pending[i][j][k] != 0 {
				bad |= Of(j)
			}
		}
	}
	return bad
}

// Readable returns the children whose copy may be read for class k: those that nobody
// accuses, or, if there are none, those that Direct calls sources all the same. Empty
// although somebody replied: split-brain, or who has the right copy did not reply. Names
// are not thrown away in a split-brain, so that everybody's may be read then.
func (m *Matrix) Readable(k Class) Set {
	stores := All(m.N)
	if k == Data && m.Stores != 0 {
		stores = m.Stores
	}
	good := m.Replied &^ m.Accused(k)
	if _, blind := m.unknowing(m.Quorum); blind {
		good = 0
	}
	if good&stores != 0 {
		return good
	}
	d := m.Direct(k, m.Quorum, stores)
	if d.Doubt == Split && k == Entry {
		return m.Replied
	}
	return good | d.Sources
}
