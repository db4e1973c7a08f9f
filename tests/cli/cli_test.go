// Package cli replays GlusterFS's transcripts against real daemons: the words, tables,
// streams and exit codes of the command line.
//
// Every script in testdata has a daemon of its own on a loopback address of its own,
// which "daemon start" starts. It finds in its environment:
//
//	ADDR    the daemon's address
//	BRICKS  an empty directory on a filesystem of its own
//	ROOT    an empty directory on the root partition
//	SOCK    the daemon's unix socket, which gofs uses
package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: bricks have trusted.* attributes")
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "gofs"), "github.com/gofs/gofs/cmd/gofs")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building gofs: %v\n%s", err, out)
	}
	var last atomic.Int32
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			d := &daemon{bin: filepath.Join(bin, "gofs"), addr: fmt.Sprintf("127.%d.%d.1", 20+os.Getpid()%200, last.Add(1))}
			e.Values[daemonKey{}] = d
			return d.setup(e, bin)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"daemon":    daemonCmd,
			"plain":     plainCmd,
			"killbrick": killBrick,
			"waitfor":   waitFor,
			"pool":      poolCmd,
			"replay":    replayCmd,
		},
	})
}

type daemonKey struct{}

// daemon is a script's daemon.
type daemon struct {
	bin, addr, dir string
	peers          []*daemon // server2 and server3, after "pool"

	mu  sync.Mutex
	cmd *exec.Cmd // guarded by mu; nil if it does not run
}

// setup makes the directories and what is cleaned up after the script.
func (d *daemon) setup(e *testscript.Env, bin string) error {
	var err error
	// Not the script's own directory: its name is too long for a socket.
	if d.dir, err = os.MkdirTemp("", "gofs"); err != nil {
		return err
	}
	if err := os.Chmod(d.dir, 0o755); err != nil {
		return err
	}
	e.Defer(func() { os.RemoveAll(d.dir) })
	// Short, so that a row of the status table is one line.
	bricks := fmt.Sprintf("/dev/shm/g%s", strings.TrimPrefix(d.addr, "127."))
	// What is there is of a run that was killed: the address is this process's.
	if err := errors.Join(os.RemoveAll(bricks), os.Mkdir(bricks, 0o755)); err != nil {
		return err
	}
	e.Defer(func() { os.RemoveAll(bricks) })
	e.Defer(d.end)
	e.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	e.Setenv("ADDR", d.addr)
	e.Setenv("BRICKS", bricks)
	e.Setenv("ROOT", d.dir)
	e.Setenv("SOCK", d.socket())
	e.Setenv("GOFS_SOCK", d.socket())
	return nil
}

func (d *daemon) socket() string { return filepath.Join(d.dir, "run", "gofsd.socket") }

// start starts the daemon and waits until it answers.
func (d *daemon) start(args ...string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	args = append([]string{"daemon", "--address", d.addr, "--workdir", d.dir + "/work", "--rundir", d.dir + "/run", "--logdir", d.dir + "/log"}, args...)
	cmd := exec.Command(d.bin, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cmd = cmd
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ask := exec.Command(d.bin, "--glusterd-sock="+d.socket(), "pool", "list")
		if ask.Run() == nil {
			return nil
		}
		if time.Now().After(end) {
			cmd.Process.Kill()
			cmd.Wait()
			return fmt.Errorf("the daemon does not answer: %s", out.String())
		}
	}
}

// stop ends the daemon with sig.
func (d *daemon) stop(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return fmt.Errorf("the daemon does not run")
	}
	defer func() { d.cmd = nil }()
	if err := d.cmd.Process.Signal(sig); err != nil {
		return err
	}
	err := d.cmd.Wait()
	if sig == syscall.SIGKILL {
		return nil
	}
	return err
}

