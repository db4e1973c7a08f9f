package store

import (
	"maps"
	"slices"
)

// addNode takes a node into the pool. One that was in it before begins a new life, by which
// nodes that have not heard of that know it from the one that was removed.
func (s *State) addNode(n *Node) (*State, error) {
	if _, ok := s.Nodes[n.UUID]; ok {
		return nil, refuse("Host %s is already in the peer list", n.Name())
	}
	for _, h := range n.Hosts {
		if other, ok := s.NodeCalled(h); ok {
			return nil, refuse("%s is already the name of node %s", h, other.UUID)
		}
	}
	next := s.clone()
	added := *n
	if life, ok := s.Removed[n.UUID]; ok {
		added.Life = max(n.Life, life+1)
		next.Removed = maps.Clone(s.Removed)
		delete(next.Removed, n.UUID)
	}
	next.Nodes[n.UUID] = added
	return next, nil
}

// setNode replaces what is known of a node of the pool.
func (s *State) setNode(n *Node) (*State, error) {
	for _, h := range n.Hosts {
		if other, ok := s.NodeCalled(h); ok && other.UUID != n.UUID {
			return nil, refuse("%s is already the name of node %s", h, other.UUID)
		}
	}
	next := s.clone()
	next.Nodes[n.UUID] = *n
	return next, nil
}

// removeNode takes a node that has no bricks out of the pool.
func (s *State) removeNode(c *RemoveNode) (*State, error) {
	if _, ok := s.Nodes[c.UUID]; !ok {
		return nil, refuse("%s is not part of cluster", c.Name)
	}
	if len(s.BricksOn(c.UUID)) > 0 {
		return nil, HostsBricks(c.Name)
	}
	next := s.clone()
	delete(next.Nodes, c.UUID)
	next.Removed = maps.Clone(s.Removed)
	if next.Removed == nil {
		next.Removed = map[string]int{}
	}
	next.Removed[c.UUID] = s.Nodes[c.UUID].Life
	return next, nil
}

// HostsBricks is the refusal to detach a node that has bricks.
func HostsBricks(name string) error {
	return refuse("Peer %s hosts one or more bricks. If the peer is in not recoverable state then use either replace-brick or remove-brick command with force to remove all bricks from the peer and attempt the peer detach again.", name)
}

// remember notes that the command with this ID has been applied.
func (s *State) remember(id string) {
	if id == "" {
		return
	}
	from := max(0, len(s.Recent)+1-recent)
	s.Recent = append(slices.Clone(s.Recent[from:]), id)
}
