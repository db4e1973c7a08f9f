package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

const rule = "------------------------------------------------------------------------------"

// Things that status can show. Those of statusViews are in the bricks' memory.
const (
	showClients    = "clients"
	showClientList = "client-list"
	showTasks      = "tasks"
)

var statusViews = []string{mgmt.ViewMem, mgmt.ViewInode, mgmt.ViewFD, mgmt.ViewCallpool}

// statusKind returns what a word asks status to show; "": it is no such word. Beginnings of
// detail and clients do.
func statusKind(word string) string {
	switch {
	case word == "":
		return ""
	case slices.Contains(statusViews, word), word == showTasks, word == showClientList:
		return word
	case strings.HasPrefix("detail", word):
		return "detail"
	case len(word) > 1 && strings.HasPrefix(showClients, word):
		return showClients
	}
	return ""
}

// parseStatus reads [all | <VOLNAME> [<BRICK>]] [detail|clients|...], and what is to be shown.
func parseStatus(args []string) (q *mgmt.StatusReq, show string, err error) {
	q = &mgmt.StatusReq{Name: "all"}
	if len(args) > 3 {
		return nil, "", usage{}
	}
	if len(args) > 0 {
		q.Name = args[0]
	}
	if len(args) > 1 {
		last := args[len(args)-1]
		show = statusKind(last)
		switch {
		case show == "detail":
			q.Detail = true
		case slices.Contains(statusViews, show):
			q.View = show
		case show != "":
		case len(args) == 3:
			return nil, "", statusWord(q.Name, last)
		default:
			q.Brick = last
		}
	}
	if len(args) == 3 {
		q.Brick = args[1]
	}
	if q.Brick != "" && q.Name == "all" {
		return nil, "", usage{`Cannot specify brick/nfs for "all"`}
	}
	if q.Brick != "" && show == showTasks {
		return nil, "", usage{"Tasks status not available for bricks"}
	}
	return q, show, nil
}

func statusWord(name, word string) error {
	if name == "all" {
		return usage{`Cannot specify brick/nfs for "all"`}
	}
	return usage{word + " is not a valid status option"}
}

// service is the answer about a process that a volume does not have; nil: word is none.
func service(volume, word string, replicated bool) error {
	switch word {
	case "shd":
		if !replicated {
			return fmt.Errorf("Volume %s is not Self-heal compatible", volume)
		}
		return fmt.Errorf("No self-heal daemon runs for volume %s", volume)
	case "quotad":
		return fmt.Errorf("Volume %s does not have quota enabled", volume)
	case "bitd":
		return fmt.Errorf("Volume %s does not have bitrot enabled", volume)
	case "scrub":
		return fmt.Errorf("Volume %s does not have bitrot enabled. Scrubber will be enabled automatically if bitrot is enabled", volume)
	case "snapd":
		return fmt.Errorf("Volume %s does not have uss enabled", volume)
	}
	return nil
}

// status asks the daemon. Words for processes that bricks are not take their places.
func (c *cli) status(ctx context.Context, q *mgmt.StatusReq) (*mgmt.StatusReply, error) {
	word := q.Brick
	switch word {
	case "nfs": // there is none beside the bricks, which are shown
		q.Brick = ""
	case "shd", "quotad", "bitd", "scrub", "snapd":
		q.Brick = ""
		r, err := c.conn.Status(ctx, q)
		if err != nil {
			return nil, err
		}
		if word == "shd" && len(r.Volumes) == 1 && len(r.Volumes[0].Daemons) > 0 {
			r.Volumes[0].Bricks = nil
			return r, nil
		}
		vols, err := c.conn.Info(ctx, q.Name)
		if err != nil {
			return nil, err
		}
		reason := service(q.Name, word, len(vols) > 0 && vols[0].Replica > 1)
		return nil, &mgmt.Error{Code: mgmt.CodeInternal, Message: reason.Error()}
	}
	return c.conn.Status(ctx, q)
}

