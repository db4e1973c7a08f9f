package afr

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A keeper gives up leases that nobody used for a while, many at a time, and runs
// what is done behind the caller's back.
type keeper struct {
	mu      sync.Mutex
	held    map[*slot]struct{} // guarded by mu; slots that hold a lease
	stopped bool               // guarded by mu
	tasks   int                // guarded by mu; running in the background
	// leaving are leases on single names to be given up; departing: somebody does it.
	leaving   []*lease  // guarded by mu
	departing bool      // guarded by mu
	quiet     sync.Cond // of mu: tasks fell to 0
	wake      chan struct{}
	done      chan struct{}
	loop      sync.WaitGroup
}

// internalCaller is on whose behalf marks are undone and locks released.
var internalCaller = &fop.Caller{PID: -1}

func (k *keeper) start(r *replicate) {
	k.held = map[*slot]struct{}{}
	k.quiet.L = &k.mu
	k.wake = make(chan struct{}, 1)
	k.done = make(chan struct{})
	k.loop.Go(func() { k.run(r) })
}

// stop ends the loop and gives up everything that is held.
func (k *keeper) stop(r *replicate) {
	k.mu.Lock()
	stopped := k.stopped
	k.stopped = true
	k.mu.Unlock()
	if stopped {
		return
	}
	close(k.done)
	k.loop.Wait()
	k.settleDown()
	k.sweep(r, time.Now().Add(time.Hour))
	k.settleDown()
}

// settleDown waits until nothing runs in the background.
func (k *keeper) settleDown() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.tasks > 0 {
		k.quiet.Wait()
	}
}

// add notes that s holds a lease, which keeps its inode in the table.
func (k *keeper) add(r *replicate, s *slot) {
	r.inodes.get(s.in.gfid)
	k.mu.Lock()
	k.held[s] = struct{}{}
	k.mu.Unlock()
}

func (k *keeper) remove(r *replicate, s *slot) {
	k.mu.Lock()
	delete(k.held, s)
	k.mu.Unlock()
	r.inodes.put(s.in)
}

// spawn runs f in the background; Close waits for it.
func (k *keeper) spawn(f func()) {
	k.mu.Lock()
	k.tasks++
	k.mu.Unlock()
	go func() {
		f()
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.tasks--; k.tasks == 0 {
			k.quiet.Broadcast()
		}
	}()
}

// poke makes the loop look soon: a brick came or went.
func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run(r *replicate) {
	tick := time.NewTicker(max(r.linger/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-k.done:
			return
		case <-k.wake:
		case <-tick.C:
		}
		k.sweep(r, time.Now())
		r.clean.poll(r)
	}
}

// sweep gives up the leases that were last used before now minus the linger time, and
// those that are stale. Two steps: everything that was changed is made durable first,
// while the leases can still be used; then those that were not used meanwhile go.
func (k *keeper) sweep(r *replicate, now time.Time) {
	candidates := k.idle(r, now.Add(-r.linger))
	if len(candidates) == 0 {
		return
	}
	durable := r.syncAll()
	var taken []*slot
	var leases []*lease
	for _, c := range candidates {
		s := c.slot
		s.in.mu.Lock()
		if s.state == held && s.lease == c.lease && s.lease.users == 0 && s.lease.uses == c.uses {
			s.state = releasing
			taken, leases = append(taken, s), append(leases, s.lease)
		}
		s.in.mu.Unlock()
	}
	for _, l := range leases {
		r.settle(l, durable)
	}
	r.releaseLeases(leases)
	for _, s := range taken {
		s.in.mu.Lock()
		s.state, s.lease = free, nil
		s.tell()
		k.remove(r, s)
		s.in.mu.Unlock()
	}
}

// A candidate is a slot's lease as it was when it was found idle.
type candidate struct {
	slot  *slot
	lease *lease
	uses  uint64
}

// idle lists the slots whose lease was last used before t, or must be renewed, in the
// order of their GFIDs: bricks see the same each time that the same happened.
func (k *keeper) idle(r *replicate, t time.Time) []candidate {
	st := r.state.Load()
	k.mu.Lock()
	all := make([]*slot, 0, len(k.held))
	for s := range k.held {
		all = append(all, s)
	}
	k.mu.Unlock()
	var out []candidate
	for _, s := range all {
		s.in.mu.Lock()
		if s.state == held && s.lease.users == 0 && (s.lease.lastUse.Before(t) || s.lease.stale(st)) {
			out = append(out, candidate{s, s.lease, s.lease.uses})
		}
		s.in.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b candidate) int { return bytes.Compare(a.slot.in.gfid[:], b.slot.in.gfid[:]) })
	return out
}

// syncAll makes everything on all live children durable and returns those that did.
func (r *replicate) syncAll() set {
	idx := r.indexes(r.state.Load().up)
	got := xlator.Each(len(idx), func(k int) (*fop.ReleaseReply, error) {
		return r.children[idx[k]].Release(context.Background(), &fop.ReleaseReq{Req: fop.Req{Caller: internalCaller}, Sync: true})
	})
	var ok set
	for k, i := range idx {
		if got[k].Err == nil {
			ok |= changelog.Of(i)
		} else if !fop.IsDown(got[k].Err) {
			r.log.Error("a brick could not make its data durable; what was changed stays marked", "child", r.names[i], "err", got[k].Err)
		}
	}
	return ok
}

