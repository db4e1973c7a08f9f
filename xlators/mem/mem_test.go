package mem

import (
	"testing"

	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

func open(t *testing.T) xlator.Xlator {
	x, err := New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, open, xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL)
}

func TestLocks(t *testing.T) {
	xlatortest.RunLocks(t, func(t *testing.T) xlator.Xlator {
		l, err := locks.New(xlator.Env{}, nil, []xlator.Xlator{open(t)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}
