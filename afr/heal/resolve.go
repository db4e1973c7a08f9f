package heal

import (
	"context"
	"errors"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// How to choose a copy in a split-brain.
type How int

const (
	BiggerFile  How = iota // the file that is larger than all others
	LatestMtime            // the one whose data was changed after all others'
	SourceChild            // the one of Resolution.Child
)

// Resolution is what the user wants done about a split-brain.
type Resolution struct {
	How   How
	Child int
}

// What Resolve may find.
var (
	ErrNotSplit     = errors.New("File not in split-brain")
	ErrNoBigger     = errors.New("No bigger file")
	ErrNoLatest     = errors.New("No difference in mtime")
	ErrUseSource    = errors.New("Use source-brick option to heal metadata split-brain")
	ErrNoSuchSource = errors.New("the source brick does not have the file")
	// ErrAway: some brick could not be asked; perhaps it has the right copy.
	ErrAway = errors.New("all bricks of the replica set must be up")
)

// Resolve ends the split-brain of an inode, or of names in a directory (SourceChild), in
// favour of one copy, and heals it. The others' data is lost.
func (h *Healer) Resolve(ctx context.Context, g fop.GFID, how Resolution) error {
	c := h.look(ctx, h.newLock(g).everywhere(), g)
	if c.m.Replied != h.all() {
		return ErrAway
	}
	data := c.typ() == fop.TypeReg && c.m.Direct(changelog.Data, h.Quorum, h.stores()).Doubt == changelog.Split
	meta := c.m.Direct(changelog.Metadata, h.Quorum, h.all()).Doubt == changelog.Split
	entry := c.typ() == fop.TypeDir && c.m.Direct(changelog.Entry, h.Quorum, h.all()).Doubt == changelog.Split
	source, err := h.chosen(c, how)
	switch {
	case !data && !meta && !entry:
		return ErrNotSplit
	case !data && how.How != SourceChild:
		return ErrUseSource
	case err != nil:
		return err
	}
	o, err := h.inode(ctx, g, false, source)
	if err == nil && o.Kind > Healed {
		err = errors.New(o.Why)
	}
	return err
}

// chosen returns the child whose copy is wanted.
func (h *Healer) chosen(c *copies, how Resolution) (int, error) {
	if how.How == SourceChild {
		if !c.m.Replied.Has(how.Child) {
			return -1, ErrNoSuchSource
		}
		return how.Child, nil
	}
	j := &job{h: &Healer{Config: h.Config, children: h.children}}
	j.h.Policy = PolicySize
	none := ErrNoBigger
	if how.How == LatestMtime {
		j.h.Policy, none = PolicyMtime, ErrNoLatest
	}
	if i := lowest(j.favourite(c, c.m.Replied)); i >= 0 {
		return i, nil
	}
	return -1, none
}
