package mount

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/graph"
)

// askAgain is how long a server may take to answer if its answer is probably known.
const askAgain = time.Second

// resolve asks the daemon beside a brick where the brick is. If that does not answer it
// may be the daemon that is down and not the brick, which is then still where it was.
func (o *Options) resolve(ctx context.Context, host, brick string) (client.Place, error) {
	limit := askTimeout
	if _, err := o.bricks.last(host+":"+brick, mgmt.ErrConnection); err == nil {
		limit = askAgain
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := mgmt.Dial(ctx, o.address(host))
	if err != nil {
		return o.bricks.last(host+":"+brick, err)
	}
	defer c.Close()
	found, err := c.Portmap(ctx, brick)
	o.bricks.note(host+":"+brick, mgmt.ErrorCode(err))
	switch {
	case mgmt.ErrorCode(err) == 0 && err != nil:
		return o.bricks.last(host+":"+brick, err)
	case err != nil:
		return client.Place{}, err
	}
	at := client.Place{Port: found.Port, Socket: found.Socket}
	o.bricks.notePlace(host+":"+brick, at)
	return at, nil
}

// brickNews is what daemons said of bricks, by host:path.
type brickNews struct {
	mu     sync.Mutex
	codes  map[string]int          // guarded by mu; of the errors told last, 0 for none
	places map[string]client.Place // guarded by mu; where they were last
}

func (n *brickNews) notePlace(brick string, at client.Place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.places == nil {
		n.places = map[string]client.Place{}
	}
	n.places[brick] = at
}

// last returns where the brick was, or err if that is not known.
func (n *brickNews) last(brick string, err error) (client.Place, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if at, ok := n.places[brick]; ok {
		return at, nil
	}
	return client.Place{}, err
}

func (n *brickNews) note(brick string, code int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.codes == nil {
		n.codes = map[string]int{}
	}
	n.codes[brick] = code
}

// down reports whether at least count bricks were asked for, and the daemons said of each
// that it does not run; stopped, whether of each because its volume is not started.
func (n *brickNews) down(count int) (down, stopped bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	down = len(n.codes) >= count
	stopped = down
	for _, code := range n.codes {
		down = down && (code == mgmt.CodeOffline || code == mgmt.CodeStopped)
		stopped = stopped && code == mgmt.CodeStopped
	}
	return down, stopped
}

// amend applies the options volume-name and xlator-option to a volfile.
func (o *Options) amend(text string) (string, error) {
	if o.VolumeName == "" && len(o.XlatorOptions) == 0 {
		return text, nil
	}
	g, err := volfile.Parse(text)
	if err != nil {
		return "", err
	}
	if o.VolumeName != "" {
		found := false
		for i, n := range g.Nodes {
			if n.Name == o.VolumeName {
				g.Nodes, found = g.Nodes[:i+1], true
				break
			}
		}
		if !found {
			return "", fmt.Errorf("the volfile has no volume %s", o.VolumeName)
		}
	}
	for _, x := range o.XlatorOptions {
		for _, n := range g.Nodes {
			// A brick's path in a name is no path here: "*" matches slashes too.
			name := strings.ReplaceAll(n.Name, "/", "_")
			if ok, _ := path.Match(strings.ReplaceAll(x.Pattern, "/", "_"), name); ok {
				n.Set(x.Key, x.Value)
			}
		}
	}
	return g.String(), nil
}

// follow replaces the graph whenever the volfile changes, until ctx ends. text is what
// the present graph was made from. A volfile that cannot be used, or whose graph does not
// answer, leaves things as they are.
func (o *Options) follow(ctx context.Context, l *live, text string, log *slog.Logger) {
	var addrs []string
	for _, host := range o.Servers {
		addrs = append(addrs, o.address(host))
	}
	said := ""
	mgmt.Watch(ctx, addrs, o.Volume, func(next string) {
		said = ""
		next, err := o.amend(next)
		if err == nil && next != text {
			if err = o.replace(ctx, l, next, log); err == nil {
				text = next
				o.setLevel(text)
				log.Info("the volume has changed, using its new volfile", "volume", o.Volume)
			}
		}
		if err != nil && ctx.Err() == nil {
			log.Error("the volume has changed, but its new volfile cannot be used", "volume", o.Volume, "reason", err)
		}
	}, func(err error) {
		if s := fmt.Sprint(err); s != said { // told once, not at each attempt
			said = s
			log.Info("no daemon tells of changes of the volume", "volume", o.Volume, "reason", s)
		}
	})
}

// replace builds a graph and, once it answers, puts it in the place of the present one.
func (o *Options) replace(ctx context.Context, l *live, text string, log *slog.Logger) error {
	conns := newConnections()
	top, err := graph.Build(text, types(o.resolve, &o.stats, conns), log)
	if err != nil {
		return err
	}
	if _, err := o.reach(ctx, top, text); err != nil {
		top.Close()
		return err
	}
	conns.catchUp(ctx, o.conns)
	o.conns = conns
	l.install(top)
	return nil
}
