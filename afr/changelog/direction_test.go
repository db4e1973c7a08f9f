package changelog

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// TestDirection replays testdata/direction.txt.
func TestDirection(t *testing.T) {
	f, err := os.Open("testdata/direction.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var m Matrix
	var q Quorum
	name := ""
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "case "):
			name, m = text[5:], Matrix{}
			var kind string
			fmt.Sscanf(name[strings.LastIndex(name, "n=")+2:], "%d %s", &m.N, &kind)
			if q = (Quorum{N: m.N}); kind == "auto" {
				q.Type = QuorumAuto
			}
		case strings.HasPrefix(text, "direct "):
			head, want, _ := strings.Cut(text, " : ")
			var class, stores string
			fmt.Sscanf(head, "direct %s stores=%s", &class, &stores)
			if got := directed(&m, class, q, stores); got != want {
				t.Errorf("line %d, %s: %s: %s, want %s", line, name, class, got, want)
			}
		default:
			parseRow(t, line, &m, text)
		}
	}
}

func directed(m *Matrix, class string, q Quorum, stores string) string {
	var s Set
	for _, r := range stores {
		s |= Of(int(r - 'A'))
	}
	for k := Data; k <= Entry; k++ {
		if k.String() != class {
			continue
		}
		d := m.Direct(k, q, s)
		doubt := [...]string{"certain", "wait", "split"}[d.Doubt]
		differ := map[bool]string{true: "differ", false: "same"}[d.Differ]
		return fmt.Sprintf("%s %s %s %s", letters(d.Sources), letters(d.Sinks), doubt, differ)
	}
	return "no such class"
}

// TestDirectionKeepsWhatWasAcknowledged makes changes as afr does, some of which fail,
// and checks that whoever is called a source has missed none that was acknowledged,
// whichever quorum is asked.
func TestDirectionKeepsWhatWasAcknowledged(t *testing.T) {
	for seed := range uint64(20000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 2 + rng.IntN(3)
		q := Quorum{N: n, Type: QuorumAuto}
		m := Matrix{N: n, Replied: All(n)}
		var missed Set // who missed an acknowledged change
		for range 1 + rng.IntN(6) {
			missed |= change(rng, &m, q)
		}
		up := Set(rng.IntN(1<<n)) & All(n)
		if !q.Met(up) {
			continue
		}
		for i := range (All(n) &^ up).Each {
			m.Pending[i] = [MaxReplicas]Counters{}
		}
		m.Replied = up
		d := m.Direct(Data, q, All(n))
		if d.Sources&missed != 0 {
			t.Fatalf("seed %d: sources %s, but %s missed something; %d children, %s asked", seed, letters(d.Sources), letters(missed), n, letters(up))
		}
		if d.Doubt == Split {
			t.Fatalf("seed %d: split-brain with quorum", seed)
		}
	}
}

// change is one change: some children take part, the others are blamed first, perhaps not
// by all; then some fail. It returns who missed it, if it was acknowledged.
func change(rng *rand.Rand, m *Matrix, q Quorum) Set {
	part := Set(rng.IntN(1<<m.N)) & All(m.N)
	good := part &^ m.Accused(Data)
	if !q.Met(good) {
		return 0
	}
	missing := All(m.N) &^ part
	stored := part
	if rng.IntN(4) == 0 {
		stored &= Set(rng.IntN(1 << m.N))
	}
	blame(m, stored, missing)
	if missing != 0 && stored != part {
		return 0 // the others would be blamed in turn; here the change just fails
	}
	done := part
	if rng.IntN(2) == 0 {
		done &= Set(rng.IntN(1 << m.N))
	}
	if !q.Met(done & good) {
		return 0
	}
	failed := part &^ done
	stored = done
	if rng.IntN(4) == 0 {
		stored &= Set(rng.IntN(1 << m.N))
	}
	blame(m, stored, failed)
	if failed != 0 && !q.Met(stored&good) {
		return 0
	}
	return missing | failed
}

func blame(m *Matrix, by, whom Set) {
	for i := range by.Each {
		for j := range whom.Each {
			m.Pending[i][j][Data]++
		}
	}
}