// end leaves nothing behind: the daemon first, since it would start the bricks again.
func (d *daemon) end() {
	for _, p := range d.peers {
		p.end()
	}
	d.stop(syscall.SIGKILL)
	files, _ := filepath.Glob(d.dir + "/run/vols/*/*.pid")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		var pid int
		if n, _ := fmt.Sscan(string(text), &pid); n != 1 {
			continue
		}
		// One that has ended and that nobody waits for has no program any more.
		runs := func() bool { exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); return exe == d.bin }
		if runs() {
			syscall.Kill(pid, syscall.SIGKILL)
			for end := time.Now().Add(10 * time.Second); runs() && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// daemon start [FLAG...] | stop | kill
func daemonCmd(ts *testscript.TestScript, neg bool, args []string) {
	d := ts.Value(daemonKey{}).(*daemon)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: daemon start [FLAG...] | stop | kill")
	}
	switch args[0] {
	case "start":
		ts.Check(d.start(args[1:]...))
	case "stop":
		ts.Check(d.stop(syscall.SIGTERM))
	case "kill":
		ts.Check(d.stop(syscall.SIGKILL))
	default:
		ts.Fatalf("daemon %s?", args[0])
	}
}

var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	rows   = regexp.MustCompile(`(?m)(4915\d)( +0 +Y +)\d+ *$`)
	healer = regexp.MustCompile(`^(Self-heal Daemon on \S+ +N/A +N/A +Y +)\d+ *$`)
	pids   = regexp.MustCompile(`<pid>[0-9]+</pid>`)
)

// plain FROM TO copies a file or stdout with what differs from run to run replaced:
// UUIDs by UUID, processes by PID, the daemon's address by server1 and the bricks'
// directory by /bricks.
func plainCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: plain FROM TO")
	}
	text := ts.ReadFile(args[0])
	text = uuids.ReplaceAllString(text, "UUID")
	text = pids.ReplaceAllString(text, "<pid>PID</pid>")
	// The table's columns are as wide as they are: names are padded again.
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		table := rows.MatchString(line) || strings.Contains(line, "N/A       N/A        N       N/A")
		line = rows.ReplaceAllString(line, "${1}${2}PID")
		if healer.MatchString(line) {
			line, table = healer.ReplaceAllString(line, "${1}PID"), true
		}
		line = strings.ReplaceAll(line, ts.Getenv("ADDR")+":"+ts.Getenv("BRICKS"), "server1:/bricks")
		line = strings.ReplaceAll(line, ts.Getenv("BRICKS"), "/bricks")
		line = strings.ReplaceAll(line, ts.Getenv("ADDR"), "server1")
		if table {
			line = strings.Join(strings.Fields(line), " ")
		}
		out.WriteString(line + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(out.String()), 0o644))
}

// killbrick PATH kills the process of a brick.
func killBrick(ts *testscript.TestScript, neg bool, args []string) {
	d := ts.Value(daemonKey{}).(*daemon)
	if neg || len(args) != 1 {
		ts.Fatalf("usage: killbrick PATH")
	}
	file := strings.ReplaceAll(strings.TrimPrefix(args[0], "/"), "/", "-")
	found, err := filepath.Glob(d.dir + "/run/vols/*/*-" + file + ".pid")
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("brick %s has pid files %v", args[0], found)
	}
	text, err := os.ReadFile(found[0])
	ts.Check(err)
	var pid int
	_, err = fmt.Sscan(string(text), &pid)
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}

// waitfor REGEXP COMMAND... runs the command until its output matches, for 20 seconds.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor REGEXP COMMAND...")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out []byte
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, args[1], args[2:]...)
		if strings.HasPrefix(args[1], "gofs") {
			cmd = exec.CommandContext(ctx, ts.Value(daemonKey{}).(*daemon).bin, args[2:]...)
		}
		cmd.Env = append(os.Environ(), "GOFS_SOCK="+ts.Getenv("SOCK"))
		out, _ = cmd.CombinedOutput()
		if re.Match(out) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%v never said %s; last:\n%s", args[1:], args[0], out)
}