func (c *cli) volumeStatus(ctx context.Context, args []string) error {
	q, show, err := parseStatus(args)
	if err != nil {
		return err
	}
	tasks := q.Brick == ""
	r, err := c.status(ctx, q)
	switch {
	case err != nil && !refused(err):
		return err
	case c.json:
		return c.printJSON(r, err)
	case c.xml && err != nil:
		x := newXML(err)
		x.leaf("cliOp", "volStatus")
		x.leaf("output", err)
		return x.print(c.stdout)
	case c.xml:
		return c.printStatusXML(r, tasks, show)
	case err != nil:
		return err
	}
	if len(r.Volumes) == 0 && len(r.NotStarted) == 0 {
		fmt.Fprintln(c.stderr, "No volumes present")
	}
	for _, a := range r.Away {
		since := ""
		if a.Since != "" {
			since = ", since " + a.Since
		}
		fmt.Fprintf(c.stderr, "Node %s is not connected%s; its bricks are not shown\n", a.Host, since)
	}
	for _, name := range r.NotStarted {
		fmt.Fprintf(c.stderr, "Volume %s is not started\n", name)
	}
	for i := range r.Volumes {
		c.printVolumeStatus(&r.Volumes[i], show, tasks)
	}
	return nil
}

func (c *cli) printVolumeStatus(v *mgmt.VolumeStatus, show string, tasks bool) {
	switch show {
	case showClients:
		c.printClients(v)
	case showClientList:
		c.printClientList(v)
	case showTasks:
		c.printTasks(v)
	case "detail":
		c.printDetail(v)
	case "":
		c.printStatus(v, tasks)
	default:
		c.printView(v, show)
	}
}

// printStatus prints one volume's table. A brick asked for by name has no tasks.
func (c *cli) printStatus(v *mgmt.VolumeStatus, tasks bool) {
	fmt.Fprintf(c.stdout, "Status of volume: %s\n%-43s %s\n%s\n", v.Name, "Gluster process", "TCP Port  RDMA Port  Online  Pid", rule)
	for _, b := range v.Bricks {
		name := "Brick " + b.Host + ":" + b.Path
		for len(name) > 43 {
			fmt.Fprintln(c.stdout, name[:43])
			name = name[43:]
		}
		port, rdma, online, pid := columns(&b)
		fmt.Fprintf(c.stdout, "%-43s %-10s%-11s%-8s%-5s\n", name, port, rdma, online, pid)
	}
	for _, p := range v.Daemons {
		online, pid := "N", "N/A"
		if p.Online {
			online, pid = "Y", strconv.Itoa(p.PID)
		}
		fmt.Fprintf(c.stdout, "%-43s %-10s%-11s%-8s%-5s\n", p.Name+" on "+p.Host, "N/A", "N/A", online, pid)
	}
	fmt.Fprintln(c.stdout, " ")
	if tasks {
		c.printTasks(v)
	}
}

// printTasks prints the rebalances and the like that run: gofs has none yet that could.
func (c *cli) printTasks(v *mgmt.VolumeStatus) {
	fmt.Fprintf(c.stdout, "Task Status of Volume %s\n%s\nThere are no active volume tasks\n \n", v.Name, rule)
}

// columns are the values of a brick in the table.
func columns(b *mgmt.BrickState) (port, rdma, online, pid string) {
	if !b.Online {
		return "N/A", "N/A", "N", "N/A"
	}
	return strconv.Itoa(b.Port), "0", "Y", strconv.Itoa(b.PID)
}

func (c *cli) printDetail(v *mgmt.VolumeStatus) {
	fmt.Fprintf(c.stdout, "Status of volume: %s\n", v.Name)
	for _, b := range v.Bricks {
		port, rdma, online, pid := columns(&b)
		rows := [][2]string{{"Brick", "Brick " + b.Host + ":" + b.Path}, {"TCP Port", port}, {"RDMA Port", rdma}, {"Online", online}, {"Pid", pid}}
		if d := b.Disk; d != nil {
			rows = append(rows, [][2]string{{"File System", d.FS}, {"Device", d.Device}, {"Mount Options", d.Options}}...)
			if d.InodeSize > 0 {
				rows = append(rows, [2]string{"Inode Size", strconv.Itoa(d.InodeSize)})
			} else {
				rows = append(rows, [2]string{"Inode Size", "N/A"})
			}
			rows = append(rows, [][2]string{{"Disk Space Free", human(d.Free)}, {"Total Disk Space", human(d.Total)},
				{"Inode Count", fmt.Sprint(d.Inodes)}, {"Free Inodes", fmt.Sprint(d.FreeInodes)}}...)
		}
		fmt.Fprintln(c.stdout, rule)
		for _, r := range rows {
			fmt.Fprintf(c.stdout, "%-20s : %-20s\n", r[0], r[1])
		}
	}
	fmt.Fprintln(c.stdout, " ")
}

