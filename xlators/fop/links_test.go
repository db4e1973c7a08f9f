package fop

import (
	"bytes"
	"slices"
	"testing"
)

func TestLinks(t *testing.T) {
	want := []Link{{RootGFID, "a"}, {NewGFID(), "ä b"}}
	got, err := ParseLinks(EncodeLinks(want))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ParseLinks(EncodeLinks(%v)) = %v, %v", want, got, err)
	}
}

func FuzzParseLinks(f *testing.F) {
	f.Add(EncodeLinks([]Link{{RootGFID, "a"}, {RootGFID, "b"}}))
	f.Add([]byte("0123456789abcdef../x\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ls, err := ParseLinks(b); err == nil && !bytes.Equal(EncodeLinks(ls), b) && len(b) > 0 {
			t.Errorf("%q parses to %v, which is written otherwise", b, ls)
		}
	})
}
