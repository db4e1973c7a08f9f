package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile/volgen"
)

func (c *cli) volumeSet(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "help" {
		c.setHelp()
		return nil
	}
	if len(args) == 1 && args[0] == "help-xml" {
		c.setHelpXML()
		return nil
	}
	if len(args) < 3 || len(args)%2 != 1 {
		return usage{}
	}
	q := &mgmt.SetReq{Name: args[0]}
	switch {
	case args[1] == "group" && len(args) != 3:
		return usage{}
	case args[1] == "group" && q.Name == "all":
		return fmt.Errorf("volume set: failed: %w", volgen.ErrNotGlobal)
	case args[1] == "group":
		if err := c.addGroup(q, args[2]); err != nil {
			return err
		}
	default:
		for i := 1; i < len(args); i += 2 {
			if args[i] == "" || args[i+1] == "" {
				return usage{}
			}
			q.Options = append(q.Options, mgmt.Option{Key: args[i], Value: args[i+1]})
		}
	}
	return c.set(ctx, q)
}

// addGroup adds the options of a group to q, and tells which of them it leaves out.
func (c *cli) addGroup(q *mgmt.SetReq, name string) error {
	set, skipped := volgen.Group(name)
	if set == nil {
		return fmt.Errorf("There is no group of options called %s. Groups are %s.", name, strings.Join(volgen.Groups(), ", "))
	}
	for _, o := range set {
		q.Options = append(q.Options, mgmt.Option{Key: o[0], Value: o[1]})
	}
	if len(skipped) > 0 {
		fmt.Fprintf(c.stderr, "left out, since they have no meaning in gofs: %s\n", strings.Join(skipped, ", "))
	}
	return nil
}

func (c *cli) set(ctx context.Context, q *mgmt.SetReq) error {
	err := c.conn.Set(ctx, q)
	if err != nil && !refused(err) {
		return err
	}
	switch {
	case c.json:
		return c.printJSON(nil, err)
	case c.xml:
		return c.printOpXML("volSet", "Set volume successful", "Set volume unsuccessful", err)
	case err != nil:
		return fmt.Errorf("volume set: failed: %w", err)
	}
	fmt.Fprintln(c.stdout, "volume set: success")
	return nil
}

func (c *cli) volumeReset(ctx context.Context, args []string) error {
	if len(args) < 1 || len(args) > 3 || len(args) == 3 && args[2] != "force" {
		return usage{}
	}
	q := &mgmt.ResetReq{Name: args[0]}
	if len(args) > 1 {
		q.Key = args[1]
		if q.Key == "force" {
			q.Key = ""
		}
		q.Force = args[len(args)-1] == "force"
	}
	err := c.conn.Reset(ctx, q)
	if err != nil && !refused(err) {
		return err
	}
	switch {
	case c.json:
		return c.printJSON(nil, err)
	case c.xml:
		return c.printOpXML("volReset", "reset volume successful", "reset volume unsuccessful", err)
	case err != nil:
		return fmt.Errorf("volume reset: failed: %w", err)
	}
	fmt.Fprintln(c.stdout, "volume reset: success: reset volume successful")
	return nil
}

// printOpXML is the XML of set and reset.
func (c *cli) printOpXML(op, good, bad string, err error) error {
	x := newXML(err)
	x.leaf("cliOp", op)
	if err != nil {
		good = bad
	}
	x.leaf("output", good)
	return x.print(c.stdout)
}

func (c *cli) volumeGet(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return usage{}
	}
	values, err := c.conn.Get(ctx, &mgmt.GetReq{Name: args[0], Key: args[1]})
	if done, err := c.report(values, err, func() error { return c.printGetXML(values) }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("volume get option: failed: %w", err)
	}
	const row = "%-40s %-39s\n"
	fmt.Fprintf(c.stdout, row+row, "Option", "Value", "------", "-----")
	for _, v := range values {
		fmt.Fprintf(c.stdout, row, v.Key, shown(v))
	}
	return nil
}

func (c *cli) printGetXML(values []mgmt.OptionValue) error {
	x := newXML(nil)
	x.open("volGetopts")
	x.leaf("count", len(values))
	for _, v := range values {
		x.open("Opt")
		x.leaf("Option", v.Key)
		x.leaf("Value", shown(v))
		x.close("Opt")
	}
	x.close("volGetopts")
	return x.print(c.stdout)
}

// shown is an option's value with the mark of a default.
func shown(v mgmt.OptionValue) string {
	if v.Default {
		return v.Value + " (DEFAULT)"
	}
	return v.Value
}
