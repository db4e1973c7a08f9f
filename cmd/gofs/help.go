package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gofs/gofs/volfile/volgen"
)

func (c *cli) listHelp() {
	fmt.Fprintf(c.stdout, " %-25s- %s\n\n", "volume help", "display help for volume commands")
}

func (c *cli) help(context.Context, []string) error {
	c.listHelp()
	fmt.Fprintln(c.stdout)
	return nil
}

func (c *cli) volumeHelp(context.Context, []string) error {
	var lines []string
	for _, cmd := range volumeCommands() {
		lines = append(lines, cmd.pattern+" - "+cmd.help)
	}
	slices.Sort(lines)
	const title = "gofs volume commands"
	fmt.Fprintf(c.stdout, "\n%s\n%s\n\n%s\n\n\n", title, strings.Repeat("=", len(title)), strings.Join(lines, "\n"))
	return nil
}

// setHelp describes the options that act.
func (c *cli) setHelp() {
	for _, h := range volgen.Helps() {
		fmt.Fprintf(c.stdout, "Option: %s\nDefault Value: %s\nDescription: %s\n\n", h.Key, h.Default, h.Text)
	}
}
