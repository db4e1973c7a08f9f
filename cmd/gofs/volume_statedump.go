package main

import (
	"context"
	"slices"

	"github.com/gofs/gofs/inspect"
	"github.com/gofs/gofs/protocol/mgmt"
)

func (c *cli) volumeStatedump(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usage{}
	}
	q := &mgmt.StatedumpReq{Name: args[0]}
	switch rest := args[1:]; {
	case len(rest) > 0 && rest[0] == "client":
		if len(rest) != 2 {
			return c.parsing()
		}
		q.Client = rest[1]
	default:
		if len(rest) > 0 && (rest[0] == "nfs" || rest[0] == "quotad") {
			q.Daemon, rest = rest[0], rest[1:]
		}
		for _, part := range rest {
			if part != "all" && !slices.Contains(inspect.Parts, part) {
				return c.parsing()
			}
		}
		q.Parts = rest
	}
	r, err := c.conn.Statedump(ctx, q)
	if c.xml && (err == nil || refused(err)) {
		return c.printOpXML("volStatedump", "Volume statedump successful", "Volume statedump unsuccessful", err)
	}
	return c.plainly(r, "volume statedump: success", "volume statedump: failed: ", err)
}
