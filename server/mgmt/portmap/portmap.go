// Package portmap remembers which TCP port belongs to which brick of this node.
//
// A brick keeps its port for as long as nobody else takes it, over restarts of the
// brick, the daemon and the machine, so that firewalls and reconnecting clients find it
// where it was.
package portmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
)

// Base is where brick ports begin unless told otherwise.
const Base = 49152

// A Map is the ports of one node's bricks. All methods may be called concurrently.
type Map struct {
	file string
	host string // the node's address; "" for all of the machine's
	base int

	mu    sync.Mutex
	ports map[string]int // guarded by mu; by brick path; written to file at each change
}

// Open reads the map in file, which need not exist. Ports are given from base upward
// and must be free on host.
func Open(file, host string, base int) (*Map, error) {
	m := &Map{file: file, host: host, base: base, ports: map[string]int{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &m.ports); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return m, nil
}

// Assign returns the port on which the brick at path is to be started: its old one if
// that is free now, else the lowest free one.
func (m *Map) Assign(path string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.ports[path]; ok && m.free(p) {
		return p, nil
	}
	return m.choose(path)
}

// Reserve gives the brick at path a port if it never had one.
func (m *Map) Reserve(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.ports[path]; ok {
		return nil
	}
	_, err := m.choose(path)
	return err
}

// choose gives path the lowest free port. mu is held.
func (m *Map) choose(path string) (int, error) {
	taken := map[int]bool{}
	for other, p := range m.ports {
		if other != path {
			taken[p] = true
		}
	}
	for p := m.base; p <= 65535; p++ {
		if !taken[p] && m.free(p) {
			return p, m.set(path, p)
		}
	}
	return 0, fmt.Errorf("no free port from %d upward for brick %s", m.base, path)
}

// Keep records that the brick at path is running on port.
func (m *Map) Keep(path string, port int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ports[path] == port {
		return nil
	}
	return m.set(path, port)
}

// Forget gives up the port of a brick that is no more.
func (m *Map) Forget(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.ports[path]; !ok {
		return nil
	}
	delete(m.ports, path)
	return m.write()
}

// free tells whether nobody listens on port. It is a guess about the next moment: the
// brick that cannot listen says so and Assign is asked again.
func (m *Map) free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(m.host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func (m *Map) set(path string, port int) error {
	m.ports[path] = port
	return m.write()
}

// write replaces the file in one step. mu is held.
func (m *Map) write() error {
	text, err := json.MarshalIndent(m.ports, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(m.file+".tmp", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(m.file+".tmp", m.file)
}
