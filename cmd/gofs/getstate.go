package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/gofs/gofs/protocol/mgmt"
)

// parseState reads [<daemon>] [[odir DIR] [file FILE]] [detail|volumeoptions].
func parseState(args []string) (*mgmt.StateReq, error) {
	q := &mgmt.StateReq{}
	if len(args) > 0 {
		switch args[0] {
		case "odir", "file", mgmt.StateDetail, mgmt.StateOptions:
		case "gofs", "glusterd":
			args = args[1:]
		default:
			return nil, usage{"glusterd is the only supported daemon."}
		}
	}
	for len(args) > 0 {
		switch word := args[0]; {
		case (word == mgmt.StateDetail || word == mgmt.StateOptions) && len(args) == 1:
			q.Kind = word
			return q, nil
		case word == "odir" && len(args) > 1 && q.Dir == "":
			q.Dir = args[1]
		case word == "file" && len(args) > 1 && q.File == "":
			q.File = args[1]
		default:
			return nil, usage{}
		}
		args = args[2:]
	}
	return q, nil
}

// getState makes the daemon write its state to a file. GlusterFS ignores --xml here.
func (c *cli) getState(ctx context.Context, args []string) error {
	q, err := parseState(args)
	if err != nil {
		return err
	}
	if q.Dir != "" {
		if q.Dir, err = filepath.Abs(q.Dir); err != nil {
			return err
		}
	}
	r, err := c.conn.State(ctx, q)
	switch {
	case err != nil && !refused(err):
		return err
	case c.json:
		return c.printJSON(r, err)
	case err != nil:
		return fmt.Errorf("Failed to get daemon state: %w", err)
	}
	fmt.Fprintf(c.stdout, "glusterd state dumped to %s\n", r.Path)
	return nil
}
