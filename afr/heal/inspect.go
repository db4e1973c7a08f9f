package heal

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// Condition is how it stands with one class of an inode; of several, the greatest counts.
type Condition int

const (
	Clean    Condition = iota
	Changing           // a client is at work on it, or it is being healed
	Needs              // it needs healing
	Split              // split-brain
)

// State is how it stands with an inode.
type State struct {
	Data, Metadata, Entry Condition
	Type                  fop.FileType // TypeUnknown: no child has it
	// Gone: all children that were reached say that there is no such inode.
	Gone bool
}

// Worst is the condition of the class that is worst.
func (s State) Worst() Condition { return max(s.Data, s.Metadata, s.Entry) }

// Inspect looks at an inode without locking it. ENOTCONN: no child could be reached.
// What it says may be over when it returns.
func (h *Healer) Inspect(ctx context.Context, g fop.GFID) (State, error) {
	c := h.look(ctx, h.newLock(g).everywhere(), g)
	if c.m.Replied == 0 {
		if c.missing != 0 {
			return State{Gone: true}, nil
		}
		return State{}, errDown
	}
	s := State{Type: c.typ()}
	active := c.marks() > 0 && h.atWork(ctx, g)
	s.Metadata = h.condition(c, changelog.Metadata, h.all(), active)
	if s.Type == fop.TypeDir {
		s.Entry = max(h.condition(c, changelog.Entry, h.all(), active), h.condition(c, changelog.Data, h.all(), active))
		if s.Entry == Split { // names are merged; one that is torn shows in healing
			s.Entry = Needs
		}
		return s, nil
	}
	s.Data = h.condition(c, changelog.Data, h.stores(), active)
	if !c.oneType() {
		s.Metadata = Split
	}
	return s, nil
}

func (h *Healer) condition(c *copies, k changelog.Class, stores set, active bool) Condition {
	switch d := c.m.Direct(k, h.Quorum, stores); {
	case !c.m.Marked(k):
		return Clean
	case active:
		return Changing
	case d.Doubt == changelog.Split && !h.allEmpty(c, k):
		return Split
	}
	return Needs
}

// allEmpty reports whether copies that accuse one another are all the same because there
// is nothing in them.
func (h *Healer) allEmpty(c *copies, k changelog.Class) bool {
	for i := range (c.m.Replied & h.stores()).Each {
		if k != changelog.Data || c.iatt[i].Size != 0 {
			return false
		}
	}
	return true
}

// Torn returns the names of a directory under which copies have different inodes, of
// which no majority has the same: those that healing leaves to the user.
func (h *Healer) Torn(ctx context.Context, g fop.GFID) (names []string, err error) {
	l := h.newLock(g).everywhere()
	c := h.look(ctx, l, g)
	if c.typ() != fop.TypeDir || c.m.Direct(changelog.Entry, h.Quorum, h.all()).Doubt != changelog.Split {
		return nil, nil
	}
	has := map[string][]fop.GFID{}
	for i := range c.m.Replied.Each {
		err := h.list(ctx, i, l.req(i), g, func(es []fop.Dirent) error {
			for k := range es {
				has[es[k].Name] = append(has[es[k].Name], es[k].Iatt.GFID)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for n, gs := range has {
		if torn(gs, len(h.children)) {
			names = append(names, n)
		}
	}
	return names, nil
}

// torn reports whether GFIDs differ, and none is more than half of n.
func torn(gs []fop.GFID, n int) bool {
	votes, most := map[fop.GFID]int{}, 0
	for _, g := range gs {
		votes[g]++
		most = max(most, votes[g])
	}
	return len(votes) > 1 && 2*most <= n
}
