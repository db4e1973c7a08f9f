package afr

import (
	"sync"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

// inodeTable maps GFIDs to what this client has going on with the inode. An inode is
// in it while somebody has a reference or one of its leases is not free.
type inodeTable struct {
	shards [64]inodeShard
}

type inodeShard struct {
	mu sync.Mutex
	m  map[fop.GFID]*inode // guarded by mu
}

// inode is the state of one inode at this client.
type inode struct {
	gfid fop.GFID
	refs int // guarded by its shard's mu

	mu    sync.Mutex
	known known // guarded by mu
	// contendedUntil: other clients work in this directory; names are locked one by one
	// until then. Guarded by mu.
	contendedUntil time.Time
	// opened is state.sum when the inode was last seen on a quorum of bricks, since a program
	// here has opened it; 0: none has. Guarded by mu. See cleanOf.
	opened uint64
	light  map[*file]struct{} // guarded by mu; open for reading on one copy only

	data  slot // the inodelk lease: data and metadata
	names slot // the entrylk lease of a directory
}

// known is what the marks said about who may be read, when last looked at.
type known struct {
	at    time.Time
	sum   uint64 // state.sum at that time
	good  [3]set // by class
	valid bool
}

func (t *inodeTable) init() {
	for i := range t.shards {
		t.shards[i].m = map[fop.GFID]*inode{}
	}
}

func (t *inodeTable) shard(g fop.GFID) *inodeShard { return &t.shards[g[15]%64] }

// get returns the inode with a reference.
func (t *inodeTable) get(g fop.GFID) *inode {
	s := t.shard(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.m[g]
	if in == nil {
		in = &inode{gfid: g}
		in.data.in, in.names.in = in, in
		in.names.entry = true
		s.m[g] = in
	}
	in.refs++
	return in
}

// peek returns the inode if it is there, without a reference: only to look at it or to
// flag something.
func (t *inodeTable) peek(g fop.GFID) *inode {
	s := t.shard(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[g]
}

// put gives up a reference.
func (t *inodeTable) put(in *inode) {
	s := t.shard(in.gfid)
	s.mu.Lock()
	defer s.mu.Unlock()
	in.refs--
	if in.refs == 0 {
		delete(s.m, in.gfid)
	}
}

// forgetKnown forgets what was seen of who may be read, if g is there.
func (t *inodeTable) forgetKnown(g fop.GFID) {
	in := t.peek(g)
	if in == nil {
		return
	}
	in.mu.Lock()
	in.known.valid = false
	in.mu.Unlock()
}

// freshFor is how long a look at the marks is believed without a lease, unless the bricks
// tell that somebody was blamed meanwhile.
const freshFor = fop.GlanceTime

// A glance is when, and at what, somebody began to look at marks.
type glance struct {
	at     time.Time
	sum    uint64 // state.sum
	spoils uint64 // cleanliness.spoils
}

func (r *replicate) glance(st *state) glance {
	return glance{time.Now(), st.sum, r.clean.spoils.Load()}
}

// remember stores what a matrix says about who may be read, unless this client found
// something amiss since the look at the bricks began.
func (r *replicate) remember(in *inode, m *changelog.Matrix, g glance) {
	k := known{at: g.at, sum: g.sum, valid: true}
	for c := range k.good {
		k.good[c] = m.Readable(changelog.Class(c))
	}
	in.mu.Lock()
	if r.clean.spoils.Load() == g.spoils { // blame spoils first, then makes us forget
		in.known = k
	}
	if in.opened != 0 {
		in.opened = max(in.opened, g.sum)
	}
	in.mu.Unlock()
}

// open notes that a program opens the inode, which was on a quorum of bricks at sum.
func (in *inode) open(sum uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.opened = max(in.opened, sum)
}

// recall returns what is known, if it is still to be believed.
func (in *inode) recall(sum uint64, now time.Time) (known, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	k := in.known
	return k, k.valid && k.sum == sum && now.Sub(k.at) < freshFor
}
