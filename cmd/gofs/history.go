package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxHistory is how many commands are remembered.
const maxHistory = 1000

// history is the commands of this and earlier sessions, in a file with one per line. It
// implements term.History.
type history struct {
	path   string   // "": not kept
	lines  []string // oldest first
	paused bool     // what is read is no command
}

// historyPath is ~/.gofs_history, or "" for a user without a home.
func historyPath() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".gofs_history")
}

// openHistory reads what is remembered. A file that cannot be read is an empty one: a
// prompt without memory is better than none.
func openHistory(path string) *history {
	h := &history{path: path}
	if text, err := os.ReadFile(path); err == nil {
		h.lines = parseHistory(string(text))
	}
	if len(h.lines) == maxHistory { // perhaps more: leave these
		os.WriteFile(path, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
	}
	return h
}

// parseHistory returns the newest lines of the file that can be shown.
func parseHistory(text string) []string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool {
		return l == "" || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
	})
	return lines[max(0, len(lines)-maxHistory):]
}

// Add remembers a command, unless it is the same as the one before.
func (h *history) Add(line string) {
	line = strings.TrimSpace(line)
	if h.paused || line == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > maxHistory {
		h.lines = h.lines[1:]
	}
	if h.path == "" {
		return
	}
	if f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.WriteString(line + "\n")
		f.Close()
	}
}

// Len returns the number of commands.
func (h *history) Len() int { return len(h.lines) }

// At returns a command; 0 is the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
