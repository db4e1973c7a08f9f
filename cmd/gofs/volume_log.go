package main

import (
	"context"

	"github.com/gofs/gofs/protocol/mgmt"
)

func (c *cli) volumeLog(ctx context.Context, args []string) error {
	if len(args) < 2 || len(args) > 3 || args[1] != "rotate" {
		return usage{}
	}
	q := &mgmt.RotateReq{Name: args[0]}
	if len(args) == 3 {
		q.Brick = args[2]
	}
	err := c.conn.RotateLog(ctx, q)
	if c.xml && (err == nil || refused(err)) {
		return c.printOpXML("volLogRotate", "log rotate successful", "log rotate unsuccessful", err)
	}
	return c.plainly(nil, "volume log-rotate: success", "volume log-rotate: failed: ", err)
}

func (c *cli) volumeSync(ctx context.Context, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return usage{}
	}
	q := &mgmt.SyncReq{Host: args[0]}
	if len(args) == 2 {
		q.Name = args[1]
	}
	if !c.ask("Sync volume may make data inaccessible while the sync is in progress. Do you want to continue?") {
		return nil
	}
	return c.plainly(nil, "volume sync: success", "volume sync: failed: ", c.conn.Sync(ctx, q))
}
