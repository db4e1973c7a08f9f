package main

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/gofs/gofs/protocol/mgmt"
)

const replica2Warning = `Replica 2 volumes are prone to split-brain. Use Arbiter or Replica 3 to avoid this. See: http://docs.gluster.org/en/latest/Administrator-Guide/Split-brain-and-ways-to-deal-with-it/.
Do you still want to continue?
`

func (c *cli) volumeCreate(ctx context.Context, args []string) error {
	q, err := parseCreate(args)
	if err != nil {
		return err
	}
	node, err := c.conn.Node(ctx)
	if err != nil {
		return err
	}
	if err := checkBricks(q.Bricks, node.Host); err != nil {
		return err
	}
	if q.Replica == 2 && !c.ask(replica2Warning) {
		return usage{}
	}
	if len(q.Bricks)%max(q.Replica, 1) != 0 {
		return usage{"number of bricks is not a multiple of replica count"}
	}
	r, err := c.conn.Create(ctx, q)
	if c.xml && refused(err) {
		return newXMLCode(-1, 0, err.Error()).print(c.stdout) // no errno, unlike everywhere else
	}
	return c.acted("create", "volCreate", q.Name, ": please start the volume to access data", r, err)
}

// parseCreate reads the arguments of volume create.
func parseCreate(args []string) (*mgmt.CreateReq, error) {
	if len(args) < 2 {
		return nil, usage{}
	}
	q := &mgmt.CreateReq{Name: args[0], Transport: "tcp"}
	if err := checkName(q.Name); err != nil {
		return nil, err
	}
	args = args[1:]
	if args[len(args)-1] == "force" {
		q.Force, args = true, args[:len(args)-1]
	}
	seen := map[string]bool{}
	for len(args) > 0 && isCreateWord(args[0]) {
		word := args[0]
		if seen[word] {
			return nil, usage{word + " option given twice"}
		}
		seen[word] = true
		if len(args) < 2 {
			return nil, usage{}
		}
		if err := createOption(q, word, args[1]); err != nil {
			return nil, err
		}
		args = args[2:]
	}
	if q.Arbiter > 0 {
		q.Replica = 3
	}
	if len(args) == 0 {
		return nil, usage{}
	}
	q.Bricks = args
	return q, nil
}

func isCreateWord(w string) bool {
	switch w {
	case "replica", "arbiter", "thin-arbiter", "transport", "disperse", "disperse-data", "redundancy":
		return true
	}
	return false
}

// createOption reads one option and its value.
func createOption(q *mgmt.CreateReq, word, value string) error {
	switch word {
	case "replica":
		n, err := strconv.Atoi(value)
		if err != nil || n < 2 {
			return usage{"replica count should be greater than 1"}
		}
		q.Replica = n
	case "arbiter":
		if q.Replica == 0 {
			return usage{"arbiter option must be preceded by replica option."}
		}
		if value != "1" || q.Replica != 2 && q.Replica != 3 {
			return usage{"For arbiter configuration, replica count must be 2 and arbiter count must be 1. The 3rd brick of the replica will be the arbiter"}
		}
		q.Arbiter = 1
	case "thin-arbiter":
		if q.Replica == 0 {
			return usage{"thin-arbiter option must be preceded by replica option."}
		}
		return usage{"this version of gofs has no thin arbiters; use replica 2 arbiter 1"}
	case "transport":
		switch value {
		case "tcp":
		case "rdma", "tcp,rdma":
			return usage{"transport " + value + " is not supported; gofs speaks tcp"}
		default:
			return usage{}
		}
	default:
		return usage{"this version of gofs has no disperse volumes; use replica 3, or replica 2 arbiter 1"}
	}
	return nil
}

func checkName(name string) error {
	if name == "" || name[0] == '-' || name[0] == '/' {
		return usage{}
	}
	if name == "all" || name == "volume" {
		return usage{fmt.Sprintf("%q cannot be the name of a volume.", name)}
	}
	for _, r := range name {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return usage{fmt.Sprintf("Volume name should not contain \"%c\" character.\nVolume names can onlycontain alphanumeric, '-' and '_' characters.", r)}
		}
	}
	return nil
}

// checkBricks checks the form of the bricks and cleans their paths. own is the address
// of the daemon: if that is a loopback one, so may those of the bricks, else not.
func checkBricks(bricks []string, own string) error {
	seen := map[string]bool{}
	for i, b := range bricks {
		at := strings.LastIndex(b, ":/")
		if at <= 0 {
			return usage{fmt.Sprintf("Wrong brick type: %s, use <HOSTNAME>:<export-dir-abs-path>", b)}
		}
		host := b[:at]
		b = host + ":" + path.Clean(b[at+1:])
		if isLoopback(host) && (host == "localhost" || !isLoopback(own)) {
			return usage{"Please provide a valid hostname/ip other than localhost, 127.0.0.1 or loopback address (0.0.0.0 to 0.255.255.255)."}
		}
		if seen[b] {
			return usage{"Found duplicate exports " + b}
		}
		seen[b] = true
		bricks[i] = b
	}
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return host == "localhost"
	}
	a = a.Unmap()
	return a.IsLoopback() || a.IsUnspecified() || a.Is4() && a.As4()[0] == 0
}
