package afr

import (
	"context"
	"testing"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// ejectable is a brick that can be given up and says how much there is to heal.
type ejectable struct {
	xlator.Xlator
	pending string
	ejected chan struct{}
}

func (e *ejectable) Eject(string) { e.ejected <- struct{}{} }

func (e *ejectable) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name == fop.PendingCountXattr {
		return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(e.pending)}}}, nil
	}
	return e.Xlator.Getxattr(ctx, q)
}

// A brick that keeps requests waiting is given up only if the others can do without it.
func TestSlowBrick(t *testing.T) {
	cases := []struct {
		name    string
		slow    []int
		away    set
		pending [3]string
		want    string // which bricks are given up
	}{
		{"one is slow", []int{1}, 0, [3]string{"0", "0", "0"}, "1"},
		{"one after the other is slow", []int{1, 2}, 0, [3]string{"0", "0", "0"}, "1"},
		{"another is away", []int{1}, changelog.Of(2), [3]string{"0", "0", "0"}, ""},
		{"another has to be healed", []int{1}, 0, [3]string{"3", "0", "0"}, ""},
		{"it has to be healed itself", []int{1}, 0, [3]string{"0", "4", "0"}, "1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newBricks(t, 3).client(t, 1, nil).Xlator.(*replicate)
			var children []*ejectable
			for i := range r.children {
				e := &ejectable{r.children[i], c.pending[i], make(chan struct{}, 8)}
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
