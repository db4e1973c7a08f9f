package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/gofs/gofs/protocol/mgmt"
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

// terminal returns both ends of a pseudo terminal: the user's and the program's.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// What is typed is edited, completed and recalled; answers are not remembered.
func TestPrompt(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	user, program := terminal(t)
	p := newPrompt(t.Context(), program, program, func(words []string, last string) []string {
		return complete(words, last, func() *cluster {
			return &cluster{volumes: []mgmt.Volume{{Name: "rep3"}, {Name: "rep4"}}}
		})
	})
	var shown bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&shown, user) // ends when the program's end is closed
	}()
	const up, left = "\x1b[A", "\x1b[D"
	for _, c := range []struct {
		keys, want string
		ask        bool
		err        error
	}{
		{"vol\tlist\r", "volume list", false, nil},
		{"vlume list" + strings.Repeat(left, 9) + "o\r", "volume list", false, nil},
		{"volume info r\t\t\x7fx\r", "volume info rex", false, nil}, // Tab adds ep, Backspace takes the p

		{"y\r", "y", true, nil},
		{up + "\r", "volume info rex", false, nil},
		{"pool list\n", "pool list", false, nil},
		{"\x04", "", false, io.EOF},
	} {
		// What is typed before the terminal is raw would be edited by the kernel.
		was, err := term.MakeRaw(int(program.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := user.WriteString(c.keys); err != nil {
			t.Fatal(err)
		}
		read := p.command
		if c.ask {
			read = func() (string, error) { return p.ask("Sure? (y/n) ") }
		}
		got, err := read()
		if got != c.want || err != c.err {
			t.Errorf("%q: read %q, %v, want %q, %v", c.keys, got, err, c.want, c.err)
		}
		if p.history.paused != c.ask {
			t.Errorf("%q: paused is %v", c.keys, p.history.paused)
		}
		term.Restore(int(program.Fd()), was)
	}
	program.Close()
	<-read
	for _, want := range []string{"gofs> ", "rep3  rep4", "Sure? (y/n) "} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("the terminal never showed %q:\n%q", want, shown.String())
		}
	}
}
