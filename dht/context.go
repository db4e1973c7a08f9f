package dht

import (
	"sync"

	"github.com/gofs/gofs/dht/layout"
	"github.com/gofs/gofs/xlators/fop"
)

// inodeCtx is what this client knows about an inode; values are replaced, never
// changed.
type inodeCtx struct {
	cached int           // files: the subvolume with the data
	layout layout.Layout // directories; nil for files
	ups    uint64        // directories: distribute.ups when the layout was read
	mds    int           // directories: the subvolume whose attributes count
	parent fop.GFID      // directories: to find the path
	name   string
}

func (c *inodeCtx) isDir() bool { return c.layout != nil }

// ctxTable holds the contexts of the inodes that the layer above has not forgotten.
type ctxTable struct{ shards [64]ctxShard }

type ctxShard struct {
	mu sync.RWMutex
	m  map[fop.GFID]*inodeCtx // guarded by mu
}

func (t *ctxTable) init() {
	for i := range t.shards {
		t.shards[i].m = map[fop.GFID]*inodeCtx{}
	}
}

func (t *ctxTable) get(g fop.GFID) *inodeCtx {
	s := &t.shards[g[15]%64]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[g]
}

func (t *ctxTable) set(g fop.GFID, c *inodeCtx) {
	s := &t.shards[g[15]%64]
	s.mu.Lock()
	s.m[g] = c
	s.mu.Unlock()
}

func (t *ctxTable) drop(g fop.GFID) {
	s := &t.shards[g[15]%64]
	s.mu.Lock()
	delete(s.m, g)
	s.mu.Unlock()
}

// path returns the absolute path of a directory's child as far as it is known: the
// layout of a new directory is rotated by it, as GlusterFS does. ok is false where the
// chain to the root is not known.
func (t *ctxTable) path(parent fop.GFID, name string) (string, bool) {
	p := "/" + name
	for range 4096 {
		if parent == fop.RootGFID {
			return p, true
		}
		c := t.get(parent)
		if c == nil || c.name == "" {
			return "", false
		}
		p, parent = "/"+c.name+p, c.parent
	}
	return "", false
}
