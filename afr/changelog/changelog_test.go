package changelog

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTranscript replays testdata/matrix.txt: each case gives, per child, what it says
// ("A: B=1,0,0 dirty=1,0,0"), and the verdict for each class.
func TestTranscript(t *testing.T) {
	f, err := os.Open("testdata/matrix.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var m Matrix
	name := ""
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "case "):
			name, m = text[5:], Matrix{}
			fmt.Sscanf(name[strings.Index(name, "n=")+2:], "%d", &m.N)
		case strings.HasPrefix(text, "readable "):
			var class, want string
			fmt.Sscanf(text, "readable %s %s", &class, &want)
			for k := Data; k <= Entry; k++ {
				if k.String() == class {
					if got := letters(m.Readable(k)); got != want {
						t.Errorf("line %d, %s: Readable(%s) = %s, want %s", line, name, class, got, want)
					}
				}
			}
		default:
			parseRow(t, line, &m, text)
		}
	}
}

func parseRow(t *testing.T, line int, m *Matrix, text string) {
	who, what, _ := strings.Cut(text, ":")
	i := int(who[0] - 'A')
	m.Replied |= Of(i)
	for _, w := range strings.Fields(what) {
		if w == "unreadable" {
			garbage := func(string) ([]byte, bool) { return []byte("x"), true }
			if err := m.Enter(i, make([]string, m.N), garbage); err == nil {
				t.Fatalf("line %d: garbage was read", line)
			}
			continue
		}
		key, val, ok := strings.Cut(w, "=")
		var c Counters
		if _, err := fmt.Sscanf(val, "%d,%d,%d", &c[0], &c[1], &c[2]); err != nil || !ok {
			t.Fatalf("line %d: bad row %q", line, text)
		}
		if key == "dirty" {
			m.Dirty[i] = c
		} else {
			m.Pending[i][key[0]-'A'] = c
		}
	}
}

func letters(s Set) string {
	if s == 0 {
		return "none"
	}
	out := ""
	for i := range s.Each {
		out += string(rune('A' + i))
	}
	return out
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		q    Quorum
		s    Set
		want bool
	}{
		{Quorum{N: 3, Type: QuorumAuto}, 0b011, true},
		{Quorum{N: 3, Type: QuorumAuto}, 0b100, false},
		{Quorum{N: 2, Type: QuorumAuto}, 0b01, true},
		{Quorum{N: 2, Type: QuorumAuto}, 0b10, false},
		{Quorum{N: 4, Type: QuorumAuto}, 0b0110, false},
		{Quorum{N: 4, Type: QuorumAuto}, 0b0011, true},
		{Quorum{N: 2}, 0b10, true},
		{Quorum{N: 2}, 0, false},
		{Quorum{N: 3, Type: QuorumFixed, Count: 3}, 0b011, false},
		{Quorum{N: 3, Type: QuorumFixed, Count: 1}, 0b100, true},
	} {
		if got := c.q.Met(c.s); got != c.want {
			t.Errorf("%+v.Met(%v) = %v, want %v", c.q, c.s, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err == nil && b != nil && !bytes.Equal(c.Bytes(), b) {
			t.Errorf("Parse(%x).Bytes() = %x", b, c.Bytes())
		}
	})
}

func TestParseQuorum(t *testing.T) {
	for _, c := range []struct {
		typ, count string
		n          int
		want       string
	}{
		{"", "", 2, "{2 0 0} <nil>"}, {"", "", 3, "{3 1 0} <nil>"}, {"none", "", 3, "{3 0 0} <nil>"}, {"auto", "2", 2, "{2 1 2} <nil>"},
		{"fixed", "2", 3, "{3 2 2} <nil>"}, {"fixed", "", 3, "quorum-count 0 is out of range [1 - 3]"}, {"fixed", "4", 3, "quorum-count 4 is out of range [1 - 3]"},
		{"auto", "x", 3, `invalid number format "x" in option "quorum-count"`}, {"fast", "", 3, "'fast' is not valid"},
	} {
		q, err := ParseQuorum(c.typ, c.count, c.n)
		if got := fmt.Sprint(q, err); !strings.Contains(got, c.want) {
			t.Errorf("ParseQuorum(%q, %q, %d) = %s, want %s", c.typ, c.count, c.n, got, c.want)
		}
	}
}
