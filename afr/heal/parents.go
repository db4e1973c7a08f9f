package heal

import (
	"context"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// askParents has the directories healed that name an inode which some copies lack, and that
// nobody is blamed for: the inode went behind the bricks' backs, or has another GFID there. Who
// is right about the name is then found out as for any name that was missed.
func (h *Healer) askParents(ctx context.Context, g fop.GFID, c *copies) {
	n := &nameHeal{dirHeal: &dirHeal{job: &job{h: h}}}
	for i := range c.m.Replied.Each {
		for _, at := range n.linksOn(ctx, i, g) {
			p := h.look(ctx, h.newLock(g).everywhere(), at.Parent)
			holders := p.m.Replied & c.m.Replied
			if p.broken != "" || p.m.Marked(changelog.Entry) || p.m.Marked(changelog.Data) || !h.Quorum.Met(holders) {
				continue
			}
			q := &fop.XattropReq{Req: fop.Req{Caller: caller()}, GFID: at.Parent, Op: fop.XattropAdd32, EntryCreate: []string{at.Name}}
			for j := range (c.missing & p.m.Replied).Each {
				q.Deltas = append(q.Deltas, fop.Xattr{Name: h.Keys[j], Value: changelog.One(changelog.Entry).Bytes()})
			}
			if len(q.Deltas) == 0 {
				continue
			}
			h.Log.Error("healing: a name refers to something else on a brick, although nobody is blamed for its directory",
				"gfid", g, "parent", at.Parent, "name", at.Name, "children", c.missing)
			xlator.Wind(ctx, h.some(holders), xlator.Xlator.Xattrop, q) // else the next crawl sees it
		}
	}
}
