package brick

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newDir makes what a brick's directory has at least.
func newDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".glusterfs"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (p *power) mustRecord(t *testing.T) {
	t.Helper()
	if err := p.record(); err != nil {
		t.Fatal(err)
	}
}

// The kernel tells where a brick serves, and says the same again.
func TestPlaceOfPower(t *testing.T) {
	dir := newDir(t)
	first, err := newPower(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := newPower(dir)
	if err != nil || *again != *first || !strings.HasPrefix(first.now, "boot ") || strings.Count(first.now, "\n") != 2 {
		t.Errorf("first %+v, then %+v, %v", first, again, err)
	}
	if _, err := newPower(filepath.Join(dir, "absent")); err == nil {
		t.Error("a directory that is not there is mounted somewhere")
	}
}

func TestLost(t *testing.T) {
	const boot, other = "boot 7d9e\nmount 12\n", "boot 7d9e\nmount 13\n"
	for _, c := range []struct {
		name     string
		was      string // the record; "": there is none
		now      string
		lost, ok bool
	}{
		{"new, GlusterFS's, or stopped in order", "", boot, false, false},
		{"killed", boot, boot, false, true},
		{"another boot", "boot 0000\nmount 12\n", boot, true, false},
		{"another mount", other, boot, true, false},
		{"a kernel without numbers of mounts", "boot 7d9e\nmount \n", "boot 7d9e\nmount \n", false, true},
		{"torn", boot[:len(boot)-1], boot, true, false},
		{"torn so that nothing is left", "\n", boot, true, false},
		{"more than there should be", boot + "x", boot, true, false},
		{"rubbish", strings.Repeat("\x00", 1<<20), boot, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &power{dir: newDir(t), now: c.now}
			if c.was != "" {
				if err := os.WriteFile(p.file(), []byte(c.was), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if lost, recorded := p.lost(); lost != c.lost || recorded != c.ok {
				t.Errorf("lost %v, recorded %v; want %v, %v", lost, recorded, c.lost, c.ok)
			}
			p.mustRecord(t)
			if lost, recorded := p.lost(); lost || !recorded {
				t.Errorf("after it was recorded: lost %v, recorded %v", lost, recorded)
			}
			for range 2 {
				if err := p.stopped(); err != nil {
					t.Fatal(err)
				}
			}
			if lost, recorded := p.lost(); lost || recorded {
				t.Errorf("after a stop: lost %v, recorded %v", lost, recorded)
			}
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		p := &power{dir: newDir(t), now: boot}
		if err := os.Mkdir(p.file(), 0o700); err != nil {
			t.Fatal(err)
		}
		if lost, recorded := p.lost(); !lost || recorded {
			t.Errorf("lost %v, recorded %v", lost, recorded)
		}
		if err := p.record(); err == nil || !strings.Contains(err.Error(), "cannot record that the brick") {
			t.Errorf("recorded over it: %v", err)
		}
	})
}

// FuzzLost: whatever is in the file, only what this process would write means that nothing
// was lost.
func FuzzLost(f *testing.F) {
	const now = "boot 7d9e\nmount 12\n"
	for i := range len(now) + 1 {
		f.Add([]byte(now[:i]))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &power{dir: newDir(t), now: now}
		if err := os.WriteFile(p.file(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if lost, recorded := p.lost(); lost == (string(text) == now) || recorded == lost {
			t.Errorf("%q: lost %v, recorded %v", text, lost, recorded)
		}
	})
}
