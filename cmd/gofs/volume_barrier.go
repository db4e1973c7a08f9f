package main

import (
	"context"

	"github.com/gofs/gofs/protocol/mgmt"
)

func (c *cli) volumeBarrier(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return usage{}
	}
	err := c.conn.Barrier(ctx, &mgmt.BarrierReq{Name: args[0], Op: args[1]})
	return c.plainly(nil, "volume barrier: command successful", "volume barrier: command unsuccessful : ", err)
}
