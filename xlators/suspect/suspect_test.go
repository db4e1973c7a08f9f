package suspect

import (
	"errors"
	"syscall"
	"testing"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

func over(t *testing.T, is bool, cleared func() error) *Suspect {
	t.Helper()
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Over(m, is, cleared)
}

func TestConformance(t *testing.T) {
	xlatortest.Run(t, func(t *testing.T) xlator.Xlator { return over(t, false, nil) }, xlatortest.DirectIO, xlatortest.HiddenNames, xlatortest.ACL)
}

func says(t *testing.T, s *Suspect) string {
	t.Helper()
	r, err := s.Getxattr(t.Context(), &fop.GetxattrReq{GFID: fop.RootGFID, Name: fop.SuspectXattr, Internal: true})
	if err != nil || len(r.Xattrs) != 1 {
		t.Fatalf("Getxattr = %v, %v", r, err)
	}
	return string(r.Xattrs[0].Value)
}

func clearIt(t *testing.T, s *Suspect, internal bool) error {
	t.Helper()
	_, err := s.Removexattr(t.Context(), &fop.RemovexattrReq{GFID: fop.RootGFID, Names: []string{fop.SuspectXattr}, Internal: internal})
	return err
}

func TestClear(t *testing.T) {
	times, fails := 0, true
	s := over(t, true, func() error {
		times++
		if fails {
			return syscall.EIO
		}
		return nil
	})
	if got := says(t, s); got != "1" {
		t.Errorf("a suspect brick says %s", got)
	}
	if err := clearIt(t, s, false); err == nil {
		t.Error("a user cleared it")
	}
	if err := clearIt(t, s, true); !errors.Is(err, syscall.EIO) || !s.Is() {
		t.Errorf("it could not be recorded: %v, suspect %v", err, s.Is())
	}
	fails = false
	for range 2 {
		if err := clearIt(t, s, true); err != nil || s.Is() || says(t, s) != "0" {
			t.Errorf("cleared: %v, suspect %v", err, s.Is())
		}
	}
	if times != 2 {
		t.Errorf("recorded %d times, want 2", times)
	}
}
