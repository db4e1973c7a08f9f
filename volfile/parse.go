package volfile

import (
	"fmt"
	"strings"
)

// Parse reads a volfile. Any error is an *Error with the line it is about.
func Parse(text string) (*Graph, error) {
	if len(text) > MaxSize {
		return nil, &Error{1, fmt.Sprintf("larger than %d bytes", MaxSize)}
	}
	p := parser{g: &Graph{}, seen: map[string]bool{}, used: map[string]int{}}
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		p.line++
		if err := p.statement(strings.TrimSuffix(line, "\r")); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// parser holds the stanza being read.
type parser struct {
	g    *Graph
	cur  *Node // nil between stanzas
	line int
	seen map[string]bool // names of finished nodes
	used map[string]int  // names that are some node's subvolume, and the line
}

func (p *parser) errorf(format string, a ...any) error {
	return &Error{p.line, fmt.Sprintf(format, a...)}
}

// statement reads one line.
func (p *parser) statement(line string) error {
	word, rest := cutWord(line)
	if word == "" {
		return nil
	}
	if word == "volume" {
		return p.begin(rest)
	}
	if p.cur == nil {
		return p.errorf("%q outside of a volume; expected \"volume <name>\"", word)
	}
	switch word {
	case "type":
		return p.typ(rest)
	case "option":
		return p.option(rest)
	case "subvolumes":
		return p.subvolumes(rest)
	case "end-volume":
		return p.end(rest)
	}
	return p.errorf("unknown word %q in volume %q; expected type, option, subvolumes or end-volume", word, p.cur.Name)
}

func (p *parser) begin(rest string) error {
	if p.cur != nil {
		return p.errorf("volume %q begun at line %d has no end-volume", p.cur.Name, p.cur.Line)
	}
	name, err := p.oneWord("volume", rest)
	if err != nil {
		return err
	}
	if p.seen[name] {
		return p.errorf("volume %q is defined twice", name)
	}
	if len(p.g.Nodes) >= MaxNodes {
		return p.errorf("more than %d volumes", MaxNodes)
	}
	p.cur = &Node{Name: name, Line: p.line}
	return nil
}

func (p *parser) typ(rest string) error {
	t, err := p.oneWord("type", rest)
	if err != nil {
		return err
	}
	if p.cur.Type != "" {
		return p.errorf("volume %q has two types", p.cur.Name)
	}
	category, name, ok := strings.Cut(t, "/")
	if !ok || category == "" || name == "" || strings.Contains(name, "/") {
		return p.errorf("type %q is not of the form category/translator", t)
	}
	p.cur.Type = t
	return nil
}

func (p *parser) option(rest string) error {
	key, rest := cutWord(rest)
	if key == "" {
		return p.errorf("option without a key")
	}
	if !validWord(key) {
		return p.errorf("option key %q has a character that is not allowed", key)
	}
	if _, ok := p.cur.Get(key); ok {
		return p.errorf("option %s is given twice in volume %q", key, p.cur.Name)
	}
	value, err := p.value(key, rest)
	if err != nil {
		return err
	}
	p.cur.Options = append(p.cur.Options, Option{key, value})
	return nil
}

// value reads an option's value: quoted, or up to the end of the line or a comment.
func (p *parser) value(key, rest string) (string, error) {
	if strings.HasPrefix(rest, `"`) {
		v, after, err := unquote(rest)
		if err != "" {
			return "", p.errorf("option %s: %s", key, err)
		}
		if extra, _ := cutWord(after); extra != "" {
			return "", p.errorf("option %s: %q after the quoted value", key, extra)
		}
		return v, nil
	}
	v := stripComment(rest)
	if v == "" {
		return "", p.errorf("option %s has no value", key)
	}
	if strings.Contains(v, "`") {
		// GlusterFS runs what is between backticks; gofs executes nothing from a volfile.
		return "", p.errorf("option %s: shell substitution is not supported", key)
	}
	return v, nil
}

func (p *parser) subvolumes(rest string) error {
	if p.cur.Subvolumes != nil {
		return p.errorf("volume %q has two lists of subvolumes", p.cur.Name)
	}
	for {
		var name string
		name, rest = cutWord(rest)
		if name == "" {
			break
		}
		if name == p.cur.Name {
			return p.errorf("volume %q cannot be its own subvolume", name)
		}
		if !p.seen[name] {
			return p.errorf("subvolume %q of %q is not defined above it", name, p.cur.Name)
		}
		if at, ok := p.used[name]; ok {
			return p.errorf("volume %q is already a subvolume since line %d", name, at)
		}
		p.used[name] = p.line
		p.cur.Subvolumes = append(p.cur.Subvolumes, name)
	}
	if p.cur.Subvolumes == nil {
		return p.errorf("subvolumes of %q are missing", p.cur.Name)
	}
	return nil
}

func (p *parser) end(rest string) error {
	if extra, _ := cutWord(rest); extra != "" {
		return p.errorf("%q after end-volume", extra)
	}
	if p.cur.Type == "" {
		return p.errorf("volume %q has no type", p.cur.Name)
	}
	p.seen[p.cur.Name] = true
	p.g.Nodes = append(p.g.Nodes, p.cur)
	p.cur = nil
	return nil
}

// finish checks what only the whole text shows: that it is one tree.
func (p *parser) finish() (*Graph, error) {
	if p.cur != nil {
		return nil, p.errorf("volume %q begun at line %d has no end-volume", p.cur.Name, p.cur.Line)
	}
	top := p.g.Top()
	if top == nil {
		return nil, &Error{max(p.line, 1), "no volume is defined"}
	}
	for _, n := range p.g.Nodes {
		if _, ok := p.used[n.Name]; !ok && n != top {
			return nil, &Error{n.Line, fmt.Sprintf("volume %q is below nothing; only the last volume, %q, may be the top", n.Name, top.Name)}
		}
	}
	return p.g, nil
}

func (p *parser) oneWord(what, rest string) (string, error) {
	w, rest := cutWord(rest)
	if w == "" {
		return "", p.errorf("%s without a name", what)
	}
	if extra, _ := cutWord(rest); extra != "" {
		return "", p.errorf("%q after %s %s", extra, what, w)
	}
	if !validWord(w) {
		return "", p.errorf("%s %q has a character that is not allowed", what, w)
	}
	return w, nil
}

// validWord tells whether w, a name or key, prints back as one word.
func validWord(w string) bool {
	return !strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' || r == '`' })
}

// cutWord returns the first word of s and what follows it, without the blanks
// between. A comment is the end of s.
func cutWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t\r")
	if strings.HasPrefix(s, "#") {
		return "", ""
	}
	i := strings.IndexAny(s, " \t\r")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t\r")
}

// stripComment cuts s at a '#' that begins a word, and the blanks around the rest.
func stripComment(s string) string {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			s = s[:i]
			break
		}
	}
	return strings.Trim(s, " \t\r")
}

// unquote reads the quoted string that s begins with; problem is "" on success.
func unquote(s string) (value, rest, problem string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], ""
		case '\\':
			i++
			if i == len(s) {
				return "", "", "the quoted value has no end"
			}
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			default:
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", "the quoted value has no end"
}
