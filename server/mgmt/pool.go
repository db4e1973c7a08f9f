package mgmt

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/gofs/gofs/protocol/mgmt"
)

// A pool is what this node knows of its pool besides the log, in pool.json: who may
// come in, and how to find the others. All methods may be called concurrently.
type pool struct {
	file string
	uuid string // this node's

	mu sync.Mutex
	f  poolFile // guarded by mu; written to file at each change
}

type poolFile struct {
	// Pool is the pool's UUID, "" if this node has always been alone.
	Pool string `json:"pool"`
	Key  []byte `json:"key"`  // the pool's secret
	Life int    `json:"life"` // see store.Node
	Boot uint32 `json:"boot"` // starts of this daemon in this life
	// Seeds are where other daemons listened, IP:port.
	Seeds []string `json:"seeds"`
	// Seen is the highest boot number that each other node has shown: one that shows a
	// lower one runs on an old copy of its state, and would be a danger to the log.
	Seen map[string]uint64 `json:"seen"`
}

const keySize = 32

// openPool reads the file, which need not exist, and counts this start.
func openPool(dir, uuid string) (*pool, error) {
	p := &pool{file: filepath.Join(dir, "pool.json"), uuid: uuid, f: poolFile{Seen: map[string]uint64{}}}
	text, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p.f)
	}
	if err == nil && p.f.Pool != "" && len(p.f.Key) != keySize {
		err = errors.New("it has no key")
	}
	if err != nil {
		return nil, fmt.Errorf("what this node knows of its pool, %s, cannot be read: %w. Move the file and raft.db away, start the daemon and probe this node from one of its peers", p.file, err)
	}
	if p.f.Seen == nil {
		p.f.Seen = map[string]uint64{}
	}
	p.f.Boot++
	return p, p.write()
}

// write makes the file what f is. mu is held, or p is not shared yet.
func (p *pool) write() error {
	text, err := json.MarshalIndent(&p.f, "", " ")
	if err != nil {
		return err
	}
	return replaceFile(p.file, text)
}

// replaceFile makes a file durably what text is, or leaves it as it was.
func replaceFile(path string, text []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// joined tells whether this node is or was in a pool with others.
func (p *pool) joined() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.f.Pool != ""
}

// now returns a copy of the file.
func (p *pool) now() poolFile {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.f
	f.Seeds = slices.Clone(f.Seeds)
	f.Seen = nil
	return f
}

// me is how this node shows itself to others.
func (p *pool) me() mgmt.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return mgmt.Member{UUID: p.uuid, Boot: bootNumber(p.f.Life, p.f.Boot), Key: p.f.Key}
}

// bootNumber is what mgmt.Member.Boot is made of.
func bootNumber(life int, boot uint32) uint64 { return uint64(life)<<32 | uint64(boot) }

// found makes this node the first of a pool.
func (p *pool) found() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f.Pool != "" {
		return nil
	}
	p.f.Pool, p.f.Key, p.f.Boot = newUUID(), make([]byte, keySize), 1
	rand.Read(p.f.Key) // never fails
	return p.write()
}

// enter makes this node one of the pool of q.
func (p *pool) enter(q *mgmt.JoinReq) error {
	if len(q.Key) != keySize || q.Pool == "" {
		return mgmt.Errorf("the request to join names no pool")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.f = poolFile{Pool: q.Pool, Key: q.Key, Life: q.Life, Boot: 1, Seeds: q.Seeds, Seen: map[string]uint64{}}
	return p.write()
}

// leave makes this node alone.
func (p *pool) leave() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.f = poolFile{Seen: map[string]uint64{}}
	return p.write()
}

// meet notes the boot number that a node has shown; ErrOutdated if it had a higher one.
func (p *pool) meet(uuid string, boot uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch seen := p.f.Seen[uuid]; {
	case boot < seen:
		return mgmt.ErrOutdated
	case boot == seen:
		return nil
	}
	p.f.Seen[uuid] = boot
	return p.write()
}

// setSeeds remembers where other daemons listen.
func (p *pool) setSeeds(addrs []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Equal(addrs, p.f.Seeds) {
		return nil
	}
	p.f.Seeds = addrs
	return p.write()
}