// syncInodes makes what was changed under the leases durable and returns the children that
// did. It comes before their marks are undone, of names as of data: a brick whose machine
// loses power forgets a change and its own marks of it, and only the others' marks can tell.
func (r *replicate) syncInodes(ls []*lease) set {
	var items []fop.ReleaseItem
	for _, l := range ls {
		twice := slices.ContainsFunc(items, func(it fop.ReleaseItem) bool { return it.GFID == l.gfid })
		if l.changed != [3]bool{} && !twice {
			items = append(items, fop.ReleaseItem{GFID: l.gfid, NoUnlock: true})
		}
	}
	if len(items) == 0 {
		return r.all()
	}
	// Which connection it goes over does not matter: settle counts only those that lasted.
	idx := r.indexes(r.state.Load().up)
	got := xlator.Each(len(idx), func(k int) (*fop.ReleaseReply, error) {
		return r.children[idx[k]].Release(context.Background(), &fop.ReleaseReq{Req: fop.Req{Caller: internalCaller}, Sync: true, Items: items})
	})
	var ok set
	for k, i := range idx {
		if got[k].Err == nil {
			ok |= changelog.Of(i)
		}
	}
	return ok
}

// depart gives up a lease on single names. What comes while others are being made durable
// is made so together.
func (k *keeper) depart(r *replicate, l *lease) {
	k.mu.Lock()
	k.leaving = append(k.leaving, l)
	first := !k.departing
	k.departing = true
	k.mu.Unlock()
	if first {
		k.spawn(func() {
			for ls := k.departures(); len(ls) > 0; ls = k.departures() {
				durable := r.syncInodes(ls)
				for _, l := range ls {
					r.settle(l, durable)
				}
				r.releaseLeases(ls)
			}
		})
	}
}

// departures takes the leases that are to be given up; none: departing has ended.
func (k *keeper) departures() []*lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	ls := k.leaving
	k.leaving, k.departing = nil, len(ls) > 0
	return ls
}

// settle makes sure, before a lease's dirty marks are undone, that each child which
// took part in it and was lost since is blamed: what it had may not have been durable. (One
// that only refused a change of names, and is still there, is blamed for these already.)
func (r *replicate) settle(l *lease, durable set) {
	st := r.state.Load()
	l.active = l.live(st) & durable
	lost := l.locked &^ l.active
	for c := range l.changed {
		victims := lost &^ l.blamed[c]
		if changelog.Class(c) == changelog.Entry {
			victims &^= l.lasting(st) & durable
		}
		if !l.changed[c] || victims == 0 {
			continue
		}
		// Only those who could have gone on without the lost may accuse them: a quorum of good
		// copies. A minority's, or a stale copy's, word would make a split-brain.
		if r.enough(l.active&l.good[c], l.active) != nil {
			l.keepDirty = true
			continue
		}
		if ok, _ := r.blame(context.Background(), l, changelog.Class(c), victims, nil, l.active); !r.quorum.Met(ok) {
			l.keepDirty = true
		}
	}
}

// mostTold is how many spans one message tells, about 1 MiB; with those of one lease more, which are
// fop.MostSpans at most, it is far from wire.MaxRequest.
const mostTold = 16 * fop.MostSpans

// releaseLeases undoes marks and unlocks on all children, in as few messages as may be.
func (r *replicate) releaseLeases(ls []*lease) {
	for len(ls) > 0 {
		n := 0
		for told := 0; n < len(ls) && told < mostTold; n++ {
			told += ls[n].spans()
		}
		r.releaseTogether(ls[:n])
		ls = ls[n:]
	}
}

// releaseTogether is releaseLeases in one message to each child. Children that were lost on the way keep
// their marks and have lost the locks anyway.
func (r *replicate) releaseTogether(ls []*lease) {
	var idx []int
	var reqs []*fop.ReleaseReq
	for i := range r.children {
		if q := r.releaseReq(ls, i); len(q.Items) > 0 {
			idx, reqs = append(idx, i), append(reqs, q)
		}
	}
	got := xlator.Each(len(idx), func(k int) (*fop.ReleaseReply, error) {
		return r.children[idx[k]].Release(context.Background(), reqs[k])
	})
	for k, i := range idx {
		if err := got[k].Err; err != nil && !fop.IsDown(err) {
			r.log.Error("marks could not be undone; the inodes stay marked for healing", "child", r.names[i], "err", err)
		}
	}
}

// releaseReq makes the message to child i. Leases of different connections cannot
// share one, so only those of the newest are in it; the older ones died with theirs.
func (r *replicate) releaseReq(ls []*lease, i int) *fop.ReleaseReq {
	q := &fop.ReleaseReq{Req: fop.Req{Caller: internalCaller}}
	for _, l := range ls {
		if l.locked.Has(i) {
			q.Session = max(q.Session, l.session[i])
		}
	}
	for _, l := range ls {
		if !l.locked.Has(i) || l.session[i] != q.Session {
			continue
		}
		names := l.names
		if names == nil {
			names = []string{""}
		}
		for k, name := range names {
			it := fop.ReleaseItem{GFID: l.gfid, Domain: r.name, Owner: l.owner, Entry: l.entry, Name: name}
			if k == 0 && l.active.Has(i) && !l.keepDirty && !l.mark.IsZero() {
				it.Undo = []fop.Xattr{{Name: changelog.DirtyKey, Value: l.mark.Negated().Bytes()}}
				mu := l.lockState()
				l.missed.tell(i, r.keys, &it)
				mu.unlock()
			}
			q.Items = append(q.Items, it)
		}
	}
	return q
}
