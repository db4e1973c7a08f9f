package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	daemon "github.com/gofs/gofs/server/mgmt"
	"github.com/gofs/gofs/volfile/volgen"
)

// cli is one run of the command line.
type cli struct {
	stdin          *bufio.Reader
	stdout, stderr io.Writer

	globals
	conn *mgmt.Client // once connect has been called
	// answer puts a question and reads the answer; nil: stdout and stdin do.
	answer func(question string) (string, error)
}

// globals are the options that may stand anywhere among the words.
type globals struct {
	xml, json bool
	script    bool // every question is answered with yes, unasked
	remote    string
	socket    string
	timeout   time.Duration
}

func newLines(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// command is one command of the command line.
type command struct {
	words   []string // that lead to it
	pattern string   // its usage
	help    string   // what it does, for the help listings
	more    []form   // other forms of it, which only the help listings show
	local   bool     // needs no daemon
	run     func(c *cli, ctx context.Context, args []string) error
}

// form is a form of a command.
type form struct{ pattern, help string }

// usage is returned for wrong arguments: an optional reason and the command's pattern
// are printed on stderr.
type usage struct{ reason string }

func (u usage) Error() string { return "usage: " + u.reason }

// failure is an error that has its own form of output. It was printed already.
type failure struct{ status int }

func (f failure) Error() string { return fmt.Sprintf("exit status %d", f.status) }

func commands() []command {
	return slices.Concat(
		[]command{
			{words: []string{"help"}, pattern: "help", help: "display command options", local: true, run: (*cli).help},
		},
		globalCommands(),
		peerCommands(),
		volumeCommands(),
		brickCommands(),
	)
}

// main runs the command that args give and returns the exit status.
func (c *cli) main(ctx context.Context, args []string) int {
	words, status := c.options(args)
	if status >= 0 {
		return status
	}
	if len(words) == 0 {
		return c.shell(ctx)
	}
	return c.command(ctx, words)
}

const globalUsage = `
 Usage: gofs [options] <help> <peer> <pool> <volume>
 Options:
 --help  Shows the help information
 --version  Shows the version
 --print-logdir  Shows the log directory
 --print-statedumpdir Shows the state dump directory

`

const versionText = `gofs %s
Compatible with the bricks and the command line of glusterfs 10.3
gofs comes with ABSOLUTELY NO WARRANTY; its license is in the file LICENSE.
`

// options takes the global options out of args. status is -1 unless the program is to end.
func (c *cli) options(args []string) (words []string, status int) {
	c.timeout = 120 * time.Second
	c.socket = filepath.Join(defaultRunDir, daemon.SocketName)
	if s := os.Getenv("GOFS_SOCK"); s != "" {
		c.socket = s
	}
	for _, a := range args {
		if !strings.HasPrefix(a, "--") {
			words = append(words, a)
			continue
		}
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "--xml":
			c.xml = true
		case "--json":
			c.json = true
		case "--mode":
			if value != "script" && value != "interactive" {
				return nil, c.badOption(a)
			}
			c.script = value == "script"
		case "--remote-host":
			c.remote = value
		case "--glusterd-sock", "--gofsd-sock":
			c.socket = value
		case "--timeout":
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 {
				fmt.Fprintln(c.stderr, "timeout value should be a positive integer")
				return nil, 254
			}
			c.timeout = time.Duration(n) * time.Second
		case "--version":
			fmt.Fprintf(c.stdout, versionText, version)
			return nil, 0
		case "--help":
			c.listHelp()
			return nil, 0
		case "--print-logdir":
			fmt.Fprintln(c.stdout, defaultLogDir)
			return nil, 0
		case "--print-statedumpdir":
			fmt.Fprintln(c.stdout, defaultRunDir)
			return nil, 0
		case "--log-level":
			if !slices.Contains(volgen.LogLevels(), value) {
				return nil, c.badOption(a)
			}
		case "--secure-mgmt":
			if on, ok := volgen.Bool(value); on {
				fmt.Fprintln(c.stderr, "secure-mgmt: this version of gofs has no TLS")
				return nil, 255
			} else if !ok {
				fmt.Fprintln(c.stderr, "invalid secure-mgmt value (ignored)")
			}
		case "--nolog", "--wignore", "--wignore-partition", "--log-file", "--inet6":
			// The command line writes no log, and has no warnings that can be switched off.
			// Addresses of either family are used as they are found.
		default:
			return nil, c.badOption(a)
		}
	}
	return words, -1
}

func (c *cli) badOption(a string) int {
	fmt.Fprintf(c.stdout, "unrecognized option %s\n%s", a, globalUsage)
	return 255
}

