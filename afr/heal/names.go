package heal

import (
	"context"
	"sync"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/xlators/fop"
)

const (
	// patience is how long the lock of a directory's names is kept from its users.
	patience = 50 * time.Millisecond
	// atOnceNames is how many names are healed at a time.
	atOnceNames = 16
	// manyNames is how many are looked at in one piece of work, fewNames beside programs.
	manyNames, fewNames = 256, 128
	// parkPrefix begins the name, on a sink, of what waits for its right place there.
	parkPrefix = ".gofs-heal-"
)

// A dirHeal is the healing of one directory's names.
type dirHeal struct {
	*job
	l       *lock // changes between portions
	c       *copies
	d       changelog.Direction
	voters  set
	since   time.Time // when the lock was taken
	changed set       // children on which a name was made or removed; guarded by mu

	moves chan struct{} // has room for the one who does anything but making a new inode

	mu     sync.Mutex
	failed set  // guarded by mu: children that did not do what was asked
	sick   bool // guarded by mu: some could not say what it has; see noteSick
	later  bool // guarded by mu: some name has to wait
	torn   bool // guarded by mu: some name is in split-brain
}

// names heals a directory's names.
func (j *job) names(ctx context.Context) error {
	d := &dirHeal{job: j, moves: make(chan struct{}, 1)}
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer func() { d.l.release(ctx) }()
	if !j.full && !d.c.m.Marked(changelog.Entry) && !d.c.m.Marked(changelog.Data) {
		d.tidy(ctx)
		return nil
	}
	if d.d.Doubt == changelog.Wait {
		j.doubt(d.d, changelog.Entry)
		return nil
	}
	first := d.c
	listed, known := d.granular(ctx)
	var err error
	if known {
		err = d.some(ctx, listed)
	} else {
		err = d.whole(ctx)
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	return d.conclude(ctx, first, listed)
}

// tidy forgets, in a directory that nobody is blamed for, names that were once recorded.
func (d *dirHeal) tidy(ctx context.Context) {
	var u undo
	for i := range d.c.m.Replied.Each {
		// Where the list cannot be read, it stays.
		_, _ = d.h.indexed(ctx, i, fop.IndexNames(d.gfid), func(e *fop.Dirent) error {
			u.names = append(u.names, e.Name)
			return nil
		})
	}
	if len(u.names) > 0 {
		d.l.settle(ctx, u)
	}
}

// lock takes the lock of the directory's names and looks.
func (d *dirHeal) lock(ctx context.Context) error {
	d.l = d.h.newLock(d.gfid)
	d.l.entry = true
	if err := d.turn.wait(ctx, d.l); err != nil {
		return err
	}
	d.c = d.h.look(ctx, d.l, d.gfid)
	d.d = d.c.m.Direct(changelog.Entry, d.h.Quorum, d.h.all())
	d.voters, d.since = d.d.Sources, time.Now()
	if d.d.Doubt == changelog.Split {
		d.voters = d.c.m.Replied
	}
	if !d.h.Quorum.Met(d.c.m.Replied) || d.c.broken != "" {
		d.d.Doubt = changelog.Wait
	}
	return nil
}

// breathe gives those who wait for the directory a chance. more: of its names are to be healed.
// false: what was decided does not hold any more, and nothing is to be undone.
func (d *dirHeal) breathe(ctx context.Context, more bool) (bool, error) {
	if time.Since(d.since) < patience && !(more && d.turn.beside()) {
		return true, nil
	}
	voters, replied := d.voters, d.c.m.Replied
	d.l.release(ctx)
	d.turn.next(ctx)
	if err := d.lock(ctx); err != nil {
		return false, err
	}
	if d.voters != voters || d.c.m.Replied&replied != replied || d.d.Doubt == changelog.Wait {
		d.postpone("bricks came, went or missed something")
		return false, nil
	}
	d.c.m.Replied = replied // who came meanwhile has not been compared
	return true, nil
}

// granular returns the names that the accusers know to have been missed. known: these are
// all.
func (d *dirHeal) granular(ctx context.Context) (names []string, known bool) {
	m := &d.c.m
	accusers := set(0)
	for i := range m.Replied.Each {
		for j := range len(d.h.children) {
			if m.Pending[i][j][changelog.Entry] != 0 {
				accusers |= changelog.Of(i)
			}
		}
	}
	known = accusers != 0 && !d.full && !m.Marked(changelog.Data) && !d.d.Differ && d.d.Doubt == changelog.Certain && d.source < 0
	seen := map[string]bool{}
	for i := range accusers.Each {
		n, err := d.h.indexed(ctx, i, fop.IndexNames(d.gfid), func(e *fop.Dirent) error {
			if !seen[e.Name] {
				seen[e.Name] = true
				names = append(names, e.Name)
			}
			return nil
		})
		known = known && err == nil && n > 0
	}
	return names, known
}

// some heals the names given.
func (d *dirHeal) some(ctx context.Context, names []string) error {
	for len(names) > 0 && ctx.Err() == nil {
		n := min(len(names), d.turn.much(fewNames, manyNames))
		d.each(ctx, d.newcomers(ctx, names[:n]))
		names = names[n:]
		if ok, err := d.breathe(ctx, len(names) > 0); !ok {
			return err
		}
	}
	return nil
}

// each heals names side by side.
func (d *dirHeal) each(ctx context.Context, names []string) {
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnceNames)
	for _, n := range names {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			d.name(ctx, n)
		})
	}
	wg.Wait()
}

func (d *dirHeal) postpone(why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.later = true
	d.out.note(Partly, why)
}

// lose notes that child i did not do what was asked: it stays blamed.
func (d *dirHeal) lose(i int, what string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed |= changelog.Of(i)
	d.refused(i, what, err)
}

func (d *dirHeal) count(i, made, removed int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed |= changelog.Of(i)
	d.out.NamesMade += int64(made)
	d.out.NamesRemoved += int64(removed)
}

// conclude undoes the marks that were seen first, unless some name has to wait. The lock
// is given up.
func (d *dirHeal) conclude(ctx context.Context, first *copies, listed []string) error {
	if d.torn {
		d.out.note(SplitBrain, "copies have different inodes under one name, and no majority")
	}
	if d.later || d.torn {
		return nil
	}
	now := d.h.look(ctx, d.l, d.gfid)
	equal := first.m.Replied & now.m.Replied &^ d.failed
	from := lowest(d.voters & equal &^ only(d.h.Arbiter))
	if from < 0 {
		from = lowest(d.voters & equal)
	}
	if from < 0 {
		return nil
	}
	if d.d.Doubt == changelog.Split {
		for i := range equal.Each {
			if now.iatt[from].Mtime.Before(first.iatt[i].Mtime) {
				from = i
			}
		}
	}
	to := set(0)
	for i := range (equal &^ changelog.Of(from)).Each {
		if !sameTimes(&now.iatt[i], &now.iatt[from]) {
			to |= changelog.Of(i)
		}
	}
	equal &^= to &^ d.times(ctx, d.l, to, &now.iatt[from])
	u := d.h.undoing(first, equal, d.d.Sources, changelog.Entry, changelog.Data)
	// A list of names must be whole or empty: if blame stays, so do they.
	if !first.blamesAny(d.h.all()&^equal) && now.m.Pending == first.m.Pending {
		u.names = listed
	}
	d.settle(ctx, d.l, d.changed|to, u)
	return nil
}
