package layout

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHashVectors(t *testing.T) {
	for name, want := range map[string]uint32{
		"": 0x884774a2, "a": 0x3a17e4e6, "ab": 0xc3af40d9, "abc": 0xba8bd29a, "abcd": 0xd89627f6, "abcde": 0x0a45ccec,
		"abcdefgh": 0x63a1121e, "abcdefghijklmno": 0xb90b39b4, "abcdefghijklmnop": 0x5f7662ef, "abcdefghijklmnopq": 0xee27cbd1,
		strings.Repeat("x", 31): 0x9e618aa3, strings.Repeat("x", 32): 0xc87b8428, strings.Repeat("x", 33): 0x631cdf7a,
		strings.Repeat("x", 255): 0x8ca66f57, "README": 0xfb324164, "file1": 0xa787fa82, "/": 0x8619bd58, "/d1": 0x2514b7f2,
		"/d1/d2/d3": 0xc4da0280, "naïve.txt": 0xc83b3744, "é": 0x65cfcaa1, "日本語": 0xeecbaa7d, "abcdefghijklmnopü": 0xee8fca60,
	} {
		if got := Hash(name); got != want {
			t.Errorf("Hash(%q) = %08x, want %08x", name, got, want)
		}
	}
}

func TestMunge(t *testing.T) {
	m, err := NewMunger("", RsyncRegex)
	if err != nil {
		t.Fatal(err)
	}
	for name, as := range map[string]string{".hidden.txt.Ab3dEf": "hidden.txt", ".bashrc": ".bashrc", ".a.b": "a", ".ab": ".ab", "..": "..", ".a.": ".a.", "x.y.z": "x.y.z"} {
		if got, want := m.Hash(name), Hash(as); got != want {
			t.Errorf("%q hashes as %08x, want that of %q, %08x", name, got, as, want)
		}
	}
	off, err := NewMunger(`^(.+)~$`, "none")
	if err != nil {
		t.Fatal(err)
	}
	if off.Hash("f~") != Hash("f") || off.Hash(".a.b") != Hash(".a.b") {
		t.Error("extra-hash-regex or none is not honoured")
	}
	if _, err := NewMunger("(", ""); err == nil {
		t.Error("a broken expression was accepted")
	}
}

func shares(n int, chunks ...uint32) []Share {
	out := make([]Share, n)
	for i := range out {
		out[i] = Share{Name: fmt.Sprintf("v-client-%d", i), Able: true, Chunks: 1}
		if i < len(chunks) {
			out[i].Chunks = chunks[i]
		}
	}
	return out
}

func ranges(l Layout) string {
	var s []string
	for _, e := range l {
		s = append(s, fmt.Sprintf("%08x-%08x", e.Start, e.Stop))
	}
	return strings.Join(s, " ")
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name     string
		shares   []Share
		rotation string
		want     string
	}{
		{"root of three", shares(3), "/", "aaaaaaaa-ffffffff 00000000-55555554 55555555-aaaaaaa9"},
		{"/d1 of three", shares(3), "/d1", "55555555-aaaaaaa9 aaaaaaaa-ffffffff 00000000-55555554"},
		{"one", shares(1), "/", "00000000-ffffffff"},
	} {
		if got := ranges(New(c.shares, Hash(c.rotation), 0, 1)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	for want, rotation := range map[string]uint32{"00000000-cdc5abbd cdc5abbe-ffffffff": 0, "323a5440-ffffffff 00000000-323a543f": 1} {
		if got := ranges(New(shares(2, 8128, 1984), rotation, 0, 1)); got != want {
			t.Errorf("weighted, rotation %d: %s, want %s", rotation, got, want)
		}
	}
}

func TestClient10SortsBeforeClient2(t *testing.T) {
	s := shares(11)
	l := New(s, 0, 0, 1)
	if l[0].Start != 0 || l[1].Start >= l[10].Start || l[10].Start >= l[2].Start {
		t.Errorf("ranges are not dealt in the order of names: %s", ranges(l))
	}
}

func TestNewAlwaysTiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		s := make([]Share, n)
		able := false
		for i := range s {
			s[i] = Share{Name: fmt.Sprintf("v-client-%d", i), Able: rapid.Bool().Draw(t, "able"), Chunks: rapid.Uint32Range(1, 1<<20).Draw(t, "chunks")}
			able = able || s[i].Able
		}
		l := New(s, rapid.Uint32().Draw(t, "rotation"), rapid.IntRange(0, 5).Draw(t, "spread"), 0)
		if able != l.Whole() {
			t.Fatalf("able=%v, but Whole()=%v: %s", able, l.Whole(), ranges(l))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(Entry{1, 0, 5, 9}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := Parse(b); err == nil && !bytes.Equal(e.Bytes(), b) {
			t.Errorf("Parse(%x).Bytes() = %x", b, e.Bytes())
		}
	})
}
