package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gofs/gofs/inspect"
	"github.com/gofs/gofs/protocol/mgmt"
)

const shortRule = "----------------------------------------------"

// viewTitles are the first lines of the views.
var viewTitles = map[string]string{
	mgmt.ViewMem: "Memory status for volume : %s\n", mgmt.ViewInode: "Inode tables for volume %s\n",
	mgmt.ViewFD: "FD tables for volume %s\n", mgmt.ViewCallpool: "Pending calls for volume %s\n",
}

// printView prints what is in the memory of a volume's bricks.
func (c *cli) printView(v *mgmt.VolumeStatus, show string) {
	fmt.Fprintf(c.stdout, viewTitles[show]+shortRule+"\n", v.Name)
	for _, b := range v.Bricks {
		fmt.Fprintf(c.stdout, "Brick : %s\n", b.Name())
		if b.View != nil {
			c.printBrickView(b.View, show)
		}
		fmt.Fprintln(c.stdout, shortRule)
	}
	if show == mgmt.ViewMem {
		fmt.Fprintln(c.stdout)
	}
}

func (c *cli) printBrickView(v *mgmt.BrickView, show string) {
	switch {
	case show == mgmt.ViewMem && v.Memory != nil:
		fmt.Fprint(c.stdout, "Mallinfo\n--------\n")
		for _, r := range inspect.MallInfo(v.Memory) {
			fmt.Fprintf(c.stdout, "%-8s : %d\n", strings.ToUpper(r.Key[:1])+r.Key[1:], r.Value)
		}
		fmt.Fprintln(c.stdout, " ")
	case show == mgmt.ViewInode && v.Inodes != nil:
		c.printInodes(v.Inodes)
	case show == mgmt.ViewFD:
		c.printFDs(v.Conns)
	case show == mgmt.ViewCallpool:
		c.printCalls(v.Conns)
	}
}

// printInodes prints the brick's one table, which all connections share.
func (c *cli) printInodes(in *mgmt.Inodes) {
	fmt.Fprintf(c.stdout, "Connection 1:\nLRU limit     : %d\nActive Inodes : %d\nLRU Inodes    : %d\nPurge Inodes  : 0\n", in.Limit, in.Active, in.LRU)
	if len(in.List) > 0 {
		const row = "%-40s %14v %14v %9s\n"
		fmt.Fprintln(c.stdout)
		fmt.Fprintf(c.stdout, row+row, "GFID", "Lookups", "Ref", "IA type", "----", "-------", "---", "-------")
		for _, i := range in.List {
			fmt.Fprintf(c.stdout, row, i.GFID, i.Open, i.Refs, i.Type)
		}
	}
	fmt.Fprintln(c.stdout, " ")
}

func (c *cli) printFDs(conns []mgmt.Connection) {
	n := 0
	for _, conn := range conns {
		if len(conn.FDs) == 0 {
			continue
		}
		n++
		fmt.Fprintf(c.stdout, "Connection %d:\nRefCount = %d  MaxFDs = %d  FirstFree = %d\n", n, 1, conn.Handles, conn.Handles)
		const row = "%-19v %-19v %-19v %-19v\n"
		fmt.Fprintf(c.stdout, row+row, "FD Entry", "PID", "RefCount", "Flags", "--------", "---", "--------", "-----")
		for i, fd := range conn.FDs {
			fmt.Fprintf(c.stdout, row, i, fd.PID, fd.Refs, fd.Flags)
		}
		fmt.Fprintln(c.stdout, " ")
	}
}

func (c *cli) printCalls(conns []mgmt.Connection) {
	var calls []mgmt.Call
	for _, conn := range conns {
		calls = append(calls, conn.Calls...)
	}
	fmt.Fprintf(c.stdout, "Pending calls: %d\n", len(calls))
	for i, q := range calls {
		fmt.Fprintf(c.stdout, "Call Stack%d\n UID    : %d\n GID    : %d\n PID    : %d\n Unique : %d\n Frames : 1\n Frame 1\n", i+1, q.UID, q.GID, q.PID, q.Unique)
		fmt.Fprintf(c.stdout, "  Wind To     = %s\n  Pending     = %.3f secs\n \n", q.Fop, q.Seconds)
	}
}

// healer is the kind of client that heal daemons are.
const healer = "glustershd"

