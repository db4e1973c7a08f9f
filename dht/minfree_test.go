package dht

import (
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
)

func TestFull(t *testing.T) {
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	disk := func(space, inodes uint64) *fop.StatfsReply { // free percentages
		return &fop.StatfsReply{Frsize: 1, Blocks: 1000, Bavail: space * 10, Files: 1000, Favail: inodes * 10}
	}
	for _, c := range []struct {
		opts xlator.Options
		disk *fop.StatfsReply
		want bool
	}{
		{nil, disk(11, 6), false},
		{nil, disk(9, 6), true},
		{nil, disk(11, 4), true},
		{nil, nil, false},
		{xlator.Options{"min-free-inodes": "30%"}, disk(50, 20), true},
		{xlator.Options{"min-free-inodes": "0"}, disk(50, 0), false},
		{xlator.Options{"min-free-disk": "60%"}, disk(50, 50), true},
		{xlator.Options{"min-free-disk": "600B"}, disk(50, 50), true},
		{xlator.Options{"min-free-disk": "400B"}, disk(50, 50), false},
	} {
		x, err := New(xlator.Env{}, c.opts, []xlator.Xlator{m})
		if err != nil {
			t.Fatal(err)
		}
		if got := x.(*distribute).full(c.disk); got != c.want {
			t.Errorf("%v: full(%+v) = %v, want %v", c.opts, c.disk, got, c.want)
		}
		x.Close()
	}
	for _, v := range []string{"x", "-1", "101%", "NaN"} {
		if _, err := New(xlator.Env{}, xlator.Options{"min-free-inodes": v}, []xlator.Xlator{m}); err == nil {
			t.Errorf("min-free-inodes %s was taken", v)
		}
	}
}
