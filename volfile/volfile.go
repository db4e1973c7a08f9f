// Package volfile reads and writes GlusterFS's volfile syntax: the text that says
// which translators a process runs, with which options, on top of which.
//
// A volfile is a list of stanzas, bottom-up; the last one is the top of the graph:
//
//	volume <name>
//	    type <category/xlator>
//	    option <key> <value up to the end of the line, or "quoted">
//	    subvolumes <name> [<name> ...]
//	end-volume
//
// The package is pure text: it knows no translator and imports nothing of gofs.
// FORMAT.md is the specification.
package volfile

import (
	"fmt"
	"strings"
)

// Limits of a volfile; a text beyond them is refused before anything is built.
const (
	MaxSize  = 8 << 20 // bytes of text
	MaxNodes = 1 << 16 // stanzas
)

// A Graph is a parsed volfile.
type Graph struct {
	// Nodes in the order of the text: every node comes after its subvolumes.
	Nodes []*Node
}

// A Node is one stanza.
type Node struct {
	Name       string
	Type       string   // "category/xlator"
	Options    []Option // in the order of the text; keys are unique
	Subvolumes []string // names of earlier nodes
	Line       int      // where the stanza began; 0 if it was not parsed
}

// An Option is one option of a Node.
type Option struct{ Key, Value string }

// Error tells what is wrong with a volfile and where.
type Error struct {
	Line int // from 1
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("volfile line %d: %s", e.Line, e.Msg) }

// Top returns the last node, the top of the graph; nil for an empty Graph.
func (g *Graph) Top() *Node {
	if len(g.Nodes) == 0 {
		return nil
	}
	return g.Nodes[len(g.Nodes)-1]
}

// Find returns the node called name, or nil.
func (g *Graph) Find(name string) *Node {
	for _, n := range g.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Add appends n on top. It does not check n: String's text of a bad graph does not
// parse again.
func (g *Graph) Add(n *Node) *Node {
	g.Nodes = append(g.Nodes, n)
	return n
}

// Get returns the value of option key and whether the node has it.
func (n *Node) Get(key string) (string, bool) {
	for _, o := range n.Options {
		if o.Key == key {
			return o.Value, true
		}
	}
	return "", false
}

// Set sets option key, in its old place if the node has it already.
func (n *Node) Set(key, value string) {
	for i := range n.Options {
		if n.Options[i].Key == key {
			n.Options[i].Value = value
			return
		}
	}
	n.Options = append(n.Options, Option{key, value})
}

// String prints the graph in the form that Parse reads and GlusterFS writes.
func (g *Graph) String() string {
	var b strings.Builder
	for i, n := range g.Nodes {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "volume %s\n    type %s\n", n.Name, n.Type)
		for _, o := range n.Options {
			fmt.Fprintf(&b, "    option %s %s\n", o.Key, quote(o.Value))
		}
		if len(n.Subvolumes) > 0 {
			fmt.Fprintf(&b, "    subvolumes %s\n", strings.Join(n.Subvolumes, " "))
		}
		b.WriteString("end-volume\n")
	}
	return b.String()
}

// quote returns v as it is if it reads back unchanged, else in double quotes.
func quote(v string) string {
	plain := v != "" && !strings.ContainsFunc(v, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '#' || r == '\\' || r == '`' || r == 0x7f || r == 0x85 || r == 0xa0
	})
	if plain {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(v) + `"`
}