// clientKinds counts the processes that are a volume's clients, by kind. Each connects with
// every brick. All that call themselves after their host and number only are mounts.
func clientKinds(v *mgmt.VolumeStatus) map[string]int {
	seen := map[string]bool{}
	kinds := map[string]int{}
	for _, b := range v.Bricks {
		for _, cl := range b.Clients {
			kind, process := cl.Name, cl.Name
			// HOST-PID-VOLUME-client-N, or HOST-PID-glustershd-VOLUME-client-N
			if at := strings.LastIndex(cl.Name, "-"+v.Name+"-client-"); at > 0 {
				kind, process = "fuse", cl.Name[:at]
				if strings.HasSuffix(process, "-"+healer) {
					kind = healer
				}
			}
			if !seen[process] {
				seen[process] = true
				kinds[kind]++
			}
		}
	}
	return kinds
}

func (c *cli) printClientList(v *mgmt.VolumeStatus) {
	kinds := clientKinds(v)
	total := 0
	const row = "%-48s %15v\n"
	fmt.Fprintf(c.stdout, "Client connections for volume %s\n"+row+row, v.Name, "Name", "count", "-----", "------")
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(c.stdout, row, name, kinds[name])
		total += kinds[name]
	}
	fmt.Fprintf(c.stdout, "\ntotal clients for volume %s : %d \n-----------------------------------------------------------------\n\n", v.Name, total)
}

// viewXML adds what is in a brick's memory to its node.
func viewXML(x *xmlText, v *mgmt.BrickView, show string) {
	switch {
	case v == nil:
	case show == mgmt.ViewMem && v.Memory != nil:
		x.open("memStatus")
		x.open("mallinfo")
		for _, r := range inspect.MallInfo(v.Memory) {
			x.leaf(r.Key, r.Value)
		}
		x.close("mallinfo")
		x.leaf("mempool", "")
		x.close("memStatus")
	case show == mgmt.ViewInode && v.Inodes != nil:
		inodesXML(x, v.Inodes)
	case show == mgmt.ViewFD:
		fdsXML(x, v.Conns)
	case show == mgmt.ViewCallpool:
		callsXML(x, v.Conns)
	}
}

func inodesXML(x *xmlText, in *mgmt.Inodes) {
	x.open("inodeStatus")
	x.leaf("connections", 1)
	x.open("connection")
	x.leaf("lruLimit", in.Limit)
	x.leaf("activeSize", in.Active)
	if len(in.List) > 0 {
		x.open("active")
		for _, i := range in.List {
			x.open("inode")
			x.leaf("gfid", i.GFID)
			x.leaf("nLookup", i.Open)
			x.leaf("ref", i.Refs)
			x.leaf("iaType", i.Type)
			x.close("inode")
		}
		x.close("active")
	}
	x.leaf("lruSize", in.LRU)
	x.leaf("purgeSize", 0)
	x.close("connection")
	x.close("inodeStatus")
}

func fdsXML(x *xmlText, conns []mgmt.Connection) {
	x.open("fdStatus")
	x.leaf("connections", len(conns))
	for _, conn := range conns {
		x.open("connection")
		x.open("fdTable")
		x.leaf("refCount", 1)
		x.leaf("maxFds", conn.Handles)
		x.leaf("firstFree", conn.Handles)
		if len(conn.FDs) > 0 {
			x.open("openFds")
			for i, fd := range conn.FDs {
				x.open("fd")
				x.leaf("entry", i)
				x.leaf("pid", fd.PID)
				x.leaf("refCount", fd.Refs)
				x.leaf("flags", fd.Flags)
				x.close("fd")
			}
			x.close("openFds")
		}
		x.close("fdTable")
		x.close("connection")
	}
	x.close("fdStatus")
}

func callsXML(x *xmlText, conns []mgmt.Connection) {
	n := 0
	for _, conn := range conns {
		n += len(conn.Calls)
	}
	x.open("callpoolStatus")
	x.leaf("count", n)
	for _, conn := range conns {
		for _, q := range conn.Calls {
			x.open("callStack")
			x.leaf("uid", q.UID)
			x.leaf("gid", q.GID)
			x.leaf("pid", q.PID)
			x.leaf("unique", q.Unique)
			x.leaf("frameCount", 1)
			x.open("callFrame")
			x.leaf("windTo", q.Fop)
			x.close("callFrame")
			x.close("callStack")
		}
	}
	x.close("callpoolStatus")
}
