package heal_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/faults"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/suspect"
)

// lostPower makes bricks suspect, and returns a file that was being changed on all.
func (r *rig) lostPower(which ...int) (dirty fop.GFID, suspects []*suspect.Suspect) {
	r.t.Helper()
	dirty = create(r.t, r.client, fop.RootGFID, "f", "content")
	r.unmount()
	mark := changelog.One(changelog.Data)
	for i, b := range r.bricks {
		if _, err := b.Xattrop(ctx, &fop.XattropReq{Req: req(), GFID: dirty, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: changelog.DirtyKey, Value: mark.Bytes()}}}); err != nil {
			r.t.Fatal(err)
		}
		s := suspect.Over(b, slices.Contains(which, i), func() error { return nil })
		suspects = append(suspects, s)
		r.bricks[i] = s
	}
	r.connectHealer(heal.PolicyNone)
	r.mount()
	return dirty, suspects
}

// blamed lists who is blamed on brick k for missed data of an inode.
func (r *rig) blamed(k int, g fop.GFID) (out []int) {
	r.t.Helper()
	x, err := r.bricks[k].Getxattr(ctx, &fop.GetxattrReq{Req: req(), GFID: g, Internal: true})
	if err != nil {
		r.t.Fatal(err)
	}
	for i, key := range r.keys() {
		v, _ := fop.XattrOf(x.Xattrs, changelog.KeyPrefix+key)
		if n, err := changelog.Parse(v); err != nil || n[changelog.Data] != 0 {
			out = append(out, i)
		}
	}
	return out
}

// Bricks that lost power together are let in together, by the healer of the first; who did not
// lose it blames them, and they do not blame each other.
func TestVouch(t *testing.T) {
	for _, c := range []struct {
		name    string
		lost    []int
		blaming [][]int // by brick
	}{
		{"one", []int{1}, [][]int{{1}, nil, {1}}},
		{"two", []int{0, 2}, [][]int{nil, {0, 2}, nil}},
		{"all", []int{0, 1, 2}, [][]int{nil, nil, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 3, false, nil)
			dirty, suspects := r.lostPower(c.lost...)
			for i := len(r.bricks) - 1; i >= 0; i-- {
				was, err := r.healer.Vouch(ctx, i)
				first := i == c.lost[0]
				if was != slices.Contains(c.lost, i) || (err != nil) != (was && !first) {
					t.Errorf("vouching for brick %d: %v, %v", i, was, err)
				}
				for _, k := range c.lost {
					if in := !suspects[k].Is(); in != (i <= c.lost[0]) {
						t.Errorf("after vouching for brick %d, brick %d is let in: %v", i, k, in)
					}
				}
			}
			for k := range r.bricks {
				if got := r.blamed(k, dirty); !slices.Equal(got, c.blaming[k]) {
					t.Errorf("brick %d blames %v, want %v", k, got, c.blaming[k])
				}
			}
			r.healAll()
			r.wantEqual()
		})
	}
}

// One who is away may be the only one to know what was lost.
func TestVouchNeedsAll(t *testing.T) {
	r := newRig(t, 3, false, nil)
	dirty, suspects := r.lostPower(1)
	r.hlinks[2].SetDown(true)
	if was, err := r.healer.Vouch(ctx, 1); !was || !errors.Is(err, syscall.ENOTCONN) || !suspects[1].Is() {
		t.Errorf("with one away: %v, %v; suspect %v", was, err, suspects[1].Is())
	}
	r.hlinks[2].SetDown(false)
	if was, err := r.healer.Vouch(ctx, 1); !was || err != nil || suspects[1].Is() {
		t.Errorf("with all there: %v, %v; suspect %v", was, err, suspects[1].Is())
	}
	if got := r.blamed(2, dirty); !slices.Equal(got, []int{1}) {
		t.Errorf("blamed are %v, want the brick that lost power", got)
	}
}

// Nobody is let in before the blame is durable.
func TestVouchIsDurable(t *testing.T) {
	r := newRig(t, 3, false, nil)
	_, suspects := r.lostPower(1)
	r.hlinks[2].SetRule(func(op fop.Fop, q any) faults.Action {
		if q, ok := q.(*fop.ReleaseReq); ok && q.Sync {
			return faults.Action{Err: syscall.EIO}
		}
		return faults.Action{}
	})
	if was, err := r.healer.Vouch(ctx, 1); !was || err == nil || !suspects[1].Is() {
		t.Errorf("where a witness cannot make its marks durable: %v, %v; suspect %v", was, err, suspects[1].Is())
	}
	r.hlinks[2].SetRule(nil)
	if was, err := r.healer.Vouch(ctx, 1); !was || err != nil || suspects[1].Is() {
		t.Errorf("where it can: %v, %v; suspect %v", was, err, suspects[1].Is())
	}
}
