// Package upcall tells clients that what they believe about copies is wrong from now on,
// before whoever made it wrong hears of success.
//
// A client that has just looked at the marks of an inode believes for a second that it
// knows which copies are good (afr, freshFor). When another client then blames a copy for
// missing a change, and tells its program that the change is done, nobody may read the
// old content from that copy any more. So a look that is to be relied upon is noted here;
// a blame is answered only when all clients with such notes have said that they heard of
// it, or the second is over.
//
// Intercepts: Lookup and Open that want fop.GlanceXattr, which is taken out; Getxattr of
// fop.CleanXattr (which becomes fop.PendingCountXattr) and of names that begin with
// fop.HeardXattr; Xattrop.
//
// Invariants: a look is noted before the marks are read. A blame reads the notes after it
// was stored. So of a look and a blame that overlap, either the look sees the blame or
// the blame sees the note.
//
// Volfile:
//
//	volume v-upcall
//	    type features/upcall
//	    option xattrop-pending-watchlist trusted.afr.v-
//	    subvolumes v-index
//	end-volume
package upcall

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// Upcall is the translator.
type Upcall struct {
	xlator.Pass
	w       xlator.Watchers
	watched string // prefix of the xattrs that accuse copies

	mu      sync.Mutex
	notes   notes            // guarded by mu
	blames  uint64           // guarded by mu; how many there ever were
	last    uint64           // guarded by mu; number of the last word that was sent
	unheard map[uint64]*word // guarded by mu; by number
}

// A word tells a client that an inode's marks have changed.
type word struct {
	client uint64
	gfid   fop.GFID
	number uint64
	blame  uint64        // which it tells of, as Upcall.blames counts
	heard  chan struct{} // closed when the client has heard it
}

// New makes an upcall translator over one subvolume.
func New(env xlator.Env, opts xlator.Options, subvols []xlator.Xlator) (xlator.Xlator, error) {
	if len(subvols) != 1 {
		return nil, fmt.Errorf("features/upcall %s: wants one subvolume, has %d", env.Name, len(subvols))
	}
	return &Upcall{Pass: xlator.Pass{Child: subvols[0]}, watched: opts.Str("xattrop-pending-watchlist", ""), unheard: map[uint64]*word{}}, nil
}

// Watch adds f for the words of this translator and all events from below.
func (x *Upcall) Watch(f func(xlator.Event)) {
	x.w.Add(f)
	x.Child.Watch(f)
}

// glances takes fop.GlanceXattr out of want and says whether it was there. It is the last,
// if at all.
func glances(want []string) ([]string, bool) {
	if n := len(want); n > 0 && want[n-1] == fop.GlanceXattr {
		return want[:n-1], true
	}
	return want, false
}

// Lookup implements xlator.Xlator.
func (x *Upcall) Lookup(ctx context.Context, q *fop.LookupReq) (*fop.LookupReply, error) {
	want, yes := glances(q.Want)
	if !yes {
		return x.Child.Lookup(ctx, q)
	}
	qq := *q
	qq.Want = want
	return noted(x, q.Caller.Client, q.GFID, func() (*fop.LookupReply, fop.GFID, error) {
		r, err := x.Child.Lookup(ctx, &qq)
		if err != nil {
			return nil, fop.GFID{}, err
		}
		return r, r.Iatt.GFID, nil
	})
}

// Open implements xlator.Xlator.
func (x *Upcall) Open(ctx context.Context, q *fop.OpenReq) (*xlator.OpenReply, error) {
	want, yes := glances(q.Want)
	if !yes {
		return x.Child.Open(ctx, q)
	}
	qq := *q
	qq.Want = want
	x.note(q.Caller.Client, q.GFID)
	return x.Child.Open(ctx, &qq)
}

