package changelog

import (
	"testing"

	"github.com/gofs/gofs/xlators/fop"
)

func TestBallot(t *testing.T) {
	g, h := fop.GFID{1}, fop.GFID{2}
	file := func(g fop.GFID) Sight { return Sight{g, fop.TypeReg} }
	dir := func(g fop.GFID) Sight { return Sight{g, fop.TypeDir} }
	none := Sight{}
	for _, c := range []struct {
		what   string
		sights []Sight
		voters Set // 0: all
		merge  bool
		lives  map[fop.GFID]Set
		lost   fop.GFID
		want   fop.GFID
		torn   bool
	}{
		{what: "all agree", sights: []Sight{file(g), file(g), file(g)}, want: g},
		{what: "all agree that there is nothing", sights: []Sight{none, none, none}},
		{what: "sinks have no vote", sights: []Sight{none, none, file(g)}, voters: 0b011},
		{what: "a sink alone does not make a majority", sights: []Sight{file(h), file(g), file(g)}, voters: 0b001, want: h},
		{what: "a creation cut short stays, or its content would be lost", sights: []Sight{none, file(g), none}, want: g},
		{what: "a link cut short goes", sights: []Sight{none, file(g), none}, lives: map[fop.GFID]Set{g: 0b111}},
		{what: "an unlink cut short is undone", sights: []Sight{file(g), none, file(g)}, lives: map[fop.GFID]Set{g: 0b101}, want: g},
		{what: "a rename cut short, its old name, by the first of two", sights: []Sight{none, file(g)}, lives: map[fop.GFID]Set{g: 0b11}},
		{what: "a rename cut short, its new name, by the first of two", sights: []Sight{file(g), none}, lives: map[fop.GFID]Set{g: 0b11}, want: g},
		{what: "a replacement cut short", sights: []Sight{file(h), file(g), file(g)}, want: g},
		{what: "an unlink cut short goes on if the content went with it", sights: []Sight{none, file(g)}, lives: map[fop.GFID]Set{g: 0b10}, lost: g},
		{what: "the same, where more have the name", sights: []Sight{file(g), none, file(g)}, lives: map[fop.GFID]Set{g: 0b101}, lost: g},
		{what: "what all have stays, whatever its content", sights: []Sight{file(g), file(g)}, lives: map[fop.GFID]Set{g: 0b11}, lost: g, want: g},
		{what: "merging keeps names", sights: []Sight{none, file(g)}, merge: true, lives: map[fop.GFID]Set{g: 0b11}, want: g},
		{what: "merging does not keep a file whose content is lost", sights: []Sight{none, none, file(g)}, merge: true, lives: map[fop.GFID]Set{g: 0b100}, lost: g},
		{what: "merging leaves a directory where the first has it", sights: []Sight{none, dir(g)}, merge: true, lives: map[fop.GFID]Set{g: 0b11}},
		{what: "merging keeps a directory that nobody has elsewhere", sights: []Sight{none, dir(g)}, merge: true, lives: map[fop.GFID]Set{g: 0b10}, want: g},
		{what: "merging different inodes", sights: []Sight{file(g), file(h)}, merge: true, torn: true},
		{what: "merging different inodes, one has a majority", sights: []Sight{file(g), file(h), file(h)}, merge: true, want: h},
	} {
		b := Ballot{N: len(c.sights), Voters: c.voters, Merge: c.merge, Lives: func(g fop.GFID) Set { return c.lives[g] }, Lost: func(s Sight) bool { return !s.GFID.IsZero() && s.GFID == c.lost }}
		if b.Voters == 0 {
			b.Voters = All(b.N)
		}
		copy(b.Sights[:], c.sights)
		got := b.Judge()
		if got.GFID != c.want || got.Torn != c.torn {
			t.Errorf("%s: Judge() = %+v, want %v torn %v", c.what, got, c.want, c.torn)
		}
		if !got.GFID.IsZero() && b.Sights[got.From].GFID != got.GFID {
			t.Errorf("%s: child %d does not have it", c.what, got.From)
		}
	}
}
