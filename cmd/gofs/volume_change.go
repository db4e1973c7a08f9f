package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

// changed prints the outcome of a command that changes a volume's bricks: good is what it
// says then, bad goes before the reason if it failed. result fills in the XML of success.
func (c *cli) changed(good, bad string, result func() *xmlText, r *mgmt.VolumeReply, err error) error {
	if done, err := c.report(r, err, func() error { return result().print(c.stdout) }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: failed: %w", bad, err)
	}
	fmt.Fprintln(c.stdout, good)
	fmt.Fprint(c.stderr, r.Warning)
	return nil
}

func (c *cli) volumeReplaceBrick(ctx context.Context, args []string) error {
	if len(args) != 5 || args[3] != "commit" || args[4] != "force" {
		return usage{}
	}
	q := &mgmt.ReplaceReq{Name: args[0], What: "replace", Brick: args[1], New: args[2], Force: true}
	return c.replaceBrick(ctx, q, "replace-brick", "replace-brick commit force operation successful")
}

func (c *cli) volumeResetBrick(ctx context.Context, args []string) error {
	q := &mgmt.ReplaceReq{What: "start"}
	switch {
	case len(args) == 3 && args[2] == "start":
	case len(args) == 3:
		return usage{fmt.Sprintf("Invalid option '%s' for reset-brick. Please enter valid reset-brick command", args[2])}
	case len(args) == 4 && args[3] == "commit":
		q.What = "commit"
	case len(args) == 5 && args[3] == "commit" && args[4] == "force":
		q.What, q.Force = "commit", true
	default:
		return usage{}
	}
	q.Name, q.Brick = args[0], args[1]
	if q.What == "commit" {
		q.New = args[2]
	}
	what := "reset-brick " + q.What
	if q.Force {
		what += " force"
	}
	return c.replaceBrick(ctx, q, "reset-brick", what+" operation successful")
}

func (c *cli) replaceBrick(ctx context.Context, q *mgmt.ReplaceReq, word, good string) error {
	if q.New != "" {
		if err := c.checkNew(ctx, []string{q.New}); err != nil {
			return err
		}
	}
	r, err := c.conn.Replace(ctx, q)
	result := func() *xmlText { return newXMLCode(0, 0, good) }
	return c.changed("volume "+word+": success: "+good, "volume "+word, result, r, err)
}

// checkNew is checkBricks with the daemon's address.
func (c *cli) checkNew(ctx context.Context, bricks []string) error {
	node, err := c.conn.Node(ctx)
	if err != nil {
		return err
	}
	return checkBricks(bricks, node.Host)
}

func (c *cli) volumeAddBrick(ctx context.Context, args []string) error {
	q, err := parseAdd(args)
	if err != nil {
		return err
	}
	if err := c.checkNew(ctx, q.Bricks); err != nil {
		return err
	}
	if q.Replica == 2 && !c.ask(replica2Warning) {
		return usage{}
	}
	r, err := c.conn.AddBricks(ctx, q)
	result := func() *xmlText {
		x := newXML(nil)
		x.leaf("cliOp", "volAddBrick")
		x.leaf("output", "Add Brick successful")
		return x
	}
	return c.changed("volume add-brick: success", "volume add-brick", result, r, err)
}

// parseAdd reads the arguments of volume add-brick.
func parseAdd(args []string) (*mgmt.AddReq, error) {
	if len(args) < 2 {
		return nil, usage{}
	}
	q := &mgmt.AddReq{Name: args[0]}
	args = args[1:]
	if args[len(args)-1] == "force" {
		q.Force, args = true, args[:len(args)-1]
	}
	if len(args) > 1 && args[0] == "replica" {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 2 {
			return nil, usage{"replica count should be greater than 1"}
		}
		q.Replica, args = n, args[2:]
		if len(args) > 1 && args[0] == "arbiter" {
			if args[1] != "1" || n != 3 {
				return nil, usage{"For arbiter configuration, replica count must be 3 and arbiter count must be 1. The 3rd brick of the replica will be the arbiter"}
			}
			q.Arbiter, args = 1, args[2:]
		}
	}
	if len(args) == 0 {
		return nil, usage{}
	}
	q.Bricks = slices.Clone(args)
	return q, nil
}

const removeWarning = `Remove-brick force will not migrate files from the removed bricks, so they will no longer be available on the volume.
Do you want to continue?`

func (c *cli) volumeRemoveBrick(ctx context.Context, args []string) error {
	q, err := parseRemove(args)
	if err != nil {
		return err
	}
	if q.What == "force" && !c.ask(removeWarning) {
		return nil
	}
	what := q.What
	if what == "force" {
		what = "commit force"
	}
	r, err := c.conn.RemoveBricks(ctx, q)
	result := func() *xmlText {
		x := newXMLCode(0, 0, "Remove Brick "+what+" successful")
		x.leaf("volRemoveBrick", "")
		return x
	}
	return c.changed("volume remove-brick "+what+": success", "volume remove-brick "+what, result, r, err)
}

// parseRemove reads the arguments of volume remove-brick.
func parseRemove(args []string) (*mgmt.RemoveReq, error) {
	if len(args) < 3 {
		return nil, usage{}
	}
	q := &mgmt.RemoveReq{Name: args[0], What: args[len(args)-1]}
	args = args[1 : len(args)-1]
	if !slices.Contains([]string{"start", "stop", "status", "commit", "force"}, q.What) {
		return nil, usage{}
	}
	if args[0] == "replica" && len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return nil, usage{"replica count should be greater than 0 in case of remove-brick"}
		}
		q.Replica, args = n, args[2:]
	}
	if len(args) == 0 {
		return nil, usage{}
	}
	for _, b := range args {
		if strings.LastIndex(b, ":/") <= 0 {
			return nil, usage{fmt.Sprintf("wrong brick type: %s, use <HOSTNAME>:<export-dir-abs-path>", b)}
		}
	}
	q.Bricks = slices.Clone(args)
	return q, nil
}
