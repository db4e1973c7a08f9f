package index

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/gofs/gofs/xlators/fop"
)

// accused is which watched xattrs of an inode may not be zero: a bit for each of the keys that
// were seen, and somebody.
type accused uint16

const (
	// somebody: not known which, as of what was listed before this process began.
	somebody accused = 1 << mostKeys
	mostKeys         = 15
)

// accusations count the inodes by key. What is counted may be zero by now; what is not zero
// is counted. linkSet.mu guards it.
type accusations struct {
	keys   []string
	counts [mostKeys + 1]int // the last one is of somebody
}

// bit is that of a key.
func (a *accusations) bit(key string) accused {
	i := slices.Index(a.keys, key)
	switch {
	case i < 0 && len(a.keys) == mostKeys:
		return somebody
	case i < 0:
		i = len(a.keys)
		a.keys = append(a.keys, key)
	}
	return 1 << i
}

// accuse replaces what is known of g. The lock is held.
func (s *linkSet) accuse(g fop.GFID, now accused) {
	was := s.known[g]
	for d := was ^ now; d != 0; d &= d - 1 {
		i := bits.TrailingZeros16(uint16(d))
		if now&(1<<i) != 0 {
			s.counts[i]++
		} else {
			s.counts[i]--
		}
	}
	s.known[g] = now
}

// see enters watched xattrs of g, which are not zero, or, if sure, are what they are now. The
// lock is held.
func (s *linkSet) see(g fop.GFID, xs []fop.Xattr, sure bool) {
	now, ok := s.known[g]
	if !ok {
		return
	}
	for i := range xs {
		switch x := &xs[i]; {
		case !watched(x.Name, s.prefix):
		case !zero(x.Value) || sure && len(x.Value) != counterSize:
			now |= s.bit(x.Name)
		case sure:
			now &^= s.bit(x.Name) &^ somebody
		}
	}
	s.accuse(g, now)
}

// whom answers fop.AccusedXattr.
func (s *linkSet) whom() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.complete || s.counts[mostKeys] > 0 {
		return fop.AccusedAny
	}
	var some []string
	for i, k := range s.keys {
		if s.counts[i] > 0 {
			some = append(some, k)
		}
	}
	return strings.Join(some, ",")
}
