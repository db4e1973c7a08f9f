package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gofs/gofs/volfile/volgen"
)

func globalCommands() []command {
	return []command{
		{words: []string{"completion"}, pattern: "completion <bash|zsh|fish>", help: "print a script that completes gofs's words in that shell", local: true, run: (*cli).completion},
		{words: []string{"get-state"}, pattern: "get-state [<daemon>] [[odir </path/to/output/dir/>] [file <filename>]] [detail|volumeoptions]", help: "write what the daemon knows to a file on its machine", run: (*cli).getState},
		{words: []string{"global", "help"}, pattern: "global help", help: "list global commands", local: true, run: (*cli).globalHelp},
		{words: []string{"man"}, pattern: "man <DIRECTORY>", help: "write the manual pages into a directory", local: true, run: (*cli).man},
	}
}

func (c *cli) listHelp() {
	for _, l := range [][2]string{
		{"peer help", "display help for peer commands"},
		{"volume help", "display help for volume commands"},
		{"global help", "list global commands"},
	} {
		fmt.Fprintf(c.stdout, " %-25s- %s\n", l[0], l[1])
	}
	fmt.Fprintln(c.stdout)
}

func (c *cli) help(context.Context, []string) error {
	c.listHelp()
	fmt.Fprintln(c.stdout)
	return nil
}

func (c *cli) volumeHelp(context.Context, []string) error {
	c.helpOf("gofs volume commands", slices.Concat(volumeCommands(), brickCommands()))
	return nil
}

// globalHelp lists the commands that no other list has.
func (c *cli) globalHelp(context.Context, []string) error {
	var rest []command
	for _, cmd := range commands() {
		switch cmd.words[0] {
		case "help", "peer", "pool", "volume":
		default:
			rest = append(rest, cmd)
		}
	}
	c.helpOf("gofs global commands", rest)
	return nil
}

// helpOf lists commands under a title.
func (c *cli) helpOf(title string, cmds []command) {
	var lines []string
	for _, cmd := range cmds {
		for _, f := range cmd.forms() {
			lines = append(lines, f.pattern+" - "+f.help)
		}
	}
	slices.Sort(lines)
	fmt.Fprintf(c.stdout, "\n%s\n%s\n\n%s\n\n\n", title, strings.Repeat("=", len(title)), strings.Join(lines, "\n"))
}

// forms are all forms of a command; the last is the one that usage errors show.
func (cmd *command) forms() []form {
	return append(slices.Clone(cmd.more), form{cmd.pattern, cmd.help})
}

// setHelp describes the options that act.
func (c *cli) setHelp() {
	for _, h := range volgen.Helps() {
		fmt.Fprintf(c.stdout, "Option: %s\nDefault Value: %s\nDescription: %s\n\n", h.Key, h.Default, h.Text)
	}
}

// setHelpXML does so as XML, which GlusterFS puts into one line.
func (c *cli) setHelpXML() {
	fmt.Fprint(c.stdout, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<options>")
	for _, h := range volgen.Helps() {
		fmt.Fprintf(c.stdout, "<option><defaultValue>%s</defaultValue><description>%s</description><name>%s</name></option>",
			escape(h.Default), escape(h.Text), escape(h.Key))
	}
	fmt.Fprint(c.stdout, "</options>\n\n")
}
