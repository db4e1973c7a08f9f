package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile/volgen"
)

// completing is how long a completion may wait for the daemon.
const completing = time.Second

// cluster is what a completion needs to know of the present configuration.
type cluster struct {
	volumes []mgmt.Volume
	peers   []string // host names, without this node
}

// globalOptions may stand anywhere among the words.
var globalOptions = []string{"--help", "--json", "--mode=script", "--remote-host=", "--timeout=", "--version", "--xml"}

// runComplete prints, one per line, what the last of words can become: gofs __complete
// WORDS... is what the shells' scripts call.
func runComplete(ctx context.Context, words []string, out io.Writer) int {
	c := &cli{stdin: newLines(strings.NewReader("")), stdout: io.Discard, stderr: io.Discard}
	last := ""
	if len(words) > 0 {
		words, last = words[:len(words)-1], words[len(words)-1]
	}
	words, status := c.options(words)
	if status >= 0 {
		return 0
	}
	for _, s := range complete(words, last, c.cluster(ctx)) {
		fmt.Fprintln(out, s)
	}
	return 0
}

// cluster returns a function that asks the daemon, once. Whatever fails, or takes too
// long, leaves the names unknown.
func (c *cli) cluster(ctx context.Context) func() *cluster {
	return func() *cluster {
		ctx, cancel := context.WithTimeout(ctx, completing)
		defer cancel()
		k := &cluster{}
		asked := *c // another connection than that of a command that runs
		if asked.connect(ctx) != nil {
			return k
		}
		defer asked.conn.Close()
		k.volumes, _ = asked.conn.Info(ctx, "all")
		peers, _ := asked.conn.Pool(ctx)
		for _, p := range peers {
			if !p.Self {
				k.peers = append(k.peers, p.Host)
			}
		}
		return k
	}
}

// complete returns what last, the word after words, can become, sorted. ask is called at
// most once, when names are needed.
func complete(words []string, last string, ask func() *cluster) []string {
	var all []string
	if cmd, n, _ := lookup(commands(), words); cmd != nil {
		all = arguments(cmd, words[n:], ask)
	} else {
		all = nextWords(words)
	}
	if strings.HasPrefix(last, "-") {
		all = globalOptions
	}
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, last) })
	slices.Sort(all)
	return slices.Compact(all)
}

// nextWords are the words that can follow when no command is complete yet.
func nextWords(words []string) (out []string) {
	for _, cmd := range commands() {
		if len(cmd.words) <= len(words) {
			continue
		}
		fits := true
		for i, w := range words {
			fits = fits && strings.HasPrefix(cmd.words[i], w)
		}
		if fits {
			out = append(out, cmd.words[len(words)])
		}
	}
	return out
}

// arguments are the candidates for the argument after args of cmd.
func arguments(cmd *command, args []string, ask func() *cluster) []string {
	if strings.Join(cmd.words, " ") == "volume set" && len(args) > 0 {
		return optionArguments(args)
	}
	var out []string
	var known *cluster
	for _, f := range cmd.forms() {
		for _, t := range tokens(strings.TrimPrefix(f.pattern, strings.Join(cmd.words, " ")), len(args)) {
			if isKeyword(t) {
				if !slices.Contains(args, t) {
					out = append(out, t)
				}
				continue
			}
			if known == nil && !isOption(t) {
				known = ask()
			}
			out = append(out, names(t, args, known)...)
		}
	}
	return out
}

// names are the candidates for a placeholder of a pattern.
func names(placeholder string, args []string, known *cluster) (out []string) {
	switch placeholder {
	case "VOLNAME":
		for _, v := range known.volumes {
			out = append(out, v.Name)
		}
	case "HOSTNAME", "IP-address":
		out = known.peers
	case "BRICK", "SOURCE-BRICK", "brick", "HOSTNAME:BRICKNAME":
		for _, v := range known.volumes {
			for _, b := range v.Bricks {
				if slices.Contains(args, v.Name) {
					out = append(out, b.Host+":"+b.Path)
				}
			}
		}
	case "key", "option":
		out = volgen.Keys()
	}
	return out
}

// isOption tells whether a placeholder is for an option of a volume.
func isOption(placeholder string) bool { return placeholder == "key" || placeholder == "option" }

// optionArguments are the candidates after args of volume set.
func optionArguments(args []string) []string {
	switch {
	case len(args) == 2 && args[1] == "group":
		return volgen.Groups()
	case len(args)%2 == 0:
		return volgen.Values(args[len(args)-1])
	case len(args) == 1:
		return append(volgen.Settable(), "group")
	}
	return volgen.Settable()
}
