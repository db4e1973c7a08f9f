package main

import (
	"context"
	"fmt"
)

func (c *cli) poolList(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return usage{}
	}
	peers, err := c.conn.Pool(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(peers, nil)
	}
	width := 8
	for _, p := range peers {
		width = max(width, len(p.Host))
	}
	state := func(up bool) string {
		if up {
			return "Connected"
		}
		return "Disconnected"
	}
	if c.xml {
		x := newXML(nil)
		x.open("peerStatus")
		for _, p := range peers {
			x.open("peer")
			x.leaf("uuid", p.UUID)
			x.leaf("hostname", p.Host)
			x.open("hostnames")
			x.leaf("hostname", p.Host)
			x.close("hostnames")
			connected := 0
			if p.Connected {
				connected = 1
			}
			x.leaf("connected", connected)
			x.leaf("state", 3)
			x.leaf("stateStr", "Peer in Cluster")
			x.close("peer")
		}
		x.close("peerStatus")
		return x.print(c.stdout)
	}
	fmt.Fprintf(c.stdout, "UUID\t\t\t\t\t%-*s\tState\n", width, "Hostname")
	for _, p := range peers {
		fmt.Fprintf(c.stdout, "%s\t%-*s\t%s \n", p.UUID, width, p.Host, state(p.Connected))
	}
	return nil
}
