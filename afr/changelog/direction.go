package changelog

// A Direction says, for one class of one inode, whose copy is right.
type Direction struct {
	// Sources have all changes that were ever acknowledged. They may differ in changes
	// that were not, if Differ.
	Sources Set
	// Sinks are the others that replied.
	Sinks Set
	// Differ: some change was left unfinished, so that the sources must be compared.
	Differ bool
	// Doubt: there is no source. It is a split-brain if everybody replied; otherwise
	// somebody who is not there may be one.
	Doubt Doubt
}

// Doubt is why there is no source.
type Doubt int

const (
	Certain Doubt = iota
	Wait          // for children that did not reply
	Split         // all copies have missed changes
)

// Direct judges class k by what the children say. stores are those whose copy holds what
// the class is about (of data, all but the arbiter).
//
// A change is acknowledged only when all that missed it are blamed on a quorum of
// children. So who is accused by fewer, counting all that did not reply as accusers, has
// missed nothing that was acknowledged: the blame comes from changes that failed. Such
// children are sources when there is none without any blame.
//
// Marks that cannot be read say nothing. If those who have such marks, with those who did not
// reply, are a quorum, they may have acknowledged changes that all others missed.
func (m *Matrix) Direct(k Class, q Quorum, stores Set) Direction {
	src := m.Replied & stores &^ m.Accused(k)
	absent := All(m.N) &^ m.Replied
	unknowing, blind := m.unknowing(q)
	switch {
	case blind:
		src = 0
	case src == 0:
		for j := range (m.Replied & stores).Each {
			if m.Pending[j][j][k] == 0 && !q.Met(m.accusers(j, k)|unknowing&^Of(j)) {
				src |= Of(j)
			}
		}
	}
	d := Direction{Sources: src, Sinks: m.Replied &^ src}
	for i := range src.Each {
		d.Differ = d.Differ || m.Dirty[i][k] != 0
	}
	switch {
	case src != 0:
	case absent != 0:
		d.Doubt = Wait
	default:
		d.Doubt = Split
	}
	return d
}

func (m *Matrix) accusers(j int, k Class) (s Set) {
	for i := range m.Replied.Each {
		if m.Pending[i][j][k] != 0 {
			s |= Of(i)
		}
	}
	return s
}

// Marked reports whether anything is counted in class k.
func (m *Matrix) Marked(k Class) bool {
	for i := range m.Replied.Each {
		if m.Dirty[i][k] != 0 {
			return true
		}
		for j := range m.N {
			if m.Pending[i][j][k] != 0 {
				return true
			}
		}
	}
	return false
}

// Blamed reports whether anybody is accused in class k.
func (m *Matrix) Blamed(k Class) bool { return m.Accused(k) != 0 }

// Clean returns the children whose dirty count of class k is zero.
func (m *Matrix) Clean(k Class) (s Set) {
	for i := range m.Replied.Each {
		if m.Dirty[i][k] == 0 {
			s |= Of(i)
		}
	}
	return s
}
