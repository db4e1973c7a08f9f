package main

import (
	"errors"
	"fmt"

	"github.com/gofs/gofs/protocol/mgmt"
)

// brickCommands are the commands that ask bricks something.
func brickCommands() []command {
	return []command{
		{words: []string{"volume", "barrier"}, pattern: "volume barrier <VOLNAME> {enable|disable}", help: "hold back, or let go, the answers to changes on all bricks of a volume", run: (*cli).volumeBarrier},
		{words: []string{"volume", "clear-locks"}, pattern: "volume clear-locks <VOLNAME> <path> kind {blocked|granted|all}{inode [range]|entry [basename]|posix [range]}", help: "take away locks on a path", run: (*cli).volumeClearLocks},
		{words: []string{"volume", "log"}, pattern: "volume log <VOLNAME> rotate [BRICK]", help: "begin new log files for the bricks of a volume, or for one", run: (*cli).volumeLog},
		{words: []string{"volume", "profile"}, pattern: "volume profile <VOLNAME> {start|info [peek|incremental [peek]|cumulative|clear]|stop} [nfs]", help: "show how often and how long bricks do what", run: (*cli).volumeProfile},
		{words: []string{"volume", "statedump"}, pattern: "volume statedump <VOLNAME> [[nfs|quotad] [all|mem|iobuf|callpool|priv|fd|inode|history]... | [client <hostname:process-id>]]", help: "make bricks, or a client, write their state to files", run: (*cli).volumeStatedump},
		{words: []string{"volume", "sync"}, pattern: "volume sync <HOSTNAME> [all|<VOLNAME>]", help: "take volumes' definitions from a peer, who has the same ones", run: (*cli).volumeSync},
		{words: []string{"volume", "top"}, pattern: "volume top <VOLNAME> {open|read|write|opendir|readdir|clear} [nfs|brick <brick>] [list-cnt <value>] | {read-perf|write-perf} [bs <size> count <count>] [brick <brick>] [list-cnt <value>]", help: "show the busiest files of bricks", run: (*cli).volumeTop},
	}
}

var errNoNFS = errors.New("gofs has no NFS server of its own")

// plainly prints the outcome of a command that has no result but success: good is what it says
// then, bad goes before the reason if it failed.
func (c *cli) plainly(result any, good, bad string, err error) error {
	if done, err := c.report(result, err, func() error {
		x := newXML(nil)
		x.leaf("output", good)
		return x.print(c.stdout)
	}); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s%w", bad, err)
	}
	fmt.Fprintln(c.stdout, good)
	return nil
}

// parsing is usage with the line that GlusterFS prints before it on standard output.
func (c *cli) parsing() error {
	fmt.Fprintln(c.stdout, "Error parsing options")
	return usage{}
}

// offline tells on standard error that a brick did not answer.
func (c *cli) offline(b *mgmt.Brick, reason string) {
	fmt.Fprintf(c.stderr, "Brick %s: %s\n", b.Name(), reason)
}
