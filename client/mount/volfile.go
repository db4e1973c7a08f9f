package mount

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/graph"
)

const (
	// askTimeout is how long one server may take to answer.
	askTimeout = 3 * time.Second
	// askAgain is how long if its answer is probably known.
	askAgain = time.Second
	// askNext is how long one server may be silent before the next is asked too.
	askNext = 500 * time.Millisecond
	// askPause is between two rounds through the servers.
	askPause = time.Second
)

// fetch gets the volfile from the first server that has it.
func (o *Options) fetch(ctx context.Context) (string, error) {
	if o.Volfile != "" {
		text, err := os.ReadFile(o.Volfile)
		return string(text), err
	}
	var last error
	for round := range max(o.FetchAttempts, 1) {
		if round > 0 {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(askPause):
			}
		}
		text, err := o.askEach(ctx)
		var answer *mgmt.Error
		if err == nil || errors.As(err, &answer) { // one that answers knows as much as the others
			return text, err
		}
		last = err
	}
	return "", last
}

// askEach asks the servers in their order, each a little later than the one before or as soon as
// that has failed, and returns the first answer, or the last error if there is none.
func (o *Options) askEach(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, len(o.Servers))
	var last error
	asked, missing := 0, len(o.Servers)
	next := make(chan time.Time, 1)
	next <- time.Time{}
	var later <-chan time.Time = next
	for missing > 0 {
		select {
		case <-later:
			server := o.Servers[asked]
			go func() {
				text, err := o.ask(ctx, server)
				var said *mgmt.Error
				if err != nil && !errors.As(err, &said) {
					err = fmt.Errorf("%s does not answer: %w", server, err)
				}
				answers <- answer{text, err}
			}()
			if asked++; asked < len(o.Servers) {
				later = time.After(askNext)
			} else {
				later = nil
			}
		case a := <-answers:
			var said *mgmt.Error
			if a.err == nil || errors.As(a.err, &said) {
				return a.text, a.err
			}
			last = a.err
			if missing--; later != nil {
				later = time.After(0)
			}
		}
	}
	return "", last
}

func (o *Options) address(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(o.ServerPort))
}

func (o *Options) ask(ctx context.Context, server string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := mgmt.Dial(ctx, o.address(server))
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Volfile(ctx, o.Volume)
}

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
	o.bricks.note(host+":"+brick, mgmt.ErrorCode(err) == mgmt.CodeOffline)
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
	mu      sync.Mutex
	offline map[string]bool         // guarded by mu; those that do not run
	places  map[string]client.Place // guarded by mu; where they were last
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

func (n *brickNews) note(brick string, offline bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.offline == nil {
		n.offline = map[string]bool{}
	}
	n.offline[brick] = offline
}

// allOffline reports whether at least count bricks were asked for, and none runs.
func (n *brickNews) allOffline(count int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, off := range n.offline {
		if !off {
			return false
		}
	}
	return len(n.offline) >= count
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
