package changelog

import (
	"fmt"
	"strconv"
	"strings"
)

// QuorumType is option quorum-type.
type QuorumType int

const (
	QuorumNone  QuorumType = iota // one child is enough
	QuorumAuto                    // more than half; of an even number exactly half with the first
	QuorumFixed                   // Count
)

// Quorum is the rule that says which sets of children may act.
type Quorum struct {
	N     int
	Type  QuorumType
	Count int
}

// Met reports whether s may act.
func (q Quorum) Met(s Set) bool {
	n := s.Len()
	switch q.Type {
	case QuorumAuto:
		return 2*n > q.N || 2*n == q.N && s.Has(0)
	case QuorumFixed:
		return n >= q.Count
	}
	return n >= 1
}

// ParseQuorum reads options quorum-type and quorum-count of a set of n children. Without a type
// it is auto for three and more, else none.
func ParseQuorum(typ, count string, n int) (Quorum, error) {
	q := Quorum{N: n}
	if count != "" {
		c, err := strconv.ParseInt(strings.TrimSpace(count), 0, 32)
		if err != nil {
			return q, fmt.Errorf("invalid number format %q in option \"quorum-count\"", count)
		}
		q.Count = int(c)
	}
	switch {
	case typ == "none" || typ == "" && n < 3:
	case typ == "auto" || typ == "":
		q.Type = QuorumAuto
	case typ != "fixed":
		return q, fmt.Errorf("option quorum-type %s: '%s' is not valid (possible options are none, auto, fixed.)", typ, typ)
	case q.Count < 1 || q.Count > n:
		return q, fmt.Errorf("quorum-count %d is out of range [1 - %d]", q.Count, n)
	default:
		q.Type = QuorumFixed
	}
	return q, nil
}
