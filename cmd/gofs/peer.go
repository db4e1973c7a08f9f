package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

func peerCommands() []command {
	return []command{
		{words: []string{"peer", "detach"}, pattern: "peer detach { <HOSTNAME> | <IP-address> } [force]", help: "detach peer specified by <HOSTNAME>", run: (*cli).peerDetach},
		{words: []string{"peer", "help"}, pattern: "peer help", help: "display help for peer commands", local: true, run: (*cli).peerHelp},
		{words: []string{"peer", "probe"}, pattern: "peer probe { <HOSTNAME> | <IP-address> }", help: "probe peer specified by <HOSTNAME>", run: (*cli).peerProbe},
		{words: []string{"peer", "status"}, pattern: "peer status", help: "list status of peers", run: (*cli).peerStatus},
		{words: []string{"pool", "list"}, pattern: "pool list", help: "list all the nodes in the pool (including localhost)", run: (*cli).poolList},
		{words: []string{"cluster", "recover"}, pattern: "cluster recover", help: "let this node alone decide for a pool that has lost its majority for good", run: (*cli).clusterRecover},
	}
}

func (c *cli) peerHelp(context.Context, []string) error {
	c.helpOf("gofs peer commands", peerCommands())
	return nil
}

// validHost tells whether host can be a name or an address.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	bad := func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return host != "" && len(host) <= 255 && !strings.HasPrefix(host, "-") && !strings.HasPrefix(host, ".") && !strings.ContainsFunc(host, bad)
}

// badHost is the usage error for a host that cannot be one.
func (c *cli) badHost(host string) error {
	fmt.Fprintf(c.stdout, "%s is an invalid address\n", host)
	return usage{}
}

func (c *cli) peerProbe(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return usage{}
	}
	if !validHost(args[0]) {
		return c.badHost(args[0])
	}
	r, err := c.conn.Probe(ctx, args[0])
	if done, err := c.report(r, err, func() error {
		x := newXMLCode(0, r.Code, "")
		x.leaf("output", r.Message)
		return x.print(c.stdout)
	}); done {
		return err
	}
	switch {
	case err != nil:
		return fmt.Errorf("peer probe: failed: %w", err)
	case r.Message != "":
		fmt.Fprintf(c.stdout, "peer probe: %s\n", r.Message)
		return nil
	}
	fmt.Fprintln(c.stdout, "peer probe: success")
	return nil
}

const detachQuestion = "All clients mounted through the peer which is getting detached need to be remounted using one of the other active peers in the trusted storage pool to ensure client gets notification on any changes done on the gluster configuration and if the same has been done do you want to proceed?"

func (c *cli) peerDetach(ctx context.Context, args []string) error {
	if len(args) < 1 || len(args) > 2 || len(args) == 2 && args[1] != "force" {
		return usage{}
	}
	if !validHost(args[0]) {
		return c.badHost(args[0])
	}
	if !c.ask(detachQuestion) {
		return nil
	}
	err := c.conn.Detach(ctx, &mgmt.DetachReq{Host: args[0], Force: len(args) == 2})
	switch {
	case err != nil && !refused(err):
		return err
	case c.json:
		return c.printJSON(nil, err)
	case c.xml && mgmt.ErrorCode(err) == mgmt.CodeHasBricks:
		return newXMLCode(1, mgmt.CodeHasBricks, err.Error()).print(c.stdout)
	case c.xml && err != nil:
		return c.printXMLError(err)
	case c.xml:
		x := newXML(nil)
		x.leaf("output", "success")
		return x.print(c.stdout)
	case mgmt.ErrorCode(err) == mgmt.CodeHasBricks:
		fmt.Fprintf(c.stderr, "peer detach: failed: %v\n", err)
		return failure{255}
	case err != nil:
		return fmt.Errorf("peer detach: failed: %w", err)
	}
	fmt.Fprintln(c.stdout, "peer detach: success")
	return nil
}

func (c *cli) peerStatus(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return usage{}
	}
	all, err := c.conn.Pool(ctx)
	if err != nil {
		return err
	}
	var peers []mgmt.Peer
	for _, p := range all {
		if !p.Self {
			peers = append(peers, p)
		}
	}
	switch {
	case c.json:
		return c.printJSON(peers, nil)
	case c.xml:
		return c.printPeersXML(peers)
	}
	fmt.Fprintf(c.stdout, "Number of Peers: %d\n", len(peers))
	for _, p := range peers {
		fmt.Fprintf(c.stdout, "\nHostname: %s\nUuid: %s\nState: %s (%s)\n", p.Host, p.UUID, p.State, connectedWord(p.Connected))
		if len(p.Others) > 0 {
			fmt.Fprintf(c.stdout, "Other names:\n%s\n", strings.Join(p.Others, "\n"))
		}
	}
	return nil
}

func connectedWord(up bool) string {
	if up {
		return "Connected"
	}
	return "Disconnected"
}

func (c *cli) poolList(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return usage{}
	}
	peers, err := c.conn.Pool(ctx)
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printJSON(peers, nil)
	case c.xml:
		return c.printPeersXML(peers)
	}
	width := len("localhost")
	for _, p := range peers {
		if !p.Self {
			width = max(width, len(p.Host))
		}
	}
	fmt.Fprintf(c.stdout, "UUID\t\t\t\t\t%-*s\tState\n", width, "Hostname")
	for _, p := range peers {
		name := p.Host
		if p.Self {
			name = "localhost"
		}
		fmt.Fprintf(c.stdout, "%s\t%-*s\t%s \n", p.UUID, width, name, connectedWord(p.Connected))
	}
	return nil
}

func (c *cli) printPeersXML(peers []mgmt.Peer) error {
	x := newXML(nil)
	if len(peers) == 0 {
		x.leaf("peerStatus", "")
		return x.print(c.stdout)
	}
	x.open("peerStatus")
	for _, p := range peers {
		peerXML(x, &p)
	}
	x.close("peerStatus")
	return x.print(c.stdout)
}

func peerXML(x *xmlText, p *mgmt.Peer) {
	x.open("peer")
	x.leaf("uuid", p.UUID)
	if p.Self {
		x.leaf("hostname", "localhost")
		x.leaf("connected", 1)
		x.close("peer")
		return
	}
	x.leaf("hostname", p.Host)
	x.open("hostnames")
	for _, h := range append([]string{p.Host}, p.Others...) {
		x.leaf("hostname", h)
	}
	x.close("hostnames")
	connected, state := 0, 3
	if p.Connected {
		connected = 1
	}
	if p.State != "Peer in Cluster" {
		state = 1
	}
	x.leaf("connected", connected)
	x.leaf("state", state)
	x.leaf("stateStr", p.State)
	x.close("peer")
}

const recoverQuestion = "The nodes that are not connected will have no say any more, and changes that only they know are lost. Use this only if they are gone for good. If one of them comes back it takes over this node's configuration. Do you want to proceed?"

func (c *cli) clusterRecover(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return usage{}
	}
	if !c.ask(recoverQuestion) {
		return nil
	}
	err := c.conn.Recover(ctx)
	if done, err := c.report(nil, err, func() error {
		x := newXML(nil)
		x.leaf("output", "success")
		return x.print(c.stdout)
	}); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("cluster recover: failed: %w", err)
	}
	fmt.Fprintln(c.stdout, "cluster recover: success: detach the nodes that are gone with 'peer detach HOST force'")
	return nil
}
