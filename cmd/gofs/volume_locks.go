package main

import (
	"context"
	"fmt"

	"github.com/gofs/gofs/protocol/mgmt"
)

// parseClear reads <VOLNAME> <path> kind {blocked|granted|all} {inode [range]|entry
// [basename]|posix [range]}; ok is false if the words make no sense.
func parseClear(args []string) (q *mgmt.ClearReq, ok bool) {
	q = &mgmt.ClearReq{Name: args[0]}
	q.Path, q.Kind = args[1], args[4]
	switch args[3] {
	case "blocked":
		q.Blocked = true
	case "granted":
		q.Granted = true
	case "all":
		q.Blocked, q.Granted = true, true
	default:
		return nil, false
	}
	switch q.Kind {
	case "inode", "posix":
		if len(args) == 6 {
			q.Ranged = true
			ok = parseRange(args[5], &q.ClearAsk)
			return q, ok
		}
	case "entry":
		if len(args) == 6 {
			q.Named, q.ClearAsk.Name = true, args[5]
		}
	default:
		return nil, false
	}
	return q, args[2] == "kind"
}

// parseRange reads WHENCE,START-LENGTH. The whence can only be 0: a range counts from the
// beginning of the file.
func parseRange(s string, q *mgmt.ClearAsk) bool {
	var whence int
	var rest string
	n, err := fmt.Sscanf(s, "%d,%d-%d%s", &whence, &q.Start, &q.Len, &rest)
	return n == 3 && err != nil && whence == 0 && q.Start >= 0 && q.Len >= 0
}

func (c *cli) volumeClearLocks(ctx context.Context, args []string) error {
	if len(args) < 5 || len(args) > 6 {
		return usage{}
	}
	q, ok := parseClear(args)
	if !ok {
		return c.parsing()
	}
	r, err := c.conn.ClearLocks(ctx, q)
	if done, err := c.report(r, err, func() error {
		x := newXML(nil)
		x.open("volClearLocks")
		for _, b := range r.Bricks {
			x.open("brick")
			x.leaf("name", b.Brick.Name())
			x.leaf("blocked", b.Blocked)
			x.leaf("granted", b.Granted)
			x.close("brick")
		}
		x.close("volClearLocks")
		return x.print(c.stdout)
	}); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("Volume clear-locks unsuccessful\n%w", err)
	}
	fmt.Fprintln(c.stdout, "Volume clear-locks successful")
	for _, b := range r.Bricks {
		if b.Granted+b.Blocked == 0 {
			fmt.Fprintln(c.stdout, "No locks cleared.")
		} else {
			fmt.Fprintf(c.stdout, "%s/: %s blocked locks=%d granted locks=%d\n", b.Brick.Name(), q.Kind, b.Blocked, b.Granted)
		}
	}
	return nil
}
