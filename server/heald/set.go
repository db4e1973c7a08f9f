package heald

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// A set is a replicate set with a brick on this node.
type set struct {
	name, volume string
	spec         string // see stanza
	log          *slog.Logger
	children     []xlator.Xlator
	bricks       []string // host:path of each child
	engine       Engine
	visitors     visitors
	gone         []string   // pending keys of bricks that the volume has no more
	passive      bool       // cluster.self-heal-daemon is off: nothing is healed unasked; bricks are vouched for
	crawlers     []*crawler // of the children on this node
	cancel       context.CancelFunc
	running      sync.WaitGroup

	mu      sync.Mutex
	up      []bool    // guarded by mu; by child
	changed time.Time // guarded by mu; when a child last came or went
	// claimed are inodes that a crawler is healing; guarded by mu.
	claimed map[fop.GFID]bool
}

// clientName is what a brick knows the connection of child by. GlusterFS counts its clients by
// this kind of process.
func clientName(child string) string { return "glustershd-" + child }

// newSet makes the set of stanza n; its bricks connect from then on.
func newSet(cfg *Config, g *volfile.Graph, n *volfile.Node, spec string) (*set, error) {
	s := &set{name: n.Name, spec: spec, up: make([]bool, len(n.Subvolumes)), claimed: map[fop.GFID]bool{}, cancel: func() {}}
	s.volume, _ = n.Get("volume")
	s.log = cfg.Log.With("vol", s.volume, "set", n.Name)
	local, _ := n.Get("local")
	daemon, _ := n.Get("self-heal-daemon")
	s.passive = daemon == "off"
	if ids, _ := n.Get("gone"); ids != "" {
		for id := range strings.SplitSeq(ids, ",") {
			s.gone = append(s.gone, changelog.KeyPrefix+id)
		}
	}
	var options []xlator.Options
	for i, name := range n.Subvolumes {
		b := g.Find(name)
		if b == nil {
			return nil, errors.Join(fmt.Errorf("set %s: subvolume %s is not defined", n.Name, name), s.closeChildren())
		}
		opts := xlator.Options{}
		for _, o := range b.Options {
			opts[o.Key] = o.Value
		}
		c, err := cfg.Client(xlator.Env{Name: clientName(name), Log: cfg.Log.With("subvol", name)}, opts, nil)
		if err != nil {
			return nil, errors.Join(err, s.closeChildren())
		}
		s.children = append(s.children, c)
		options = append(options, opts)
		s.bricks = append(s.bricks, opts["remote-host"]+":"+opts["remote-subvolume"])
		if slices.Contains(strings.Split(local, ","), name) {
			s.crawlers = append(s.crawlers, newCrawler(s, i))
		}
	}
	var err error
	if s.engine, err = cfg.Engine(n, s.children, s.log); err != nil {
		return nil, errors.Join(err, s.closeChildren())
	}
	s.visitors = newVisitors(cfg, n, options)
	s.configure(n)
	for i, c := range s.children {
		c.Watch(func(e xlator.Event) { s.event(i, e) })
	}
	return s, nil
}

// configure reads the options of the crawlers.
func (s *set) configure(n *volfile.Node) {
	number := func(key string, def int) int {
		text, _ := n.Get(key)
		if v, err := strconv.Atoi(text); err == nil && v > 0 {
			return v
		}
		return def
	}
	for _, c := range s.crawlers {
		c.every = time.Duration(number("heal-timeout", 600)) * time.Second
		c.workers = number("shd-max-threads", defaultWorkers)
	}
}

// event notes that a brick came or went. All crawlers look again when one came: it may
// be the one that missed something. A brick that keeps a request waiting is given up: what is
// being healed is locked, and the programs that want it would wait as long as its disk hangs.
func (s *set) event(i int, e xlator.Event) {
	if e.Kind == xlator.ChildSlow {
		if c, can := s.children[i].(xlator.Ejector); can {
			s.log.Warn("a brick is slow; healing gives it up", "brick", s.bricks[i], "reason", e.Reason)
			c.Eject(e.Reason)
		}
		return
	}
	if e.Kind != xlator.ChildUp && e.Kind != xlator.ChildDown {
		return
	}
	s.mu.Lock()
	was := s.up[i]
	s.up[i] = e.Kind == xlator.ChildUp
	now := s.up[i]
	if now != was {
		s.changed = time.Now()
	}
	s.mu.Unlock()
	if now && !was {
		for _, c := range s.crawlers {
			c.poke(false)
		}
	}
}

