package volfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const sample = `# a brick
volume v-posix
    type storage/posix
    option directory /bricks/b 1   # the rest of the line
    option note "a \"quoted\" # value"
end-volume

volume /bricks/b1
	type debug/io-stats
	subvolumes v-posix
end-volume
`

func TestParse(t *testing.T) {
	g, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	want := &Graph{Nodes: []*Node{
		{Name: "v-posix", Type: "storage/posix", Options: []Option{{"directory", "/bricks/b 1"}, {"note", `a "quoted" # value`}}, Line: 2},
		{Name: "/bricks/b1", Type: "debug/io-stats", Subvolumes: []string{"v-posix"}, Line: 8},
	}}
	if !reflect.DeepEqual(g, want) {
		t.Errorf("Parse = %+v, want %+v", g, want)
	}
	if g.Top().Name != "/bricks/b1" {
		t.Errorf("Top = %q, want /bricks/b1", g.Top().Name)
	}
}

func TestErrors(t *testing.T) {
	const ok = "volume a\ntype x/y\nend-volume\n"
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 1, "no volume is defined"},
		{"outside", "option a b", 1, `"option" outside of a volume`},
		{"no name", "volume", 1, "volume without a name"},
		{"two names", "volume a b", 1, `"b" after volume a`},
		{"no type", "volume a\nend-volume", 2, `volume "a" has no type`},
		{"bad type", "volume a\ntype posix", 2, "not of the form category/translator"},
		{"two types", "volume a\ntype x/y\ntype x/z", 3, "has two types"},
		{"no end", "volume a\ntype x/y", 2, "has no end-volume"},
		{"nested", "volume a\nvolume b", 2, `volume "a" begun at line 1 has no end-volume`},
		{"twice", ok + ok, 4, `volume "a" is defined twice`},
		{"unknown word", "volume a\nsubvolume b", 2, `unknown word "subvolume"`},
		{"no key", "volume a\noption", 2, "option without a key"},
		{"no value", "volume a\noption k # v", 2, "option k has no value"},
		{"same option", "volume a\noption k v\noption k v", 3, "option k is given twice"},
		{"open quote", "volume a\noption k \"v", 2, "the quoted value has no end"},
		{"after quote", "volume a\noption k \"v\" w", 2, `"w" after the quoted value`},
		{"backticks", "volume a\noption k `date`", 2, "shell substitution is not supported"},
		{"undefined", "volume a\ntype x/y\nsubvolumes b", 3, `subvolume "b" of "a" is not defined above it`},
		{"itself", "volume a\ntype x/y\nsubvolumes a", 3, "its own subvolume"},
		{"no subvolumes", "volume a\ntype x/y\nsubvolumes", 3, "are missing"},
		{"shared", ok + "volume b\ntype x/y\nsubvolumes a\nend-volume\nvolume c\ntype x/y\nsubvolumes a", 10, "already a subvolume since line 6"},
		{"two tops", ok + "volume b\ntype x/y\nend-volume\n", 1, `volume "a" is below nothing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.text)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Parse(%q) = %v, want an *Error", c.text, err)
			}
			if e.Line != c.line || !strings.Contains(e.Msg, c.want) {
				t.Errorf("Parse(%q) = %v, want line %d: ...%s...", c.text, err, c.line, c.want)
			}
		})
	}
}

func TestSet(t *testing.T) {
	n := &Node{}
	n.Set("a", "1")
	n.Set("b", "2")
	n.Set("a", "3")
	if want := []Option{{"a", "3"}, {"b", "2"}}; !reflect.DeepEqual(n.Options, want) {
		t.Errorf("Options = %v, want %v", n.Options, want)
	}
}

// FuzzParse: no text makes Parse panic, and what it accepts prints back to a text of
// the same meaning.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("volume a\ntype x/y\noption k \"\\n\\\\\"\nend-volume")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(g.String())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, g, err)
		}
		for _, h := range []*Graph{g, again} {
			for _, n := range h.Nodes {
				n.Line = 0
			}
		}
		if !reflect.DeepEqual(g, again) {
			t.Fatalf("%q printed as %q, which reads as %+v", text, g, again)
		}
	})
}
