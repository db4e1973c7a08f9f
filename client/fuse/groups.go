package fuse

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxGroupEntries bounds groupCache; above it, it starts anew.
const maxGroupEntries = 4096

// groupCache remembers the supplementary groups of processes, which the kernel does not
// send. Its key holds the ids too, so that another process with the same pid is not
// taken for the old one unless it is the same user.
type groupCache struct {
	timeout time.Duration
	mu      sync.Mutex
	known   map[groupKey]groupEntry
}

type groupKey struct{ pid, uid, gid uint32 }

type groupEntry struct {
	groups []uint32 // not changed any more
	until  time.Time
}

func (c *groupCache) init(timeout time.Duration) {
	c.timeout = timeout
	c.known = map[groupKey]groupEntry{}
}

// of returns the groups of a process; nil for root, who needs none.
func (c *groupCache) of(pid, uid, gid uint32) []uint32 {
	if uid == 0 || pid == 0 {
		return nil
	}
	k := groupKey{pid, uid, gid}
	now := time.Now()
	c.mu.Lock()
	e, ok := c.known[k]
	c.mu.Unlock()
	if ok && now.Before(e.until) {
		return e.groups
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/status")
	if err != nil {
		return nil // the process is gone
	}
	e = groupEntry{parseGroups(status), now.Add(c.timeout)}
	c.mu.Lock()
	if len(c.known) >= maxGroupEntries {
		clear(c.known)
	}
	c.known[k] = e
	c.mu.Unlock()
	return e.groups
}

// parseGroups reads the "Groups:" line of /proc/PID/status.
func parseGroups(status []byte) []uint32 {
	_, rest, ok := bytes.Cut(status, []byte("\nGroups:"))
	if !ok {
		return nil
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	var out []uint32
	for _, f := range strings.Fields(string(line)) {
		if g, err := strconv.ParseUint(f, 10, 32); err == nil {
			out = append(out, uint32(g))
		}
	}
	return out
}
