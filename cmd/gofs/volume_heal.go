package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

const healPattern = "volume heal <VOLNAME> [enable | disable | full |statistics [heal-count [replica <HOSTNAME:BRICKNAME>]] |info [summary | split-brain] |split-brain {bigger-file <FILE> | latest-mtime <FILE> |source-brick <HOSTNAME:BRICKNAME> [<FILE>] |keep-both <HOSTNAME:BRICKNAME> <FILE>} |granular-entry-heal {enable | disable} |watch]"

// volumeHeal runs the forms of volume heal.
func (c *cli) volumeHeal(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usage{}
	}
	vol, args := args[0], args[1:]
	form := ""
	if len(args) > 0 {
		form, args = args[0], args[1:]
	}
	switch {
	case form == "" || form == "full" && len(args) == 0:
		return c.healNow(ctx, vol, form)
	case (form == "enable" || form == "disable") && len(args) == 0:
		return c.healSwitch(ctx, vol, "heal", "cluster.self-heal-daemon", form)
	case form == "granular-entry-heal" && len(args) == 1 && (args[0] == "enable" || args[0] == "disable"):
		return c.healSwitch(ctx, vol, "granular entry heal", "cluster.granular-entry-heal", args[0])
	case form == "info" && len(args) == 0:
		return c.healInfo(ctx, vol, "")
	case form == "info" && len(args) == 1 && (args[0] == "summary" || args[0] == "split-brain"):
		return c.healInfo(ctx, vol, args[0])
	case form == "statistics" && len(args) == 0:
		return c.healStatistics(ctx, vol)
	case form == "statistics" && args[0] == "heal-count" && (len(args) == 1 || len(args) == 3 && args[1] == "replica"):
		return c.healCount(ctx, vol, strings.Join(args[min(2, len(args)):], ""))
	case form == "split-brain" && len(args) == 3 && args[0] == "keep-both":
		return c.healKeepBoth(ctx, vol, args[1], args[2])
	case form == "split-brain" && len(args) > 1:
		return c.healSplit(ctx, vol, args)
	case form == "watch" && len(args) == 0:
		return c.healWatch(ctx, vol)
	}
	return usage{}
}

// healNow has the heal daemons look at the index, or at everything.
func (c *cli) healNow(ctx context.Context, vol, form string) error {
	what := form
	if what == "" {
		what = "index"
	}
	r, err := c.conn.Heal(ctx, &mgmt.HealReq{Name: vol, What: what})
	if err == nil {
		for _, b := range r.Bricks {
			if !b.Connected {
				err = &mgmt.Error{Code: mgmt.CodeInternal, Message: fmt.Sprintf("Brick %s: %s. The others are being healed.", b.Name(), b.Error)}
				break
			}
		}
	}
	if done, err := c.report(r, err, func() error { return newXML(nil).print(c.stdout) }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("Launching heal operation to perform %s self heal on volume %s has been unsuccessful:\n%w", what, vol, err)
	}
	fmt.Fprintf(c.stdout, "Launching heal operation to perform %s self heal on volume %s has been successful \nUse heal info commands to check status.\n", what, vol)
	return nil
}

// healSwitch sets an option in other words.
func (c *cli) healSwitch(ctx context.Context, vol, what, key, verb string) error {
	err := c.conn.Set(ctx, &mgmt.SetReq{Name: vol, Options: []mgmt.Option{{Key: key, Value: verb}}})
	title := strings.ToUpper(verb[:1]) + verb[1:]
	if done, err := c.report(nil, err, func() error { return newXML(nil).print(c.stdout) }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s %s on volume %s has been unsuccessful:\n%w", title, what, vol, err)
	}
	fmt.Fprintf(c.stdout, "%s %s on volume %s has been successful \n", title, what, vol)
	return nil
}

// healFailed prints why a command that reads failed, as GlusterFS's helper program does.
func (c *cli) healFailed(err error) error {
	if !refused(err) {
		return err
	}
	fmt.Fprintf(c.stdout, "%v\nVolume heal failed.\n", err)
	switch code := mgmt.ErrorCode(err); code {
	case mgmt.CodeNotStarted, mgmt.CodeNotReplicated:
		return failure{code}
	}
	return failure{254}
}

const notConnected = "Transport endpoint is not connected"

// healInfo prints what is pending: kind is nothing, summary or split-brain.
func (c *cli) healInfo(ctx context.Context, vol, kind string) error {
	q := &mgmt.HealReq{Name: vol, What: "info", Info: mgmt.HealInfoAsk{Entries: kind != "summary", Split: kind == "split-brain"}}
	r, err := c.conn.Heal(ctx, q)
	switch {
	case c.json && (err == nil || refused(err)):
		return c.printJSON(r, err)
	case err != nil:
		return c.healFailed(err)
	case c.xml:
		return c.printHealXML(r, kind)
	}
	for i := range r.Bricks {
		c.printHealInfo(&r.Bricks[i], kind)
	}
	return nil
}

