package inspect

import (
	"os"
	"strings"
	"testing"

	"github.com/gofs/gofs/xlators/iostats"
)

func TestMemory(t *testing.T) {
	m := Memory()
	if m.Resident < 1<<20 || m.Heap == 0 || m.Reserved < m.Heap || m.Objects == 0 || m.Routines == 0 {
		t.Errorf("Memory = %+v", m)
	}
	if CPU() < 0 {
		t.Errorf("CPU = %v", CPU())
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	write := func(parts ...string) string {
		t.Helper()
		file, err := Write(dir, "bricks-b", parts, func(d *Dump) {
			if d.Wants("priv") {
				d.Stats("v", iostats.NewStats())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	all := write()
	for _, want := range []string{"DUMP-START-TIME: ", "\n[mallinfo]\nmallinfo_arena=", "\n[xlator.debug.io-stats.v]\n", "\n[goroutines]\n", "\nDUMP-END-TIME: "} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if mem := write("mem"); !strings.Contains(mem, "[mallinfo]") || strings.Contains(mem, "io-stats") || strings.Contains(mem, "goroutines]") {
		t.Errorf("only mem:\n%s", mem)
	}
	if _, err := Write(dir, "b", []string{"foo"}, func(*Dump) {}); err == nil {
		t.Error("a part that does not exist was dumped")
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%d files, want 2", len(files))
	}
}