// command finds and runs the command that words begin with.
func (c *cli) command(ctx context.Context, words []string) int {
	cmd, n, problem := lookup(commands(), words)
	if cmd == nil {
		fmt.Fprintf(c.stdout, "%s\n%s", problem, globalUsage)
		return 1
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if !cmd.local {
		if err := c.connect(ctx); err != nil {
			fmt.Fprintln(c.stdout, "Connection failed. Please check if gofs daemon is operational.")
			return 1
		}
		defer c.conn.Close()
	}
	return c.finish(cmd, cmd.run(c, ctx, words[n:]))
}

// lookup finds the command that words begin with, each word perhaps cut to a prefix that
// only one word has, and how many words that took.
func lookup(cmds []command, words []string) (*command, int, string) {
	for i, w := range words {
		var exact, longer []command
		for _, cmd := range cmds {
			if i < len(cmd.words) && cmd.words[i] == w {
				exact = append(exact, cmd)
			} else if i < len(cmd.words) && strings.HasPrefix(cmd.words[i], w) {
				longer = append(longer, cmd)
			}
		}
		if exact == nil {
			for _, cmd := range longer {
				if cmd.words[i] != longer[0].words[i] {
					longer = nil
					break
				}
			}
			exact = longer
		}
		if exact == nil {
			return nil, 0, fmt.Sprintf("unrecognized word: %s (position %d)", w, i)
		}
		if cmds = exact; len(cmds) == 1 && len(cmds[0].words) == i+1 {
			return &cmds[0], i + 1, ""
		}
	}
	return nil, 0, "unrecognized command"
}

// connect connects to the daemon.
func (c *cli) connect(ctx context.Context) (err error) {
	if c.remote == "" {
		c.conn, err = mgmt.Dial(ctx, c.socket)
		return err
	}
	addr := c.remote
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), strconv.Itoa(defaultPort))
	}
	nc, err := dialPrivileged(ctx, addr)
	if err != nil {
		return err
	}
	c.conn, err = mgmt.NewClient(nc)
	return err
}

// dialPrivileged connects from a port that only root can have, if this is root: so the
// daemon on this machine knows that it may obey.
func dialPrivileged(ctx context.Context, addr string) (net.Conn, error) {
	if os.Geteuid() == 0 {
		for port := 1023; port > 600; port-- {
			d := net.Dialer{LocalAddr: &net.TCPAddr{Port: port}}
			nc, err := d.DialContext(ctx, "tcp", addr)
			if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				return nc, err
			}
		}
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// finish turns a command's error into output and exit status.
func (c *cli) finish(cmd *command, err error) int {
	var u usage
	var f failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &f):
		return f.status
	case errors.As(err, &u):
		if u.reason != "" {
			fmt.Fprintln(c.stderr, u.reason)
		}
		fmt.Fprintf(c.stderr, "\nUsage:\n%s\n\n", cmd.pattern)
		return 1
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(c.stdout, "Error : Request timed out")
		return 1
	case errors.Is(err, mgmt.ErrConnection):
		fmt.Fprintln(c.stdout, "Connection failed. Please check if gofs daemon is operational.")
		return 1
	}
	fmt.Fprintln(c.stderr, err)
	return 1
}

// ask puts a question and reads the answer. In script mode it is yes, unasked.
func (c *cli) ask(question string) bool {
	if c.script {
		return true
	}
	answer := c.answer
	if answer == nil {
		answer = func(question string) (string, error) {
			fmt.Fprint(c.stdout, question)
			return c.stdin.ReadString('\n')
		}
	}
	line, err := answer(question + " (y/n) ")
	if err != nil && line == "" {
		fmt.Fprintln(c.stdout, "gofs cli read error")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	case "n", "no":
		return false
	}
	fmt.Fprintln(c.stdout, "Invalid input, please enter y/n")
	return false
}

// refused tells whether err is the daemon's answer rather than a lost connection.
func refused(err error) bool { return mgmt.ErrorCode(err) != 0 }

// report answers an order in JSON or XML, if that is wanted, or with an error that no daemon
// gave. Otherwise it is not done: what was answered is to be said in words, and so is err.
func (c *cli) report(r any, err error, xml func() error) (done bool, _ error) {
	switch {
	case err != nil && !refused(err):
		return true, err
	case c.json:
		return true, c.printJSON(r, err)
	case c.xml && err != nil:
		return true, c.printXMLError(err)
	case c.xml:
		return true, xml()
	}
	return false, nil
}
