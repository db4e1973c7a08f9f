package afr

import (
	"context"
	"testing"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// ejectable is a brick that can be given up and says whom it accuses.
type ejectable struct {
	xlator.Xlator
	accused string
	ejected chan struct{}
}

func (e *ejectable) Eject(string) { e.ejected <- struct{}{} }

func (e *ejectable) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name == fop.AccusedXattr {
		return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(e.accused)}}}, nil
	}
	return e.Xlator.Getxattr(ctx, q)
}

// A brick that keeps requests waiting is given up only if the others can do without it.
func TestSlowBrick(t *testing.T) {
	const first, second, third = "trusted.afr.v-client-0", "trusted.afr.v-client-1", "trusted.afr.v-client-2"
	three := []string{"", "", ""}
	cases := []struct {
		name    string
		slow    []int
		away    set
		quorum  string
		accused []string // by each brick
		want    string   // which bricks are given up
	}{
		{"one is slow", []int{1}, 0, "", three, "1"},
		{"one after the other is slow", []int{1, 2}, 0, "", three, "1"},
		{"another is away", []int{1}, changelog.Of(2), "", three, ""},
		{"another has to be healed", []int{1}, 0, "", []string{third, third, ""}, ""},
		{"another says so of itself", []int{1}, 0, "", []string{"", "", third}, ""},
		{"it has to be healed itself", []int{1}, 0, "", []string{second, "", second}, "1"},
		{"it and another have to be healed", []int{1}, 0, "", []string{second + "," + third, "", ""}, ""},
		{"one does not know who has to be healed", []int{1}, 0, "", []string{"", "", fop.AccusedAny}, ""},
		{"the first of two is left", []int{1}, 0, "auto", []string{"", ""}, "1"},
		{"the second of two is left", []int{0}, 0, "auto", []string{"", ""}, ""},
		{"each of two may go on alone", []int{1}, 0, "none", []string{"", first}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			opts := xlator.Options{}
			if c.quorum != "" {
				opts["quorum-type"] = c.quorum
			}
			r := newBricks(t, len(c.accused)).client(t, 1, opts).Xlator.(*replicate)
			var children []*ejectable
			for i := range r.children {
				e := &ejectable{r.children[i], c.accused[i], make(chan struct{}, 8)}
				children = append(children, e)
				r.children[i] = e
				if c.away.Has(i) {
					r.childEvent(i, xlator.Event{Kind: xlator.ChildDown})
				}
			}
			for _, i := range c.slow {
				r.childEvent(i, xlator.Event{Kind: xlator.ChildSlow, Reason: "test"})
				r.keeper.settleDown()
			}
			got := ""
			for i, e := range children {
				if len(e.ejected) > 0 {
					got += string(rune('0' + i))
				}
			}
			if got != c.want {
				t.Errorf("given up: %q, want %q", got, c.want)
			}
		})
	}
}
