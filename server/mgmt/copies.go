package mgmt

import (
	"context"
	"slices"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// checkCopies refuses if bricks that are to leave v, or to be emptied, may have the only good
// copy of something: if of an inode all other copies in its set are known to have missed
// changes. Who does not run now does not count as a copy.
func (d *Daemon) checkCopies(ctx context.Context, v *store.Volume, leaving []int) error {
	sets := map[int][]string{} // IDs of the bricks with data that stay, by set
	var stay []string
	for _, i := range leaving {
		sets[i/v.Replica] = nil
	}
	for i, b := range v.Bricks {
		if _, ok := sets[i/v.Replica]; ok && !slices.Contains(leaving, i) && !v.IsArbiter(i) {
			stay = append(stay, b.ID)
		}
	}
	q, err := ask(v.Name, "", mgmt.AskBlame, mgmt.BlameAsk{Bricks: stay})
	if err != nil {
		return err
	}
	answers := d.askBricks(ctx, v, q)
	reports := make([]*mgmt.BlameReport, len(answers))
	for i := range answers {
		a := &answers[i]
		if !a.Online {
			continue
		}
		if reports[i], err = decode[mgmt.BlameReport](a); err != nil {
			return mgmt.Errorf("Brick %s does not say what others have missed, so that it is not known whether a good copy is left: %v", a.Name(), err)
		}
		if slices.Contains(stay, a.ID) {
			sets[i/v.Replica] = append(sets[i/v.Replica], a.ID)
		}
	}
	for k, good := range sets {
		if len(good) == 0 {
			return mgmt.Errorf("No other brick of the same replica set that holds data is running: the only copy would go; start them first: gofs volume start %s force", v.Name)
		}
		if n, more := onlyCopies(reports[k*v.Replica:(k+1)*v.Replica], good); n > 0 || more {
			return mgmt.Errorf("The only good copy of %d or more files would go: what stays has missed changes of them; wait until they are healed: gofs volume heal %s info", max(n, 1), v.Name)
		}
	}
	return nil
}

// onlyCopies counts the inodes of which all good bricks are accused by somebody; more: there
// may be others.
func onlyCopies(reports []*mgmt.BlameReport, good []string) (n int, more bool) {
	accused := map[string]map[string]bool{} // by GFID, then brick
	for _, r := range reports {
		if r == nil {
			continue
		}
		more = more || r.More
		for _, in := range r.Inodes {
			if accused[in.GFID] == nil {
				accused[in.GFID] = map[string]bool{}
			}
			for _, id := range in.Bricks {
				accused[in.GFID][id] = true
			}
		}
	}
	for _, ids := range accused {
		if !slices.ContainsFunc(good, func(id string) bool { return !ids[id] }) {
			n++
		}
	}
	return n, more
}

// markMissed has the other bricks of the set of brick i record that i has nothing. all: each
// of them must; else those that run, and with i more than half of the set, one of which has
// data.
func (d *Daemon) markMissed(ctx context.Context, v *store.Volume, set []store.Brick, id string, all bool) error {
	marked, data := 0, false
	for _, b := range set {
		i := slices.IndexFunc(v.Bricks, func(c store.Brick) bool { return c.ID == b.ID })
		q, err := ask(v.Name, b.Host+":"+b.Path, mgmt.AskMissed, mgmt.MissedAsk{Brick: id})
		if err != nil {
			return err
		}
		for _, a := range d.askBricks(ctx, v, q) {
			switch {
			case a.Error == "":
				marked++
				data = data || !v.IsArbiter(i)
			case all && !a.Online:
				return mgmt.Errorf("Brick %s is down, changing replica count needs all the bricks to be up to avoid data loss", a.Name())
			case a.Online:
				return mgmt.Errorf("Brick %s does not record what the new brick misses: %s", a.Name(), a.Error)
			}
		}
	}
	if !data || 2*(marked+1) <= len(set)+1 {
		return mgmt.Errorf("Too few of the other bricks of the replica set run to record what the new brick misses; start them first: gofs volume start %s force", v.Name)
	}
	return nil
}
