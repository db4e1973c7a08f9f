package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

// topOps are the kinds of top, in the order of GlusterFS's numbers, which begin with 1.
var topOps = []string{mgmt.TopOpen, mgmt.TopRead, mgmt.TopWrite, mgmt.TopOpendir, mgmt.TopReaddir, mgmt.TopReadPerf, mgmt.TopWritePerf}

// parseTop reads the arguments of volume top.
func parseTop(args []string) (*mgmt.TopReq, error) {
	if len(args) < 2 {
		return nil, usage{}
	}
	q := &mgmt.TopReq{Name: args[0], TopAsk: mgmt.TopAsk{Kind: args[1], List: 100}}
	perf := q.Kind == mgmt.TopReadPerf || q.Kind == mgmt.TopWritePerf
	if q.Kind != mgmt.TopClear && !slices.Contains(topOps, q.Kind) {
		return nil, usage{}
	}
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		if rest[0] == "nfs" {
			return nil, errNoNFS
		}
		if len(rest) < 2 {
			return nil, usage{}
		}
		value := rest[1]
		number, err := strconv.ParseInt(value, 10, 64)
		switch word := rest[0]; {
		case word == "brick":
			q.Brick = value
		case word == "list-cnt":
			if err != nil || number < 0 || number > 100 {
				return nil, usage{"list-cnt should be between 0 to 100"}
			}
			q.List = int(number)
		case word == "bs" && perf:
			if err != nil {
				return nil, usage{"block size is an invalid number"}
			}
			if number <= 0 {
				return nil, usage{"block size should be an integer greater than zero"}
			}
			q.BlockSize = number
		case word == "count" && perf:
			if err != nil {
				return nil, usage{"count is an invalid number"}
			}
			if number <= 0 {
				return nil, usage{"count should be an integer greater than zero"}
			}
			q.Count = number
		default:
			return nil, usage{}
		}
	}
	const most = 10 << 30
	if (q.BlockSize > 0) != (q.Count > 0) {
		return nil, usage{"Need to give both 'bs' and 'count'"}
	}
	if q.Count > 0 && (q.BlockSize > most || q.Count > most/q.BlockSize) {
		return nil, usage{fmt.Sprintf("'bs * count' value %d is greater than maximum allowed value of 10GB", uint64(q.BlockSize)*uint64(q.Count))}
	}
	return q, nil
}

func (c *cli) volumeTop(ctx context.Context, args []string) error {
	q, err := parseTop(args)
	if err != nil {
		return err
	}
	r, err := c.conn.Top(ctx, q)
	if done, err := c.report(r, err, func() error { return c.printTopXML(q, r) }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w\nvolume top unsuccessful", err)
	}
	for i := range r.Bricks {
		c.printTop(q, &r.Bricks[i])
	}
	return nil
}

func (c *cli) printTop(q *mgmt.TopReq, b *mgmt.BrickTop) {
	switch {
	case b.Error != "":
		c.offline(&b.Brick, b.Error)
		return
	case q.Kind == mgmt.TopClear:
		fmt.Fprintf(c.stdout, "Cleared stats for brick %s\n", b.Name())
		return
	}
	fmt.Fprintf(c.stdout, "Brick: %s\n", b.Name())
	if b.Throughput != nil {
		fmt.Fprintf(c.stdout, "Throughput %.2f MBps time %.4f secs\n", b.Throughput.MBps, b.Throughput.Seconds)
	}
	if q.Kind == mgmt.TopOpen {
		fmt.Fprintf(c.stdout, "Current open fds: %d, Max open fds: %d, Max openfd time: %s\n", b.Open, b.MostOpen, topTime(b.MostAt))
	}
	if len(b.Files) == 0 {
		return
	}
	const row = "%4v %-47s %-26s\n"
	perf := q.Kind == mgmt.TopReadPerf || q.Kind == mgmt.TopWritePerf
	if perf {
		fmt.Fprintf(c.stdout, row+row, "MBps", "Filename", "Time", "====", "========", "====")
	} else {
		fmt.Fprint(c.stdout, "Count\t\tfilename\n=======================\n")
	}
	for _, f := range b.Files {
		if !perf {
			fmt.Fprintf(c.stdout, "%d\t\t%s\n", f.Value, f.Name)
			continue
		}
		name := f.Name
		if len(name) > 47 {
			name = "..." + name[len(name)-44:]
		}
		fmt.Fprintf(c.stdout, row, f.Value, name, rowTime(f.At))
	}
}

// topTime prints a moment as GlusterFS does.
func topTime(t *time.Time) string {
	if t == nil {
		return "N/A"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000 -0700")
}

// rowTime is topTime as it is in the rows of the table: the microseconds are last.
func rowTime(t *time.Time) string {
	if t == nil {
		return "N/A"
	}
	return t.UTC().Format("2006-01-02 15:04:05 -0700") + fmt.Sprintf(".%06d", t.Nanosecond()/1000)
}

func (c *cli) printTopXML(q *mgmt.TopReq, r *mgmt.TopReply) error {
	x := newXML(nil)
	x.open("volTop")
	x.leaf("brickCount", len(r.Bricks))
	x.leaf("topOp", slices.Index(topOps, q.Kind)+1)
	for _, b := range r.Bricks {
		x.open("brick")
		x.leaf("name", b.Name())
		x.leaf("members", len(b.Files))
		if q.Kind == mgmt.TopOpen {
			x.leaf("currentOpen", b.Open)
			x.leaf("maxOpen", b.MostOpen)
			x.leaf("maxOpenTime", topTime(b.MostAt))
		}
		if b.Throughput != nil {
			x.leaf("throughput", fmt.Sprintf("%f", b.Throughput.MBps))
			x.leaf("timeTaken", fmt.Sprintf("%f", 1e6*b.Throughput.Seconds)) // microseconds, unlike in the table
		}
		for _, f := range b.Files {
			x.open("file")
			x.leaf("filename", f.Name)
			x.leaf("count", f.Value)
			if f.At != nil {
				x.leaf("time", topTime(f.At))
			}
			x.close("file")
		}
		x.close("brick")
	}
	x.close("volTop")
	return x.print(c.stdout)
}
