package store

import "slices"

// ChangeBricks makes another list of bricks that of a volume: all changes of bricks after a
// volume's creation. It is refused if the bricks are not those any more that it was made for,
// so that nothing happens between looking and doing.
type ChangeBricks struct {
	Name    string   `json:"name"`
	ID      string   `json:"id"` // of the volume
	Before  []Brick  `json:"before"`
	After   []Brick  `json:"after"`
	Replica int      `json:"replica"`
	Arbiter int      `json:"arbiter"`
	Graph   uint64   `json:"graph"`
	Options []Option `json:"options,omitempty"` // to be set as well
}

func (s *State) changeBricks(c *ChangeBricks) (*State, error) {
	v, err := s.volume(c.Name)
	if err != nil {
		return nil, err
	}
	if v.ID != c.ID || !slices.Equal(v.Bricks, c.Before) {
		return nil, refuse("The bricks of volume %s were changed by another order meanwhile; look at volume info and try again", v.Name)
	}
	if c.Replica < 1 || len(c.After) == 0 || len(c.After)%c.Replica != 0 || c.Arbiter < 0 || c.Arbiter > 0 && c.Arbiter >= c.Replica || c.Graph < v.Graph {
		return nil, refuse("number of bricks is not a multiple of replica count")
	}
	for _, b := range c.After {
		if slices.Contains(v.Gone, b.ID) {
			return nil, refuse("brick-id %s was another brick's", b.ID)
		}
	}
	others := s.clone()
	delete(others.Volumes, v.Name)
	for i := range c.After {
		if err := others.checkPlace(c.After, i); err != nil {
			return nil, err
		}
	}
	return s.with(v, func(v *Volume) {
		v.Bricks, v.Replica, v.Arbiter, v.Graph = c.After, c.Replica, c.Arbiter, c.Graph
		v.Options = setOptions(v.Options, c.Options)
		v.Gone = slices.Clone(v.Gone)
		for _, b := range c.Before {
			if !slices.ContainsFunc(c.After, func(a Brick) bool { return a.ID == b.ID }) {
				v.Gone = append(v.Gone, b.ID)
			}
		}
	}), nil
}

// checkPlace refuses brick i of a volume if its node is none of the pool's, or if it would
// share its directory with a brick of s or an earlier one of the list.
func (s *State) checkPlace(bricks []Brick, i int) error {
	b := &bricks[i]
	if _, ok := s.Nodes[b.Node]; !ok {
		return refuse("Host %s is not in 'Peer in Cluster' state", b.Host)
	}
	taken := s.Overlap(b.Node, b.Path) != ""
	for _, c := range bricks[:i] {
		taken = taken || c.Node == b.Node && (within(b.Path, c.Path) || within(c.Path, b.Path))
		if c.ID == b.ID {
			return refuse("brick-id %s is used twice", b.ID)
		}
	}
	if taken {
		return refuse("Brick: %s:%s not available. Brick may be containing or be contained by an existing brick.", b.Host, b.Path)
	}
	return nil
}