const (
	// settling is how long a child has to be away before anything is healed without it.
	settling = 5 * time.Second
	// settlingLook is how often that is looked at.
	settlingLook = 100 * time.Millisecond
)

// settled waits until all children are connected, or it has been the same ones for a while.
// What is healed while one is away is held against that one; and after this node was cut off
// the others come back one by one. False: ctx has ended.
func (s *set) settled(ctx context.Context) bool {
	for {
		s.mu.Lock()
		ok := !slices.Contains(s.up, false) || time.Since(s.changed) >= settling
		s.mu.Unlock()
		if ok {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(settlingLook):
		}
	}
}

// claim takes an inode for a crawler; false: another has it.
func (s *set) claim(g fop.GFID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claimed[g] {
		return false
	}
	s.claimed[g] = true
	return true
}

func (s *set) unclaim(g fop.GFID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.claimed, g)
}

// connected tells whether child i is, and how many are.
func (s *set) connected(i int) (it bool, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, up := range s.up {
		if up {
			all++
		}
	}
	return s.up[i], all
}

// start begins to vouch, and to crawl unless healing is off.
func (s *set) start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	for _, c := range s.crawlers {
		if !s.passive {
			s.running.Go(func() { c.run(ctx) })
		}
		s.running.Go(func() { c.watchBrick(ctx) })
	}
}

// close ends the crawlers and the connections.
func (s *set) close() {
	s.cancel()
	s.running.Wait()
	if err := s.closeChildren(); err != nil {
		s.log.Warn("closing connections to bricks", "error", err)
	}
}

func (s *set) closeChildren() error {
	var errs []error
	for _, c := range s.children {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// asHealer is who the bricks see.
var asHealer = fop.Req{Caller: &fop.Caller{PID: -6}}

// count asks a child how many inodes its index lists.
func (s *set) count(ctx context.Context, child int) (int, error) {
	r, err := s.children[child].Getxattr(ctx, &fop.GetxattrReq{Req: asHealer, GFID: fop.RootGFID, Name: fop.PendingCountXattr, Internal: true})
	if err != nil {
		return 0, err
	}
	if len(r.Xattrs) != 1 {
		return 0, errors.New("the brick does not say how much is pending")
	}
	return strconv.Atoi(string(r.Xattrs[0].Value))
}

// forgetGone takes back what a child keeps against bricks that the volume has no more, which
// would stay in its index for ever.
func (s *set) forgetGone(ctx context.Context, child int, g fop.GFID) error {
	if s.gone == nil {
		return nil
	}
	r, err := s.children[child].Getxattr(ctx, &fop.GetxattrReq{Req: asHealer, GFID: g, Internal: true})
	if fop.IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var back []fop.Xattr
	for _, key := range s.gone {
		v, _ := fop.XattrOf(r.Xattrs, key)
		if n, err := changelog.Parse(v); err == nil && !n.IsZero() {
			back = append(back, fop.Xattr{Name: key, Value: n.Negated().Bytes()})
		}
	}
	if back == nil {
		return nil
	}
	_, err = s.children[child].Xattrop(ctx, &fop.XattropReq{Req: asHealer, GFID: g, Op: fop.XattropAdd32, Deltas: back})
	return err
}

// pathXattr is the virtual xattr that posix answers with an inode's paths.
const pathXattr = "glusterfs.gfidtopath"

// path returns the path of an inode on a child, or its GFID as GlusterFS prints one that
// has none.
func (s *set) path(ctx context.Context, child int, g fop.GFID) string {
	if g == fop.RootGFID {
		return "/"
	}
	r, err := s.children[child].Getxattr(ctx, &fop.GetxattrReq{Req: asHealer, GFID: g, Name: pathXattr, Internal: true})
	if err != nil || len(r.Xattrs) != 1 {
		return "<gfid:" + g.String() + ">"
	}
	path, _, _ := strings.Cut(string(r.Xattrs[0].Value), ":")
	return path
}

// find returns the inode at a path of the volume, or of the form gfid:UUID.
func (s *set) find(ctx context.Context, child int, path string) (fop.GFID, error) {
	if text, ok := strings.CutPrefix(path, "gfid:"); ok {
		return fop.ParseGFID(text)
	}
	at := fop.RootGFID
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		r, err := s.children[child].Lookup(ctx, &fop.LookupReq{Req: asHealer, Parent: at, Name: name})
		if err != nil {
			return at, err
		}
		at = r.Iatt.GFID
	}
	return at, nil
}
