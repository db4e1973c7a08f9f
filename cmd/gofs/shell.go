package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// interrupted is the exit status when a signal ends the shell while it waits for a line: a
// read from a terminal cannot be cancelled.
const interrupted = 130

// shell reads commands, one per line, until quit, exit or the end of the input. The
// exit status is that of the last command. On a terminal lines can be edited, recalled
// and completed; see prompt.
func (c *cli) shell(ctx context.Context) int {
	fmt.Fprintln(c.stderr, "Welcome to gofs prompt, type 'help' to see the available commands.")
	read := func() (string, error) {
		defer context.AfterFunc(ctx, func() { os.Exit(interrupted) })()
		return c.stdin.ReadString('\n')
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		p := newPrompt(ctx, os.Stdin, os.Stdout, func(words []string, last string) []string {
			return complete(words, last, c.cluster(ctx))
		})
		read = p.command
		c.answer = p.ask
	}
	status := 0
	for ctx.Err() == nil {
		line, err := read()
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "quit" || words[0] == "exit":
			return status
		default:
			before := c.globals
			if rest, ended := c.optionsOf(words); ended >= 0 {
				status = ended
			} else if len(rest) > 0 {
				status = c.command(ctx, rest)
			}
			c.globals = before
		}
		if err != nil {
			return status
		}
	}
	return status
}

// optionsOf is options for one line of the shell: what the program was started with
// still holds.
func (c *cli) optionsOf(words []string) ([]string, int) {
	before := c.globals
	rest, status := c.options(words)
	c.globals.xml = c.globals.xml || before.xml
	c.globals.json = c.globals.json || before.json
	c.globals.script = c.globals.script || before.script
	c.globals.socket = before.socket
	if c.globals.remote == "" {
		c.globals.remote = before.remote
	}
	return rest, status
}
