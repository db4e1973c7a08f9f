package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// poolOf is how many daemons "pool" starts: server1 to server3 of the transcripts.
const poolOf = 3

// poolCmd starts the daemons of server1 to server3 and makes them one pool.
//
//	pool
func poolCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: pool")
	}
	first := ts.Value(daemonKey{}).(*daemon)
	first.peers = nil
	for n := 1; n <= poolOf; n++ {
		ts.Check(os.MkdirAll(fmt.Sprintf("%s/%d", ts.Getenv("BRICKS"), n), 0o755))
		d := first
		if n > 1 {
			d = &daemon{bin: first.bin, addr: addressOf(first, n), dir: filepath.Join(first.dir, strconv.Itoa(n))}
			ts.Check(os.Mkdir(d.dir, 0o755))
			first.peers = append(first.peers, d)
		}
		ts.Check(d.start())
	}
	for _, d := range first.peers {
		out, err := exec.Command(first.bin, "--gofsd-sock="+first.socket(), "peer", "probe", d.addr).CombinedOutput()
		if err != nil {
			ts.Fatalf("probe of %s: %v: %s", d.addr, err, out)
		}
		ts.Check(first.awaitConnected(d))
	}
}

// awaitConnected waits until the two daemons see each other.
func (d *daemon) awaitConnected(other *daemon) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		here, _ := exec.Command(d.bin, "--gofsd-sock="+d.socket(), "pool", "list").Output()
		there, _ := exec.Command(d.bin, "--gofsd-sock="+other.socket(), "pool", "list").Output()
		if bytes.Contains(here, []byte(other.addr)) && !bytes.Contains(append(here, there...), []byte("Disconnected")) && bytes.Contains(there, []byte(d.addr)) {
			return nil
		}
	}
	return fmt.Errorf("%s and %s do not become one pool", d.addr, other.addr)
}

// addressOf is the address of server n.
func addressOf(first *daemon, n int) string {
	return strings.TrimSuffix(first.addr, ".1") + "." + strconv.Itoa(n)
}

// step is one command of a transcript with what it is to print.
type step struct {
	line           int
	server         int
	command, stdin string
	stdout, stderr string
	exit           int
}

var promptLine = regexp.MustCompile(`^server([123])# (.*?)(?:\s+\[stdin: (.*)\])?$`)

// parseTranscript reads a transcript in the form of those of GlusterFS: a prompt with the
// command and perhaps its stdin, stdout, stderr in lines that begin with "[stderr] ", and
// the exit status if it is not 0. Lines that begin with ## are comments.
func parseTranscript(text string) ([]step, error) {
	var steps []step
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		m := promptLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			steps = append(steps, step{line: i + 1, server: int(m[1][0] - '0'), command: m[2]})
			if m[3] != "" {
				steps[len(steps)-1].stdin = strings.ReplaceAll(m[3], `\n`, "\n") + "\n"
			}
			continue
		case strings.HasPrefix(line, "## "):
			continue
		case len(steps) == 0:
			return nil, fmt.Errorf("line %d: output before the first command", i+1)
		}
		s := &steps[len(steps)-1]
		if text, ok := strings.CutPrefix(line, "[stderr] "); ok {
			s.stderr += text + "\n"
		} else if text, ok := strings.CutPrefix(line, "[exit "); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(text, "]"))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			s.exit = n
		} else if text, ok := strings.CutSuffix(line, "[no newline at end]"); ok {
			s.stdout += text
		} else {
			s.stdout += line + "\n"
		}
	}
	return steps, nil
}

// slow is how long a command may take without being told of.
const slow = time.Second

