package store

import (
	"errors"
	"fmt"
	"slices"
)

// A Command is one change of the state: a log entry. Exactly one field but ID is set.
type Command struct {
	// ID makes a command that is given again, because the answer to it was lost, the same
	// command: it is applied once. "": it is never given again.
	ID string `json:"id,omitempty"`

	SetNode      *Node         `json:"setNode,omitempty"`
	AddNode      *Node         `json:"addNode,omitempty"`
	RemoveNode   *RemoveNode   `json:"removeNode,omitempty"`
	SetGlobals   []Option      `json:"setGlobals,omitempty"`
	ResetGlobals []string      `json:"resetGlobals,omitempty"`
	CreateVolume *Volume       `json:"createVolume,omitempty"`
	StartVolume  *VolumeChange `json:"startVolume,omitempty"`
	StopVolume   *VolumeChange `json:"stopVolume,omitempty"`
	DeleteVolume *VolumeChange `json:"deleteVolume,omitempty"`
	SetOptions   *SetOptions   `json:"setOptions,omitempty"`
	ResetOptions *ResetOptions `json:"resetOptions,omitempty"`
	ChangeBricks *ChangeBricks `json:"changeBricks,omitempty"`
}

// RemoveNode takes a node out of the pool.
type RemoveNode struct {
	UUID string `json:"uuid"`
	Name string `json:"name"` // as the user called it, for refusals
}

// VolumeChange starts, stops or deletes a volume.
type VolumeChange struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty"` // already started (or stopped) is no error
}

// SetOptions sets options of a volume, in order.
type SetOptions struct {
	Name    string   `json:"name"`
	Options []Option `json:"options"`
}

// ResetOptions removes options of a volume that are set.
type ResetOptions struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"`
}

// A Refusal is the reason why a command does not fit the state, in GlusterFS's words.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return r.Text }

func refuse(format string, a ...any) error { return &Refusal{fmt.Sprintf(format, a...)} }

// NoVolume is the refusal for a volume that does not exist.
func NoVolume(name string) error { return refuse("Volume %s does not exist", name) }

// apply returns the state after c, or why c does not fit s.
func (s *State) apply(c *Command) (*State, error) {
	switch {
	case c.SetNode != nil:
		return s.setNode(c.SetNode)
	case c.AddNode != nil:
		return s.addNode(c.AddNode)
	case c.RemoveNode != nil:
		return s.removeNode(c.RemoveNode)
	case c.SetGlobals != nil:
		next := s.clone()
		next.Options = setOptions(s.Options, c.SetGlobals)
		return next, nil
	case c.ResetGlobals != nil:
		next := s.clone()
		next.Options = resetOptions(s.Options, c.ResetGlobals)
		return next, nil
	case c.CreateVolume != nil:
		return s.create(c.CreateVolume)
	case c.StartVolume != nil:
		return s.start(c.StartVolume)
	case c.StopVolume != nil:
		return s.stop(c.StopVolume)
	case c.DeleteVolume != nil:
		return s.remove(c.DeleteVolume)
	case c.SetOptions != nil:
		return s.setOptions(c.SetOptions)
	case c.ResetOptions != nil:
		return s.resetOptions(c.ResetOptions)
	case c.ChangeBricks != nil:
		return s.changeBricks(c.ChangeBricks)
	}
	return nil, errors.New("the log entry is of a newer version of gofs")
}

func (s *State) volume(name string) (*Volume, error) {
	if v := s.Volumes[name]; v != nil {
		return v, nil
	}
	return nil, NoVolume(name)
}

func (s *State) create(v *Volume) (*State, error) {
	if s.Volumes[v.Name] != nil {
		return nil, refuse("Volume %s already exists", v.Name)
	}
	if v.Replica < 1 || len(v.Bricks) == 0 || len(v.Bricks)%v.Replica != 0 || v.Arbiter < 0 || v.Arbiter >= v.Replica && v.Arbiter > 0 {
		return nil, refuse("number of bricks is not a multiple of replica count")
	}
	for i := range v.Bricks {
		if err := s.checkPlace(v.Bricks, i); err != nil {
			return nil, err
		}
	}
	next := s.clone()
	next.Volumes[v.Name] = v
	return next, nil
}

func (s *State) start(c *VolumeChange) (*State, error) {
	v, err := s.volume(c.Name)
	if err != nil {
		return nil, err
	}
	if v.Status == Started && !c.Force {
		return nil, refuse("Volume %s already started", v.Name)
	}
	return s.with(v, func(v *Volume) {
		v.Status = Started
		v.Bricks = slices.Clone(v.Bricks)
		for i := range v.Bricks {
			v.Bricks[i].Held = ""
		}
	}), nil
}

func (s *State) stop(c *VolumeChange) (*State, error) {
	v, err := s.volume(c.Name)
	if err != nil {
		return nil, err
	}
	if v.Status != Started && !c.Force {
		return nil, refuse("Volume %s is not in the started state", v.Name)
	}
	return s.with(v, func(v *Volume) { v.Status = Stopped }), nil
}

func (s *State) remove(c *VolumeChange) (*State, error) {
	v, err := s.volume(c.Name)
	if err != nil {
		return nil, err
	}
	if v.Status == Started {
		return nil, refuse("Volume %s has been started.Volume needs to be stopped before deletion.", v.Name)
	}
	next := s.clone()
	delete(next.Volumes, v.Name)
	return next, nil
}

func (s *State) setOptions(c *SetOptions) (*State, error) {
	v, err := s.volume(c.Name)
	if err != nil {
		return nil, err
	}
	return s.with(v, func(v *Volume) { v.Options = setOptions(v.Options, c.Options) }), nil
}

func (s *State) resetOptions(c *ResetOptions) (*State, error) {
	v, err := s.volume(c.Name)
	if err != nil {
		return nil, err
	}
	return s.with(v, func(v *Volume) { v.Options = resetOptions(v.Options, c.Keys) }), nil
}

// setOptions returns a copy of list in which the options are set, new ones first. An
// option that is set again keeps its place.
func setOptions(list, set []Option) []Option {
	list = slices.Clone(list)
	for _, o := range set {
		if i := slices.IndexFunc(list, func(p Option) bool { return p.Key == o.Key }); i >= 0 {
			list[i] = o
		} else {
			list = slices.Insert(list, 0, o)
		}
	}
	return list
}

// resetOptions returns a copy of list without keys.
func resetOptions(list []Option, keys []string) []Option {
	return slices.DeleteFunc(slices.Clone(list), func(o Option) bool { return slices.Contains(keys, o.Key) })
}
