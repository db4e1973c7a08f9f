package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/iostats"
)

// Parts of a dump, as users name them.
var Parts = []string{"mem", "iobuf", "callpool", "priv", "fd", "inode", "history"}

// A Dump is a process's state as text: sections of key=value lines.
type Dump struct {
	w     *bufio.Writer
	parts []string
}

// Wants tells whether a part was asked for.
func (d *Dump) Wants(part string) bool {
	return len(d.parts) == 0 || slices.Contains(d.parts, "all") || slices.Contains(d.parts, part)
}

// Section begins a section.
func (d *Dump) Section(format string, a ...any) { fmt.Fprintf(d.w, "\n["+format+"]\n", a...) }

// Put adds a line to the section.
func (d *Dump) Put(key string, value any) { fmt.Fprintf(d.w, "%s=%v\n", key, value) }

// stamp is how dumps write a moment.
const stamp = "2006-01-02 15:04:05.000000 -0700"

// Write writes a dump into a new file DIR/NAME.PID.dump.TIME and returns its path. fill adds
// the sections; what every process has is there already.
func Write(dir, name string, parts []string, fill func(*Dump)) (string, error) {
	for _, p := range parts {
		if p != "all" && !slices.Contains(Parts, p) {
			return "", fmt.Errorf("%q is no part of a dump", p)
		}
	}
	now := time.Now()
	f, err := create(filepath.Join(dir, fmt.Sprintf("%s.%d.dump.%d", name, os.Getpid(), now.Unix())))
	if err != nil {
		return "", fmt.Errorf("cannot write the dump: %w", err)
	}
	d := &Dump{w: bufio.NewWriter(f), parts: parts}
	fmt.Fprintf(d.w, "DUMP-START-TIME: %s\n", now.Format(stamp))
	if d.Wants("mem") {
		d.memory()
	}
	if d.Wants("iobuf") {
		d.Section("iobuf.global")
		d.Put("note", "buffers belong to the garbage collector; see mallinfo")
	}
	fill(d)
	if d.Wants("history") {
		d.Section("goroutines")
		if err := pprof.Lookup("goroutine").WriteTo(d.w, 1); err != nil {
			return "", errors.Join(fmt.Errorf("cannot write the dump: %w", err), f.Close())
		}
	}
	fmt.Fprintf(d.w, "\nDUMP-END-TIME: %s\n", time.Now().Format(stamp))
	if err := errors.Join(d.w.Flush(), f.Close()); err != nil {
		return "", fmt.Errorf("cannot write the dump: %w", err)
	}
	return f.Name(), nil
}

// create makes a file that did not exist: two dumps within a second are two files.
func create(path string) (*os.File, error) {
	for i := 0; ; i++ {
		name := path
		if i > 0 {
			name = fmt.Sprintf("%s.%d", path, i)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if !errors.Is(err, os.ErrExist) || i == 100 {
			return f, err
		}
	}
}

func (d *Dump) memory() {
	m := Memory()
	d.Section("mallinfo")
	for _, row := range MallInfo(&m) {
		d.Put("mallinfo_"+row.Key, row.Value)
	}
	d.Put("resident", m.Resident)
	d.Put("stacks", m.Stacks)
	d.Put("goroutines", m.Routines)
	d.Put("cpu_seconds", fmt.Sprintf("%.2f", CPU()))
}

// Stats adds the section of a translator's counters.
func (d *Dump) Stats(name string, s *iostats.Stats) {
	all, _, _ := s.Profile(false)
	d.Section("xlator.debug.io-stats.%s", name)
	d.Put("data_read", all.Read)
	d.Put("data_written", all.Written)
	open, most, _ := s.OpenFiles()
	d.Put("open_files", open)
	d.Put("most_open_files", most)
	for _, f := range all.Fops {
		d.Put(f.Fop.String(), fmt.Sprintf("%d,avg=%dns,min=%dns,max=%dns", f.Count, int64(f.Total)/int64(f.Count), int64(f.Min), int64(f.Max)))
	}
}

// Write copies p into the section, for what has a text of its own.
func (d *Dump) Write(p []byte) (int, error) { return d.w.Write(p) }

var _ io.Writer = (*Dump)(nil)

// A Row is one number of MallInfo.
type Row struct {
	Key   string
	Value uint64
}

// MallInfo says m in the words of mallinfo(3), as near as they come: the arena is what the
// runtime has from the system, blocks are objects. What the C library alone has is 0.
func MallInfo(m *mgmt.Memory) []Row {
	return []Row{{"arena", m.Reserved - min(m.Released, m.Reserved)}, {"ordblks", m.Objects}, {"smblks", 0}, {"hblks", 0}, {"hblkhd", m.Stacks},
		{"usmblks", 0}, {"fsmblks", 0}, {"uordblks", m.Heap}, {"fordblks", m.Idle}, {"keepcost", m.Released}}
}
