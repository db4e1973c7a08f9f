package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	h := openHistory(path)
	for _, l := range []string{"volume list", "volume list", " ", "pool list"} {
		h.Add(l)
	}
	h.paused = true
	h.Add("y")
	if h.Len() != 2 || h.At(0) != "pool list" || h.At(1) != "volume list" {
		t.Errorf("remembers %q", h.lines)
	}
	if again := openHistory(path); !slices.Equal(again.lines, h.lines) {
		t.Errorf("the next session knows %q, want %q", again.lines, h.lines)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", st, err)
	}
	if h := openHistory(""); h.Len() != 0 {
		t.Errorf("no file: %q", h.lines)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x\n", 2*maxHistory)), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := openHistory(path); h.Len() != maxHistory {
		t.Errorf("%d lines are kept, want %d", h.Len(), maxHistory)
	}
	if text, _ := os.ReadFile(path); strings.Count(string(text), "\n") != maxHistory {
		t.Error("the file was not cut")
	}
}

func FuzzParseHistory(f *testing.F) {
	f.Add("a\n\x1b[2J\nb\n\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, l := range parseHistory(text) {
			if l == "" || strings.ContainsAny(l, "\x1b\n\t") || !utf8.ValidString(l) {
				t.Errorf("line %q", l)
			}
		}
	})
}

func TestTab(t *testing.T) {
	p := &prompt{history: &history{}, complete: func(words []string, last string) []string {
		if len(words) == 2 && words[1] == "start" {
			return []string{"rep3", "rep4"}
		}
		return []string{"volume"}
	}}
	for _, c := range []struct {
		line string
		pos  int
		want string
	}{
		{"vol", 3, "volume "},
		{"vol list", 3, "volume  list"},
		{"volume start r", 14, "volume start rep"},
	} {
		got, pos, ok := p.key(c.line, c.pos, '\t')
		if !ok || got != c.want || pos > len(got) {
			t.Errorf("Tab in %q at %d = %q, %d, %v, want %q", c.line, c.pos, got, pos, ok, c.want)
		}
	}
	if _, _, ok := p.key("vol", 3, 'x'); ok {
		t.Error("another key than Tab was taken")
	}
}