// noted does a look, which returns what inode it was at. g is that inode if it is known
// before; the inode of a name is known only afterwards, and if anybody was blamed meanwhile,
// the marks are read again.
func noted[R any](x *Upcall, client uint64, g fop.GFID, look func() (R, fop.GFID, error)) (R, error) {
	for {
		before := x.note(client, g)
		r, found, err := look()
		if err != nil || found == g || x.note(client, found) == before {
			return r, err
		}
		g = found
	}
}

// note makes a note, unless g is zero, and returns how many blames there were.
func (x *Upcall) note(client uint64, g fop.GFID) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if g != (fop.GFID{}) {
		x.notes.add(g, client, x.blames)
	}
	return x.blames
}

// Getxattr implements xlator.Xlator.
func (x *Upcall) Getxattr(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if !q.Internal {
		return x.Child.Getxattr(ctx, q)
	}
	if q.Name == fop.CleanXattr {
		x.note(q.Caller.Client, anything)
		qq := *q
		qq.Name = fop.PendingCountXattr
		return x.Child.Getxattr(ctx, &qq)
	}
	if number, ok := strings.CutPrefix(q.Name, fop.HeardXattr); ok {
		n, _ := strconv.ParseUint(number, 10, 64) // 0 is nobody's
		x.heard(q.Caller.Client, n)
		return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name}}}, nil
	}
	return x.Child.Getxattr(ctx, q)
}

// Xattrop implements xlator.Xlator.
func (x *Upcall) Xattrop(ctx context.Context, q *fop.XattropReq) (*fop.XattropReply, error) {
	r, err := x.Child.Xattrop(ctx, q)
	if err == nil && slices.ContainsFunc(q.Deltas, x.isBlame) && !x.announce(ctx, q.GFID, q.Caller.Client) {
		return nil, syscall.EINTR
	}
	return r, err
}

// isBlame tells whether a delta says that a copy has missed something. Counters that are
// taken back are negative.
func (x *Upcall) isBlame(d fop.Xattr) bool {
	if x.watched == "" || !strings.HasPrefix(d.Name, x.watched) {
		return false
	}
	for i := 0; i+4 <= len(d.Value); i += 4 {
		if d.Value[i] < 0x80 && [4]byte(d.Value[i:]) != [4]byte{} {
			return true
		}
	}
	return false
}

// announce tells all who rely on what they saw of g, but the client that blames, and waits
// until they have heard it or cannot rely on it any more. False: ctx ended before.
func (x *Upcall) announce(ctx context.Context, g fop.GFID, by uint64) bool {
	words := x.words(g, by)
	if len(words) == 0 {
		return true
	}
	defer x.drop(words)
	for _, w := range words {
		x.w.Tell(xlator.Event{Kind: xlator.Invalidate, GFID: g, Client: w.client, Name: strconv.FormatUint(w.number, 10)})
	}
	late := time.NewTimer(fop.GlanceTime)
	defer late.Stop()
	for _, w := range words {
		select {
		case <-w.heard:
		case <-late.C:
			return true
		case <-ctx.Done(): // nobody waits for the answer
			return false
		}
	}
	return true
}

// words makes a word for each client that has to be told. Its notes stay until it has
// heard: until then other blames have to wait for it, too.
func (x *Upcall) words(g fop.GFID, by uint64) (words []*word) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.blames++
	for _, client := range x.notes.clients(g) {
		if client != by {
			x.last++
			w := &word{client: client, gfid: g, number: x.last, blame: x.blames, heard: make(chan struct{})}
			x.unheard[w.number] = w
			words = append(words, w)
		}
	}
	return words
}

// heard is told that a client has heard a word and relies on nothing from before it.
func (x *Upcall) heard(client, number uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := x.unheard[number]
	if w == nil || w.client != client {
		return
	}
	delete(x.unheard, number)
	x.notes.remove(w.gfid, client, w.blame)
	x.notes.remove(anything, client, w.blame)
	close(w.heard)
}

func (x *Upcall) drop(words []*word) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range words {
		delete(x.unheard, w.number)
	}
}