// rows are the counts of a brick that heal info prints.
func healRows(b *mgmt.HealedBrick, kind string) [][2]string {
	n := func(f func(*mgmt.HealInfo) int) string {
		if !b.Connected {
			return "-"
		}
		return fmt.Sprint(f(b.Info))
	}
	total := n(func(i *mgmt.HealInfo) int { return i.Total })
	switch kind {
	case "summary":
		return [][2]string{
			{"Total Number of entries", total},
			{"Number of entries in heal pending", n(func(i *mgmt.HealInfo) int { return i.Total - i.Split - i.Healing })},
			{"Number of entries in split-brain", n(func(i *mgmt.HealInfo) int { return i.Split })},
			{"Number of entries possibly healing", n(func(i *mgmt.HealInfo) int { return i.Healing })}}
	case "split-brain":
		return [][2]string{{"Number of entries in split-brain", total}}
	}
	return [][2]string{{"Number of entries", total}}
}

func (c *cli) printHealInfo(b *mgmt.HealedBrick, kind string) {
	fmt.Fprintf(c.stdout, "Brick %s\n", b.Name())
	if !b.Connected {
		fmt.Fprintf(c.stdout, "Status: %s\n", notConnected)
	} else {
		for _, e := range b.Info.Entries {
			end := " "
			switch {
			case kind == "split-brain":
				end = ""
			case e.Split:
				end = " - Is in split-brain"
			case e.Healing:
				end = " - Possibly undergoing heal"
			}
			fmt.Fprintln(c.stdout, e.Path+end)
		}
		if b.Info.More {
			fmt.Fprintln(c.stderr, "There are more; only the first are listed. 'info summary' counts all.")
		}
		fmt.Fprintln(c.stdout, "Status: Connected")
	}
	for _, r := range healRows(b, kind) {
		fmt.Fprintf(c.stdout, "%s: %s\n", r[0], r[1])
	}
	fmt.Fprintln(c.stdout)
}

// printHealXML prints heal info with GlusterFS's order, in which the result comes last.
func (c *cli) printHealXML(r *mgmt.HealReply, kind string) error {
	x := &xmlText{}
	x.b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n")
	x.open("cliOutput")
	x.open("healInfo")
	x.open("bricks")
	for i := range r.Bricks {
		b := &r.Bricks[i]
		id, status := b.NodeID, "Connected"
		if !b.Connected {
			id, status = "-", notConnected
		}
		x.line(fmt.Sprintf("<brick hostUuid=%q>", id))
		x.depth++
		x.leaf("name", b.Name())
		if b.Info != nil {
			for _, e := range b.Info.Entries {
				x.line(fmt.Sprintf("<file gfid=%q>%s</file>", e.GFID, escape(e.Path)))
			}
		}
		x.leaf("status", status)
		names := []string{"numberOfEntries"}
		if kind == "summary" {
			names = []string{"totalNumberOfEntries", "numberOfEntriesInHealPending", "numberOfEntriesInSplitBrain", "numberOfEntriesPossiblyHealing"}
		}
		for j, row := range healRows(b, kind) {
			x.leaf(names[j], row[1])
		}
		x.close("brick")
	}
	x.close("bricks")
	x.close("healInfo")
	x.leaf("opRet", 0)
	x.leaf("opErrno", 0)
	x.leaf("opErrstr", "")
	return x.print(c.stdout)
}

// healCount prints how much is pending, of all bricks or of the set that has replica.
func (c *cli) healCount(ctx context.Context, vol, replica string) error {
	r, err := c.conn.Heal(ctx, &mgmt.HealReq{Name: vol, What: "info"})
	per := ""
	if replica != "" {
		per = " per replica"
	}
	if err == nil && replica != "" {
		i := slices.IndexFunc(r.Bricks, func(b mgmt.HealedBrick) bool { return b.Name() == replica })
		if i < 0 {
			err = mgmt.Errorf("No brick %s in volume %s", replica, vol)
		} else {
			first := i - i%r.Replica
			r.Bricks = r.Bricks[first : first+r.Replica]
		}
	}
	if done, err := c.report(r, err, func() error { return c.printHealXML(r, "") }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("Gathering count of entries to be healed%s on volume %s has been unsuccessful:\n%w", per, vol, err)
	}
	fmt.Fprintf(c.stdout, "Gathering count of entries to be healed%s on volume %s has been successful \n", per, vol)
	for i := range r.Bricks {
		b := &r.Bricks[i]
		fmt.Fprintf(c.stdout, "\nBrick %s\n", b.Name())
		if !b.Connected {
			fmt.Fprint(c.stdout, "Status: Brick is not connected\nNo gathered input for this brick\n")
			continue
		}
		fmt.Fprintf(c.stdout, "Number of entries: %d\n", b.Info.Total)
	}
	return nil
}

