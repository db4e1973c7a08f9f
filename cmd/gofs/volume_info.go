package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

func (c *cli) volumeList(ctx context.Context, _ []string) error {
	vols, err := c.conn.Info(ctx, "all")
	if err != nil {
		return err
	}
	names := []string{}
	for _, v := range vols {
		names = append(names, v.Name)
	}
	switch {
	case c.json:
		return c.printJSON(names, nil)
	case c.xml:
		x := newXML(nil)
		x.open("volList")
		x.leaf("count", len(names))
		for _, n := range names {
			x.leaf("volume", n)
		}
		x.close("volList")
		return x.print(c.stdout)
	case len(names) == 0:
		fmt.Fprintln(c.stderr, "No volumes present in cluster")
	}
	for _, n := range names {
		fmt.Fprintln(c.stdout, n)
	}
	return nil
}

func (c *cli) volumeInfo(ctx context.Context, args []string) error {
	if len(args) > 1 {
		return usage{}
	}
	name := "all"
	if len(args) == 1 {
		name = args[0]
	}
	vols, err := c.conn.Info(ctx, name)
	switch {
	case err != nil && !refused(err):
		return err
	case c.json:
		return c.printJSON(vols, err)
	case c.xml && err != nil:
		// Without the volume's name, unlike everywhere else.
		x := newXML(&mgmt.Error{Code: mgmt.CodeNoVolume, Message: "Volume does not exist"})
		volInfoXML(x, nil)
		return x.print(c.stdout)
	case c.xml:
		x := newXML(nil)
		volInfoXML(x, vols)
		return x.print(c.stdout)
	case err != nil:
		return err
	case len(vols) == 0:
		fmt.Fprintln(c.stderr, "No volumes present")
	}
	for i := range vols {
		c.printInfo(&vols[i])
	}
	return nil
}

// kind is a volume's type in words and as GlusterFS's number.
func kind(v *mgmt.Volume) (string, int) {
	switch {
	case v.Replica < 2:
		return "Distribute", 0
	case len(v.Bricks) == v.Replica:
		return "Replicate", 2
	}
	return "Distributed-Replicate", 7
}

// brickCount is the formula of volume info.
func brickCount(v *mgmt.Volume) string {
	n := len(v.Bricks)
	switch {
	case v.Replica < 2:
		return fmt.Sprint(n)
	case v.Arbiter > 0:
		return fmt.Sprintf("%d x (%d + %d) = %d", n/v.Replica, v.Replica-v.Arbiter, v.Arbiter, n)
	}
	return fmt.Sprintf("%d x %d = %d", n/v.Replica, v.Replica, n)
}

func (c *cli) printInfo(v *mgmt.Volume) {
	var b strings.Builder
	typ, _ := kind(v)
	fmt.Fprintf(&b, " \nVolume Name: %s\nType: %s\nVolume ID: %s\nStatus: %s\nSnapshot Count: 0\nNumber of Bricks: %s\nTransport-type: %s\nBricks:\n",
		v.Name, typ, v.ID, v.Status, brickCount(v), v.Transport)
	for i, brick := range v.Bricks {
		arbiter := ""
		if brick.Arbiter {
			arbiter = " (arbiter)"
		}
		fmt.Fprintf(&b, "Brick%d: %s:%s%s\n", i+1, brick.Host, brick.Path, arbiter)
	}
	if len(v.Options) > 0 {
		b.WriteString("Options Reconfigured:\n")
	}
	for _, o := range v.Options {
		fmt.Fprintf(&b, "%s: %s\n", o.Key, o.Value)
	}
	fmt.Fprint(c.stdout, b.String())
}

func volInfoXML(x *xmlText, vols []mgmt.Volume) {
	x.open("volInfo")
	x.open("volumes")
	for i := range vols {
		volumeXML(x, &vols[i])
	}
	x.leaf("count", len(vols))
	x.close("volumes")
	x.close("volInfo")
}

func volumeXML(x *xmlText, v *mgmt.Volume) {
	status := map[string]int{"Created": 0, "Started": 1, "Stopped": 2}[v.Status]
	typ, number := kind(v)
	replica := max(v.Replica, 1)
	x.open("volume")
	for _, l := range []struct {
		name  string
		value any
	}{{"name", v.Name}, {"id", v.ID}, {"status", status}, {"statusStr", v.Status}, {"snapshotCount", 0},
		{"brickCount", len(v.Bricks)}, {"distCount", len(v.Bricks) / replica}, {"replicaCount", replica}, {"arbiterCount", v.Arbiter},
		{"disperseCount", 0}, {"redundancyCount", 0}, {"type", number}, {"typeStr", typ}, {"transport", 0}} {
		x.leaf(l.name, l.value)
	}
	x.open("bricks")
	for _, b := range v.Bricks {
		name, arbiter := escape(b.Host+":"+b.Path), 0
		if b.Arbiter {
			arbiter = 1
		}
		x.line(fmt.Sprintf(`<brick uuid="%s">%s<name>%s</name><hostUuid>%s</hostUuid><isArbiter>%d</isArbiter></brick>`, b.NodeID, name, name, b.NodeID, arbiter))
	}
	x.close("bricks")
	x.leaf("optCount", len(v.Options))
	x.open("options")
	for _, o := range v.Options {
		x.open("option")
		x.leaf("name", o.Key)
		x.leaf("value", o.Value)
		x.close("option")
	}
	x.close("options")
	x.close("volume")
}
