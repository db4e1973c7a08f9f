package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gofs/gofs/volfile/volgen"
)

func (c *cli) listHelp() {
	fmt.Fprintf(c.stdout, " %-25s- %s\n\n", "peer help", "display help for peer commands")
	fmt.Fprintf(c.stdout, " %-25s- %s\n\n", "volume help", "display help for volume commands")
}

func (c *cli) help(context.Context, []string) error {
	c.listHelp()
	fmt.Fprintln(c.stdout)
	return nil
}

func (c *cli) volumeHelp(context.Context, []string) error {
	c.helpOf("gofs volume commands", volumeCommands())
	return nil
}

// helpOf lists commands under a title.
func (c *cli) helpOf(title string, cmds []command) {
	var lines []string
	for _, cmd := range cmds {
		lines = append(lines, cmd.pattern+" - "+cmd.help)
	}
	slices.Sort(lines)
	fmt.Fprintf(c.stdout, "\n%s\n%s\n\n%s\n\n\n", title, strings.Repeat("=", len(title)), strings.Join(lines, "\n"))
}

// setHelp describes the options that act.
func (c *cli) setHelp() {
	for _, h := range volgen.Helps() {
		fmt.Fprintf(c.stdout, "Option: %s\nDefault Value: %s\nDescription: %s\n\n", h.Key, h.Default, h.Text)
	}
}