// healStatistics prints the last crawls of every brick.
func (c *cli) healStatistics(ctx context.Context, vol string) error {
	r, err := c.conn.Heal(ctx, &mgmt.HealReq{Name: vol, What: "stats"})
	if done, err := c.report(r, err, func() error { return newXML(nil).print(c.stdout) }); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("Gathering crawl statistics on volume %s has been unsuccessful:\n%w", vol, err)
	}
	fmt.Fprintf(c.stdout, "Gathering crawl statistics on volume %s has been successful \n", vol)
	for i, b := range r.Bricks {
		fmt.Fprintf(c.stdout, "------------------------------------------------\n\nCrawl statistics for brick no %d\nHostname of brick %s\n", i, b.Host)
		if !b.Connected {
			fmt.Fprintf(c.stdout, "Status: %s\n", b.Error)
			continue
		}
		for _, w := range b.Stats.Crawls {
			c.printCrawl(&w)
		}
	}
	fmt.Fprintln(c.stdout)
	return nil
}

func (c *cli) printCrawl(w *mgmt.Crawl) {
	end := "Crawl is in progress"
	if !w.End.IsZero() {
		end = "Ending time of crawl: " + w.End.Format(time.ANSIC)
	}
	fmt.Fprintf(c.stdout, "\nStarting time of crawl: %s\n\n%s\n\nType of crawl: %s\nNo. of entries healed: %d\nNo. of entries in split-brain: %d\nNo. of heal failed entries: %d\n",
		w.Start.Format(time.ANSIC), end, w.Type, w.Healed, w.SplitBrain, w.Failed)
}

// healSplit ends split-brains.
func (c *cli) healSplit(ctx context.Context, vol string, args []string) error {
	q := &mgmt.HealReq{Name: vol, What: "resolve", Resolve: mgmt.ResolveAsk{How: args[0]}}
	switch {
	case (args[0] == "bigger-file" || args[0] == "latest-mtime") && len(args) == 2:
		q.Resolve.File = args[1]
	case args[0] == "source-brick" && len(args) <= 3:
		q.Brick = args[1]
		q.Resolve.File = strings.Join(args[2:], "")
	default:
		return usage{}
	}
	r, err := c.conn.Heal(ctx, q)
	if c.json && (err == nil || refused(err)) {
		return c.printJSON(r, err)
	}
	if err != nil {
		return c.healFailed(err)
	}
	return c.printResolved(r, q)
}

// printResolved prints what became of each file. Of a set whose bricks were all asked one that
// did it is enough.
func (c *cli) printResolved(r *mgmt.HealReply, q *mgmt.HealReq) error {
	var failed *mgmt.Healed
	done := 0
	for _, b := range r.Bricks {
		for i, h := range b.Healed {
			if h.Error != "" {
				failed = &b.Healed[i]
				continue
			}
			if q.Resolve.File == "" || done == 0 {
				fmt.Fprintf(c.stdout, "Healed %s.\n", h.File)
			}
			done++
		}
	}
	if q.Resolve.File == "" && done > 0 {
		fmt.Fprintf(c.stdout, "Status: Connected\nNumber of healed entries: %d\n\n", done)
	}
	switch {
	case done > 0:
		return nil
	case failed != nil && strings.Contains(failed.Error, "no such file"):
		fmt.Fprintf(c.stdout, "Lookup failed on %s:No such file or directory.\nVolume heal failed.\n", failed.File)
		return failure{22}
	case failed != nil:
		fmt.Fprintf(c.stdout, "Healing %s failed: %s.\nVolume heal failed.\n", failed.File, strings.TrimSuffix(failed.Error, "."))
	case q.Resolve.File == "":
		fmt.Fprintf(c.stdout, "Status: Connected\nNumber of healed entries: 0\n\n")
		return nil
	default:
		fmt.Fprintf(c.stdout, "%s\nVolume heal failed.\n", notConnected)
	}
	return failure{1}
}

// watching is the pause between two lines of volume heal watch.
const watching = time.Second

// healWatch prints how healing goes on until nothing is pending.
func (c *cli) healWatch(ctx context.Context, vol string) error {
	var healed, written int64
	begin := time.Now()
	first := -1
	for {
		info, err := c.conn.Heal(ctx, &mgmt.HealReq{Name: vol, What: "info"})
		if err != nil {
			return c.healFailed(err)
		}
		stats, err := c.conn.Heal(ctx, &mgmt.HealReq{Name: vol, What: "stats"})
		if err != nil {
			return c.healFailed(err)
		}
		pending := 0
		for _, b := range info.Bricks {
			if b.Connected {
				pending = max(pending, b.Info.Total)
			}
		}
		var h, w int64
		for _, b := range stats.Bricks {
			if b.Connected {
				h, w = h+b.Stats.Healed, w+b.Stats.Written
			}
		}
		if first < 0 {
			first, healed, written = pending, h, w
		}
		c.printProgress(pending, h-healed, w-written, time.Since(begin))
		if pending == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watching):
		}
	}
}

func (c *cli) printProgress(pending int, healed, written int64, took time.Duration) {
	left := "unknown"
	if rate := float64(healed) / took.Seconds(); healed > 0 && rate > 0 {
		left = (time.Duration(float64(pending)/rate) * time.Second).String()
	}
	fmt.Fprintf(c.stdout, "%d entries pending, %d healed, %s written, %.0f entries/s, %s/s, time left %s\n",
		pending, healed, human(uint64(written)), float64(healed)/took.Seconds(), human(uint64(float64(written)/max(took.Seconds(), 0.001))), left)
}
