package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

// profileView says which parts of a report are shown.
type profileView struct{ cumulative, interval bool }

// parseProfile reads <VOLNAME> {start|info [...]|stop} [nfs].
func parseProfile(args []string) (q *mgmt.ProfileReq, v profileView, err error) {
	if len(args) < 2 || len(args) > 5 {
		return nil, v, usage{}
	}
	q = &mgmt.ProfileReq{Name: args[0], Op: args[1]}
	rest := args[2:]
	if len(rest) > 0 && rest[len(rest)-1] == "nfs" {
		return nil, v, errNoNFS
	}
	if q.Op != mgmt.ProfileInfo {
		if len(rest) > 0 || q.Op != mgmt.ProfileStart && q.Op != mgmt.ProfileStop {
			return nil, v, usage{}
		}
		return q, v, nil
	}
	v = profileView{true, true}
	switch strings.Join(rest, " ") {
	case "":
	case "peek":
		q.Peek = true
	case "incremental":
		v.cumulative = false
	case "incremental peek":
		v.cumulative, q.Peek = false, true
	case "cumulative":
		v.interval, q.Peek = false, true
	case "clear":
		q.Clear = true
	default:
		return nil, v, usage{}
	}
	return q, v, nil
}

func (c *cli) volumeProfile(ctx context.Context, args []string) error {
	q, view, err := parseProfile(args)
	if err != nil {
		return err
	}
	r, err := c.conn.Profile(ctx, q)
	if done, err := c.report(r, err, func() error { return c.printProfileXML(q, r, view) }); done {
		return err
	}
	switch {
	case err != nil:
		return err
	case q.Op == mgmt.ProfileStart:
		fmt.Fprintf(c.stdout, "Starting volume profile on %s has been successful \n", r.Name)
	case q.Op == mgmt.ProfileStop:
		fmt.Fprintf(c.stdout, "Stopping volume profile on %s has been successful \n", r.Name)
	}
	for i := range r.Bricks {
		c.printProfile(&r.Bricks[i], view)
	}
	return nil
}

func (c *cli) printProfile(b *mgmt.BrickProfiles, view profileView) {
	if b.Error != "" {
		c.offline(&b.Brick, b.Error)
		return
	}
	title := "Brick: " + b.Name()
	fmt.Fprintf(c.stdout, "%s\n%s\n", title, strings.Repeat("-", len(title)))
	if b.Cleared {
		fmt.Fprintln(c.stdout, "Cleared stats.")
		return
	}
	if view.cumulative && b.Cumulative != nil {
		fmt.Fprintln(c.stdout, "Cumulative Stats:")
		c.printCounts(b.Cumulative)
	}
	if view.interval && b.Interval != nil {
		fmt.Fprintf(c.stdout, "Interval %d Stats:\n", b.Number)
		c.printCounts(b.Interval)
	}
}

// printCounts prints one profile's tables.
func (c *cli) printCounts(p *mgmt.Profile) {
	var sizes []mgmt.BlockCount
	for _, b := range p.Blocks {
		if b.Reads+b.Writes > 0 {
			sizes = append(sizes, b)
		}
	}
	first := true
	for three := range slices.Chunk(sizes, 3) {
		if !first {
			fmt.Fprintln(c.stdout, " ")
		}
		first = false
		size, reads, writes := "   Block Size:", " No. of Reads:", "No. of Writes:"
		for _, b := range three {
			size += fmt.Sprintf("%19db+ ", b.Size)
			reads += fmt.Sprintf("%21d ", b.Reads)
			writes += fmt.Sprintf("%21d ", b.Writes)
		}
		fmt.Fprintf(c.stdout, "%s\n%s\n%s\n", size, reads, writes)
	}
	if len(p.Fops) > 0 {
		c.printFops(p.Fops)
	}
	fmt.Fprintf(c.stdout, " \n    Duration: %d seconds\n   Data Read: %d bytes\nData Written: %d bytes\n \n", int64(p.Seconds), p.Read, p.Written)
}

// printFops prints the latencies, the smallest share of time first.
func (c *cli) printFops(fops []mgmt.FopTimes) {
	total := 0.0
	for _, f := range fops {
		total += f.Avg * float64(f.Count)
	}
	fops = slices.Clone(fops)
	slices.SortStableFunc(fops, func(a, b mgmt.FopTimes) int {
		return cmp.Compare(a.Avg*float64(a.Count), b.Avg*float64(b.Count))
	})
	const head = "%10s %13s %13s %13s %14s %11s\n"
	fmt.Fprintf(c.stdout, head, "%-latency", "Avg-latency", "Min-Latency", "Max-Latency", "No. of calls", "Fop")
	fmt.Fprintf(c.stdout, head, "---------", "-----------", "-----------", "-----------", "------------", "----")
	for _, f := range fops {
		fmt.Fprintf(c.stdout, "%10.2f %10.2f ns %10.2f ns %10.2f ns %14d %11s\n", 100*f.Avg*float64(f.Count)/max(total, 1), f.Avg, f.Min, f.Max, f.Count, f.Name)
	}
}

func (c *cli) printProfileXML(q *mgmt.ProfileReq, r *mgmt.ProfileReply, view profileView) error {
	x := newXML(nil)
	x.open("volProfile")
	x.leaf("volname", r.Name)
	x.leaf("profileOp", map[string]int{mgmt.ProfileStart: 1, mgmt.ProfileStop: 2, mgmt.ProfileInfo: 3}[q.Op])
	if q.Op == mgmt.ProfileInfo {
		x.leaf("brickCount", len(r.Bricks))
	}
	for _, b := range r.Bricks {
		x.open("brick")
		x.leaf("brickName", b.Name())
		switch {
		case b.Error != "":
		case b.Cleared:
			x.leaf("clearStats", "Cleared stats.")
		default:
			if view.cumulative {
				countsXML(x, "cumulativeStats", b.Cumulative)
			}
			if view.interval {
				countsXML(x, "intervalStats", b.Interval)
			}
		}
		x.close("brick")
	}
	x.close("volProfile")
	return x.print(c.stdout)
}

func countsXML(x *xmlText, element string, p *mgmt.Profile) {
	if p == nil {
		return
	}
	x.open(element)
	x.open("blockStats")
	for _, b := range p.Blocks {
		x.open("block")
		x.leaf("size", b.Size)
		x.leaf("reads", b.Reads)
		x.leaf("writes", b.Writes)
		x.close("block")
	}
	x.close("blockStats")
	x.open("fopStats")
	for _, f := range p.Fops {
		x.open("fop")
		x.leaf("name", f.Name)
		x.leaf("hits", f.Count)
		x.leaf("avgLatency", fmt.Sprintf("%f", f.Avg))
		x.leaf("minLatency", fmt.Sprintf("%f", f.Min))
		x.leaf("maxLatency", fmt.Sprintf("%f", f.Max))
		x.close("fop")
	}
	x.close("fopStats")
	x.leaf("duration", int64(p.Seconds))
	x.leaf("totalRead", p.Read)
	x.leaf("totalWrite", p.Written)
	x.close(element)
}
