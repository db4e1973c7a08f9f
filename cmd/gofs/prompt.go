package main

import (
	"context"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// promptText is before each command.
const promptText = "gofs> "

// prompt reads lines from a terminal: the arrows move and recall, Tab completes, Ctrl-C
// and Ctrl-D end. Commands are remembered in ~/.gofs_history; answers are not. The
// terminal is raw only while a line is read, so that commands are interrupted and print
// as usual.
type prompt struct {
	ctx      context.Context // its end ends the program
	in, out  *os.File
	term     *term.Terminal
	history  *history
	complete func(words []string, last string) []string
}

func newPrompt(ctx context.Context, in, out *os.File, complete func(words []string, last string) []string) *prompt {
	p := &prompt{ctx: ctx, in: in, out: out, complete: complete, history: openHistory(historyPath())}
	p.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, promptText)
	p.term.History = p.history
	p.term.AutoCompleteCallback = p.key
	return p
}

// command reads a command. At the end of the input the error is io.EOF.
func (p *prompt) command() (string, error) { return p.line(promptText, true) }

// ask reads the answer to a question.
func (p *prompt) ask(question string) (string, error) { return p.line(question, false) }

func (p *prompt) line(text string, isCommand bool) (string, error) {
	was, err := term.MakeRaw(int(p.in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(p.in.Fd()), was)
	defer context.AfterFunc(p.ctx, func() {
		term.Restore(int(p.in.Fd()), was)
		io.WriteString(p.out, "\n")
		os.Exit(interrupted)
	})()
	if width, height, err := term.GetSize(int(p.out.Fd())); err == nil && width > 0 {
		p.term.SetSize(width, height)
	}
	p.history.paused = !isCommand
	p.term.SetPrompt(text)
	line, err := p.term.ReadLine()
	if err == io.EOF {
		io.WriteString(p.out, "\r\n")
	}
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, err
}

// key completes the word before the cursor when Tab is pressed. If there are several
// ways to go on, it shows them.
func (p *prompt) key(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' || p.history.paused {
		return "", 0, false
	}
	before := line[:pos]
	words := strings.Fields(before)
	last := ""
	if len(words) > 0 && !strings.HasSuffix(before, " ") {
		words, last = words[:len(words)-1], words[len(words)-1]
	}
	found := p.complete(words, last)
	more := commonPrefix(found)
	if len(found) == 1 && !strings.HasSuffix(more, "=") {
		more += " "
	}
	if len(found) > 1 && more == last {
		io.WriteString(p.term, strings.Join(found, "  ")+"\n")
	}
	if len(more) <= len(last) {
		return line, pos, true
	}
	before = strings.TrimSuffix(before, last) + more
	return before + line[pos:], len(before), true
}

// commonPrefix is the longest string that all of list begin with.
func commonPrefix(list []string) string {
	if len(list) == 0 {
		return ""
	}
	p := list[0]
	for _, s := range list[1:] {
		for !strings.HasPrefix(s, p) {
			p = p[:len(p)-1]
		}
	}
	return p
}
