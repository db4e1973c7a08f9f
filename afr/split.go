package afr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// GlusterFS's extended attributes by which a split-brain is looked at, and ended, from a mount.
const (
	splitPrefix = "replica.split-brain-"
	// splitStatus reads which classes are in split-brain and what there is to choose from.
	splitStatus = splitPrefix + "status"
	// splitChoice sets which brick (the name of its client translator) this client reads the
	// inode from while it is in split-brain; "none" ends that.
	splitChoice = splitPrefix + "choice"
	// splitTimeout sets after how many minutes choices made from now on end.
	splitTimeout = splitPrefix + "choice-timeout"
	// splitFinalize sets whose copy the others get. What they had is lost.
	splitFinalize = splitPrefix + "heal-finalize"
)

// choices are the bricks that users chose to read from. They are this client's alone, and
// nothing on disk knows of them.
type choices struct {
	mu      sync.Mutex
	timeout time.Duration       // guarded by mu; 0: defaultChoice
	made    map[fop.GFID]choice // guarded by mu
}

type choice struct {
	child int
	until time.Time
}

const (
	defaultChoice = 5 * time.Minute
	// maxChoices bounds what users may make this client remember.
	maxChoices = 1024
)

// of returns the chosen child as a set, empty if there is none.
func (c *choices) of(g fop.GFID) set {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.made[g]; ok && time.Now().Before(m.until) {
		return changelog.Of(m.child)
	}
	return 0
}

// choose remembers a choice; child -1: none any more.
func (c *choices) choose(g fop.GFID, child int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, g)
	if child < 0 {
		return nil
	}
	now := time.Now()
	for old, m := range c.made {
		if now.After(m.until) {
			delete(c.made, old)
		}
	}
	if len(c.made) >= maxChoices {
		return syscall.ENOSPC
	}
	if c.made == nil {
		c.made = map[fop.GFID]choice{}
	}
	timeout := c.timeout
	if timeout == 0 {
		timeout = defaultChoice
	}
	c.made[g] = choice{child, now.Add(timeout)}
	return nil
}

// splitGet answers for splitStatus.
func (r *replicate) splitGet(ctx context.Context, q *fop.GetxattrReq) (*fop.GetxattrReply, error) {
	if q.Name != splitStatus {
		return nil, syscall.ENODATA
	}
	l, err := r.lookupAll(ctx, &fop.LookupReq{Req: q.Req, GFID: q.GFID}, r.state.Load(), true)
	if err != nil {
		return nil, err
	}
	data := l.iatt.Type == fop.TypeReg && l.matrix.Direct(changelog.Data, r.quorum, r.dataSet()).Doubt == changelog.Split
	meta := l.matrix.Direct(changelog.Metadata, r.quorum, r.all()).Doubt == changelog.Split
	text := "The file is not under data or metadata split-brain"
	if data || meta {
		var names []string
		for i := range (l.present & r.dataSet()).Each {
			names = append(names, r.names[i])
		}
		text = fmt.Sprintf("data-split-brain:%s    metadata-split-brain:%s    Choices:%s", yes(data), yes(meta), strings.Join(names, ","))
	}
	return &fop.GetxattrReply{Xattrs: []fop.Xattr{{Name: q.Name, Value: []byte(text)}}}, nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// splitSet does what setting one of the attributes asks for. Nothing is stored.
func (r *replicate) splitSet(ctx context.Context, q *fop.SetxattrReq, x fop.Xattr) (*fop.InodeReply, error) {
	value := strings.TrimRight(string(x.Value), "\x00")
	var err error
	switch x.Name {
	case splitTimeout:
		err = r.choices.setTimeout(value)
	case splitChoice:
		child := -1
		if value != "none" {
			child, err = r.storing(value)
		}
		if err == nil {
			err = r.choices.choose(q.GFID, child)
		}
	case splitFinalize:
		err = r.finalize(ctx, q.GFID, value)
	default:
		err = syscall.EOPNOTSUPP
	}
	if err != nil {
		return nil, err
	}
	r.reread(q.GFID)
	l, err := r.Lookup(ctx, &fop.LookupReq{Req: q.Req, GFID: q.GFID})
	if err != nil {
		return nil, err
	}
	return &fop.InodeReply{Post: l.Iatt}, nil
}

func (c *choices) setTimeout(minutes string) error {
	n, err := strconv.Atoi(minutes)
	if err != nil || n < 1 || n > 60*24*365 {
		return syscall.EINVAL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timeout = time.Duration(n) * time.Minute
	return nil
}

// storing returns the child of that name, which must store data.
func (r *replicate) storing(name string) (int, error) {
	i := slices.Index(r.names, name)
	if i < 0 || !r.dataSet().Has(i) {
		return -1, syscall.EINVAL
	}
	return i, nil
}

// finalize gives the others what a child has.
func (r *replicate) finalize(ctx context.Context, g fop.GFID, name string) error {
	child, err := r.storing(name)
	if err != nil {
		return err
	}
	h := heal.New(heal.Config{Name: r.name, Names: r.names, Keys: r.keys, Arbiter: r.arbiter, Quorum: r.quorum, Log: r.log}, r.children)
	switch err := h.Resolve(ctx, g, heal.Resolution{How: heal.SourceChild, Child: child}); {
	case errors.Is(err, heal.ErrNotSplit):
		return syscall.EINVAL
	case errors.Is(err, heal.ErrAway):
		return errDown
	case err != nil:
		r.log.Error("a split-brain was not resolved", "gfid", g, "source", name, "error", err)
		return syscall.EIO
	}
	return r.choices.choose(g, -1)
}

// reread makes everybody above forget what they know of an inode.
func (r *replicate) reread(g fop.GFID) {
	r.inodes.forgetKnown(g)
	r.w.Tell(xlator.Event{Kind: xlator.Invalidate, GFID: g})
}