// human prints a size as GlusterFS does.
func human(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%dBytes", n)
	}
	f := float64(n)
	for _, unit := range []string{"KB", "MB", "GB", "TB"} {
		f /= 1024
		if f < 1024 {
			return fmt.Sprintf("%.1f%s", f, unit)
		}
	}
	return fmt.Sprintf("%.1fPB", f/1024)
}

func (c *cli) printClients(v *mgmt.VolumeStatus) {
	const short = "----------------------------------------------"
	const row = "%-48s %15s %15s %15s\n"
	fmt.Fprintf(c.stdout, "Client connections for volume %s\n%s\n", v.Name, short)
	for _, b := range v.Bricks {
		fmt.Fprintf(c.stdout, "Brick : %s:%s\nClients connected : %d\n", b.Host, b.Path, len(b.Clients))
		fmt.Fprintf(c.stdout, row, "Hostname", "BytesRead", "BytesWritten", "OpVersion")
		fmt.Fprintf(c.stdout, row, "--------", "---------", "------------", "---------")
		for _, cl := range b.Clients {
			fmt.Fprintf(c.stdout, row, cl.Addr, fmt.Sprint(cl.Read), fmt.Sprint(cl.Wrote), "100000")
		}
		fmt.Fprintln(c.stdout, short)
	}
	fmt.Fprintln(c.stdout)
}

func (c *cli) printStatusXML(r *mgmt.StatusReply, tasks bool, show string) error {
	x := newXML(nil)
	x.open("volStatus")
	if len(r.Volumes) == 0 {
		x.leaf("volumes", "")
	} else {
		x.open("volumes")
		for _, v := range r.Volumes {
			x.open("volume")
			x.leaf("volName", v.Name)
			x.leaf("nodeCount", len(v.Bricks)+len(v.Daemons))
			for i := range v.Bricks {
				brickXML(x, &v.Bricks[i], show)
			}
			for i := range v.Daemons {
				processXML(x, &v.Daemons[i])
			}
			if tasks {
				x.leaf("tasks", "")
			}
			x.close("volume")
		}
		x.close("volumes")
	}
	x.close("volStatus")
	return x.print(c.stdout)
}

func brickXML(x *xmlText, b *mgmt.BrickState, show string) {
	status, port, pid := 0, "N/A", -1
	if b.Online {
		status, port, pid = 1, strconv.Itoa(b.Port), b.PID
	}
	x.open("node")
	x.leaf("hostname", b.Host)
	x.leaf("path", b.Path)
	x.leaf("peerid", b.NodeID)
	x.leaf("status", status)
	x.leaf("port", port)
	x.open("ports")
	x.leaf("tcp", port)
	x.leaf("rdma", "N/A")
	x.close("ports")
	x.leaf("pid", pid)
	if d := b.Disk; d != nil {
		inode := "N/A"
		if d.InodeSize > 0 {
			inode = strconv.Itoa(d.InodeSize)
		}
		for _, l := range []struct {
			name  string
			value any
		}{{"sizeTotal", d.Total}, {"sizeFree", d.Free}, {"device", d.Device}, {"blockSize", d.BlockSize}, {"mntOptions", d.Options},
			{"fsName", d.FS}, {"inodeSize", inode}, {"inodesTotal", d.Inodes}, {"inodesFree", d.FreeInodes}} {
			x.leaf(l.name, l.value)
		}
	}
	if b.Online {
		viewXML(x, b.View, show)
	}
	if (show == showClients || show == showClientList) && b.Online {
		x.open("clientsStatus")
		x.leaf("clientCount", len(b.Clients))
		for _, cl := range b.Clients {
			x.open("client")
			x.leaf("hostname", cl.Addr)
			x.leaf("bytesRead", cl.Read)
			x.leaf("bytesWrite", cl.Wrote)
			x.leaf("opVersion", 100000)
			x.close("client")
		}
		x.close("clientsStatus")
	}
	x.close("node")
}

// processXML prints a process of a node as one of the volume's.
func processXML(x *xmlText, p *mgmt.ProcessState) {
	status, pid := 0, -1
	if p.Online {
		status, pid = 1, p.PID
	}
	x.open("node")
	x.leaf("hostname", p.Name)
	x.leaf("path", p.Host)
	x.leaf("peerid", p.NodeID)
	x.leaf("status", status)
	x.leaf("port", "N/A")
	x.open("ports")
	x.leaf("tcp", "N/A")
	x.leaf("rdma", "N/A")
	x.close("ports")
	x.leaf("pid", pid)
	x.close("node")
}
