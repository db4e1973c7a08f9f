package changelog

import "github.com/gofs/gofs/xlators/fop"

// A Sight is what one copy of a directory has under a name; zero: nothing.
type Sight struct {
	GFID fop.GFID
	Type fop.FileType
}

type Ballot struct {
	N      int // of children
	Sights [MaxReplicas]Sight
	// Voters are the copies that are asked: the directory's sources, or all if there are
	// none (Merge).
	Voters Set
	Merge  bool
	// Lives tells on which children an inode exists, under whatever name.
	Lives func(fop.GFID) Set
	// Lost tells of a file that some child that stores data does not have any more, and that
	// no other has whole.
	Lost func(Sight) bool
}

// Truth is what a name is to refer to; the zero GFID: nothing. Torn: nobody can say,
// because copies have different inodes under it, and no majority.
type Truth struct {
	Sight
	From int // a child that has it
	Torn bool
}

// Judge decides about the name.
//
// The voters agree on all that was acknowledged. Where they differ a change was cut
// short, and either outcome is right, as long as no inode is lost and both names of a
// rename come to the same end: most votes win, of as many those of the first child; but
// a name is not taken from an inode that lives on none of the winners. A name that a voter
// does not have, of a file whose content is lost, goes: its removal was begun.
//
// When merging, acknowledged changes stand against each other: a name that somebody has
// stays, except that of a directory that lives elsewhere or a file whose content is lost,
// and different inodes under
// one name are left to the user unless more than half have the same.
func (b *Ballot) Judge() Truth {
	winner := b.winner()
	first := b.Sights[lowest(winner)]
	others := b.others(first.GFID)
	switch {
	case !b.Merge && len(others) == 0 && b.holders(first.GFID) != b.Voters && b.Lost(first):
		return Truth{}
	case len(others) == 0:
		return b.of(first)
	case b.Merge:
		return b.merge(first, others)
	case !first.GFID.IsZero():
		return b.of(first)
	}
	for _, o := range others {
		if b.Lives(o.GFID)&winner == 0 && !b.Lost(o) {
			return b.of(o)
		}
	}
	return Truth{}
}

// winner returns the voters that hold the opinion that wins.
func (b *Ballot) winner() (most Set) {
	for i := range b.Voters.Each {
		var same Set
		for j := range b.Voters.Each {
			if b.Sights[j].GFID == b.Sights[i].GFID {
				same |= Of(j)
			}
		}
		if same.Len() > most.Len() {
			most = same
		}
	}
	return most
}

// others returns the inodes that voters have under the name besides g.
func (b *Ballot) others(g fop.GFID) (out []Sight) {
	seen := map[fop.GFID]bool{g: true, {}: true}
	for i := range b.Voters.Each {
		if h := b.Sights[i].GFID; !seen[h] {
			seen[h] = true
			out = append(out, b.Sights[i])
		}
	}
	return out
}

func (b *Ballot) of(s Sight) Truth {
	if s.GFID.IsZero() {
		return Truth{}
	}
	for i := range b.Voters.Each {
		if b.Sights[i].GFID == s.GFID {
			return Truth{Sight: s, From: i}
		}
	}
	return Truth{}
}

// merge is Judge when all copies have missed changes.
func (b *Ballot) merge(first Sight, others []Sight) Truth {
	if first.GFID.IsZero() {
		first, others = others[0], others[1:]
	}
	if len(others) > 0 {
		return b.quorumOf()
	}
	with := b.holders(first.GFID)
	if with != b.Voters && b.Lost(first) {
		return Truth{}
	}
	if without := b.Voters &^ with; first.Type == fop.TypeDir && b.Lives(first.GFID)&without != 0 {
		// A directory has one name: that which more have, or the first.
		if without.Len() > with.Len() || without.Len() == with.Len() && lowest(without) < lowest(with) {
			return Truth{}
		}
	}
	return b.of(first)
}

// quorumOf returns what a quorum has, of different inodes under the name.
func (b *Ballot) quorumOf() Truth {
	for i := range b.Voters.Each {
		s := b.Sights[i]
		if !s.GFID.IsZero() && 2*b.holders(s.GFID).Len() > b.N {
			return b.of(s)
		}
	}
	return Truth{Torn: true}
}

// holders returns the voters that have g under the name.
func (b *Ballot) holders(g fop.GFID) (s Set) {
	for i := range b.Voters.Each {
		if b.Sights[i].GFID == g {
			s |= Of(i)
		}
	}
	return s
}

func lowest(s Set) int {
	for i := range s.Each {
		return i
	}
	return 0
}