// replayCmd runs the commands of a transcript and compares all that they print.
//
//	replay FILE
//
// server1, server2 and server3 are the daemons that pool started, /bricks is a directory
// of each. Usage blocks may be written as (usage of volume create).
func replayCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: replay FILE")
	}
	steps, err := parseTranscript(ts.ReadFile(args[0]))
	ts.Check(err)
	first := ts.Value(daemonKey{}).(*daemon)
	w := &world{first: first, bricks: ts.Getenv("BRICKS"), root: ts.Getenv("ROOT"), dir: ts.Getenv("WORK"), path: ts.Getenv("PATH")}
	failed := 0
	for _, s := range steps {
		from := time.Now()
		stdout, stderr, exit := w.run(&s)
		if took := time.Since(from); took > slow {
			ts.Logf("%s:%d: %s took %v", args[0], s.line, s.command, took.Round(time.Millisecond))
		}
		if stdout == plainTable(s.stdout) && stderr == s.stderr && exit == s.exit {
			continue
		}
		failed++
		ts.Logf("%s:%d: %s\n--- want, exit %d\n%s%s--- got, exit %d\n%s%s", args[0], s.line, s.command,
			s.exit, s.stdout, mark(s.stderr), exit, stdout, mark(stderr))
	}
	if failed > 0 {
		ts.Fatalf("%d of %d commands differ from the transcript", failed, len(steps))
	}
}

// mark writes stderr as transcripts do.
func mark(stderr string) string {
	if stderr == "" {
		return ""
	}
	return "[stderr] " + strings.ReplaceAll(strings.TrimSuffix(stderr, "\n"), "\n", "\n[stderr] ") + "\n"
}

// world is where a transcript is replayed.
type world struct {
	first                   *daemon
	bricks, root, dir, path string
}

var (
	braces = regexp.MustCompile(`server\{([123,]+)\}:/bricks(/\S*)`)
	brick  = regexp.MustCompile(`server([123]):/bricks\b`)
)

// run runs one command in bash and returns what it printed, with the names of the
// transcript.
func (w *world) run(s *step) (stdout, stderr string, exit int) {
	text := braces.ReplaceAllStringFunc(s.command, func(all string) string {
		m := braces.FindStringSubmatch(all)
		var out []string
		for n := range strings.SplitSeq(m[1], ",") {
			out = append(out, "server"+n+":/bricks"+m[2])
		}
		return strings.Join(out, " ")
	})
	text = brick.ReplaceAllString(text, "server$1:"+w.bricks+"/$1")
	text = strings.ReplaceAll(text, " /bricks/", fmt.Sprintf(" %s/%d/", w.bricks, s.server))
	text = strings.ReplaceAll(text, ":/root-part/", ":"+w.root+"/")
	d := w.first
	if s.server > 1 {
		d = w.first.peers[s.server-2]
	}
	for n := 1; n <= poolOf; n++ {
		text = strings.ReplaceAll(text, "server"+strconv.Itoa(n), addressOf(w.first, n))
	}
	cmd := exec.Command("bash", "-c", text)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "GOFS_SOCK="+d.socket(), "PATH="+w.path, "HOME="+w.dir)
	cmd.Stdin = strings.NewReader(s.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var status *exec.ExitError
	if errors.As(err, &status) {
		exit = status.ExitCode()
	} else if err != nil {
		return "", err.Error() + "\n", -1
	}
	return w.names(out.String()), usages.ReplaceAllString(w.names(errs.String()), "\n(usage of $1)\n\n"), exit
}

// usages are the blocks of usage errors of commands.
var usages = regexp.MustCompile(`\nUsage:\n((?:volume|peer|pool)(?: [a-z-]+)+)(?: .*)?\n\n`)

// names puts the names of the transcript into what was printed.
func (w *world) names(text string) string {
	for n := 1; n <= poolOf; n++ {
		text = strings.ReplaceAll(text, fmt.Sprintf("%s/%d", w.bricks, n), "/bricks")
		text = strings.ReplaceAll(text, addressOf(w.first, n), "server"+strconv.Itoa(n))
	}
	text = strings.ReplaceAll(text, w.bricks, "/bricks")
	text = strings.ReplaceAll(text, w.root, "/root-part")
	return plainTable(uuids.ReplaceAllString(text, "UUID"))
}

// plainTable takes the padding out of the pool's table: addresses are longer than names.
func plainTable(text string) string { return padding.ReplaceAllString(text, "\t") }

var padding = regexp.MustCompile(` +\t`)
