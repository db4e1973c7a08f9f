package upcall

import (
	"slices"
	"time"

	"github.com/gofs/gofs/xlators/fop"
)

// anything is in place of an inode where a client relies on nothing being pending at all.
var anything = fop.GFID{0: 0xff, 15: 0xff}

// notes are who looked at the marks of what in the last seconds. A note is kept for
// fop.GlanceTime at least and twice that at most. The zero value is ready to use.
type notes struct {
	recent, older map[fop.GFID][]note // since turned, and of the time before
	turned        time.Time
}

// note is that a client looked, after so many blames.
type note struct {
	client uint64
	blames uint64
}

func (n *notes) add(g fop.GFID, client, blames uint64) {
	n.turn(time.Now())
	of := n.recent[g]
	if i := slices.IndexFunc(of, func(o note) bool { return o.client == client }); i >= 0 {
		of[i].blames = blames
		return
	}
	n.recent[g] = append(of, note{client, blames})
}

// turn forgets what is old.
func (n *notes) turn(now time.Time) {
	switch age := now.Sub(n.turned); {
	case n.recent == nil || age >= 2*fop.GlanceTime:
		n.recent, n.older = map[fop.GFID][]note{}, nil
	case age >= fop.GlanceTime:
		n.recent, n.older = map[fop.GFID][]note{}, n.recent
	default:
		return
	}
	n.turned = now
}

// clients lists who relies on what it saw of g, or on nothing being pending.
func (n *notes) clients(g fop.GFID) (out []uint64) {
	n.turn(time.Now())
	for _, of := range [][]note{n.recent[g], n.older[g], n.recent[anything], n.older[anything]} {
		for _, o := range of {
			if !slices.Contains(out, o.client) {
				out = append(out, o.client)
			}
		}
	}
	return out
}

// remove forgets a client's looks at g from before a blame.
func (n *notes) remove(g fop.GFID, client, blame uint64) {
	for _, m := range []map[fop.GFID][]note{n.recent, n.older} {
		if of := m[g]; of != nil {
			m[g] = slices.DeleteFunc(of, func(o note) bool { return o.client == client && o.blames < blame })
		}
	}
}
