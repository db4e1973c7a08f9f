package brick

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile/volgen"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

func TestBlame(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	x, _ := connect(t, cfg)
	_, file, f := mkfile(t, x)
	defer f.Close()
	for key, mark := range map[string][]byte{
		"trusted.afr.v-client-0": {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
		"trusted.afr.v-client-1": {0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0},
		"trusted.afr.v-client-7": {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, // of an earlier brick
	} {
		if _, err := x.Xattrop(t.Context(), &fop.XattropReq{Req: req, GFID: file, Op: fop.XattropAdd32, Deltas: []fop.Xattr{{Name: key, Value: mark}}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		bricks []string
		want   string
	}{
		{[]string{"v-client-0", "v-client-1", "v-client-2"}, "v-client-0 v-client-1"},
		{[]string{"v-client-1"}, "v-client-1"},
		{[]string{"v-client-2"}, ""},
	} {
		r := mustAsk[mgmt.BlameReport](t, cfg, mgmt.AskBlame, mgmt.BlameAsk{Bricks: c.bricks})
		got := ""
		for _, in := range r.Inodes {
			got += strings.Join(in.Bricks, " ")
			if in.GFID != file.String() {
				t.Errorf("inode %s, want %s", in.GFID, file)
			}
		}
		if got != c.want || r.More {
			t.Errorf("of %v: %+v, want %s", c.bricks, r, c.want)
		}
	}
}

func TestMissedAll(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	mustAsk[struct{}](t, cfg, mgmt.AskMissed, mgmt.MissedAsk{Brick: "v-client-1"})
	r := mustAsk[mgmt.BlameReport](t, cfg, mgmt.AskBlame, mgmt.BlameAsk{Bricks: []string{"v-client-1"}})
	if len(r.Inodes) != 1 || r.Inodes[0].GFID != fop.RootGFID.String() {
		t.Errorf("what healing will find: %+v, want the root", r)
	}
	if _, err := askBrick[struct{}](t, cfg, mgmt.AskMissed, mgmt.MissedAsk{Brick: "w-client-1"}); mgmt.ErrorCode(err) != mgmt.CodeBadRequest {
		t.Errorf("a brick of another volume: %v", err)
	}
}

// daemon plays the daemon that tells a brick of its volfile.
type daemon struct {
	mgmt.Service
	mu    sync.Mutex
	text  string              // guarded by mu
	conns map[*mgmt.Conn]bool // guarded by mu
}

func (d *daemon) Volfile(context.Context, string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text, nil
}

// serve answers on a socket until the test ends.
func (d *daemon) serve(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background()) // until the brick has ended
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				if _, err := mgmt.ReadKind(nc); err == nil {
					mgmt.Serve(ctx, nc, mgmt.DaemonRoutes(d, true), func(c *mgmt.Conn) {
						d.mu.Lock()
						defer d.mu.Unlock()
						d.conns[c] = true
					})
				}
				nc.Close()
			})
		}
	})
}

// change tells of another volfile.
func (d *daemon) change(text, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = text
	for c := range d.conns {
		c.Notify(id)
	}
}

// come makes a client with options, and returns the channel of its coming (true) and going.
func come(t *testing.T, port int, opts xlator.Options) (xlator.Xlator, chan bool) {
	t.Helper()
	x, err := client.NewDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	})(xlator.Env{Name: "v-client-0", Log: slog.New(slog.DiscardHandler)}, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan bool, 1000)
	x.Watch(func(e xlator.Event) { events <- e.Kind == xlator.ChildUp })
	t.Cleanup(func() { x.Close() })
	return x, events
}

func wantEvent(t *testing.T, events chan bool, up bool) {
	t.Helper()
	select {
	case got := <-events:
		if got != up {
			t.Errorf("connected: %v, want %v", got, up)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing was heard; want connected: %v", up)
	}
}

// Clients that do not know of a change of the bricks are told of, and do not get in again.
func TestClientsWithOldGraphs(t *testing.T) {
	cfg := newConfig(t, nil)
	v := &volgen.Volume{Name: "v", ID: volumeID, Replica: 1, Graph: 1, Bricks: []volgen.Brick{{ID: "v-client-0", Path: cfg.Path}}}
	d := &daemon{text: volgen.BrickGraph(v, 0).String(), conns: map[*mgmt.Conn]bool{}}
	cfg.VolfilePath, cfg.VolfileID, cfg.Daemon = "", "v.b", cfg.Socket+"d"
	d.serve(t, cfg.Daemon)
	run(t, cfg)
	port := await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving }).Port
	old, oldNews := come(t, port, xlator.Options{"graph": "1"})
	wantEvent(t, oldNews, true)
	_, freshNews := come(t, port, xlator.Options{"graph": "2"})
	wantEvent(t, freshNews, true)
	if r := mustAsk[mgmt.GraphReport](t, cfg, mgmt.AskGraph, mgmt.GraphAsk{Graph: 2}); r.Graph != 1 || len(r.Older) != 1 {
		t.Errorf("before the brick has heard of it: %+v", r)
	}
	v.Graph = 2
	d.change(volgen.BrickGraph(v, 0).String(), cfg.VolfileID)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r := mustAsk[mgmt.GraphReport](t, cfg, mgmt.AskGraph, mgmt.GraphAsk{Graph: 2})
		if r.Graph == 2 && len(r.Older) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the brick does not hear of its new volfile: %+v", r)
		}
	}
	if len(oldNews) > 0 {
		t.Error("a client with the old graph was cut off")
	}
	_, refused := come(t, port, xlator.Options{"graph": "1"})
	wantEvent(t, refused, false)
	old.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r := mustAsk[mgmt.GraphReport](t, cfg, mgmt.AskGraph, mgmt.GraphAsk{Graph: 2})
		if len(r.Older) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("who has left is still counted: %+v", r)
		}
	}
}
