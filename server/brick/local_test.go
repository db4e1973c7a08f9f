package brick

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// connectAt makes a client that the brick is described to as being at place, and returns its
// first news.
func connectAt(t *testing.T, at client.Place) (xlator.Xlator, xlator.Event) {
	t.Helper()
	resolve := func(context.Context, string, string) (client.Place, error) { return at, nil }
	x, err := client.New(resolve)(xlator.Env{Name: "v-client-0", Log: slog.New(slog.DiscardHandler)}, xlator.Options{"remote-host": "127.0.0.1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	events := make(chan xlator.Event, 100)
	x.Watch(func(e xlator.Event) { events <- e })
	return x, <-events
}

func isUp(*mgmt.BrickStatus) bool { return true }

// A client that hears of the brick's socket uses it, and is shown like others.
func TestClientOnThisMachine(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	s := await(t, cfg, isUp)
	if s.Data == "" {
		t.Fatal("the brick has no socket for clients on its machine")
	}
	// Nobody listens on port 1, so it is not TCP.
	x, e := connectAt(t, client.Place{Port: 1, Socket: s.Data})
	if e.Kind != xlator.ChildUp || !e.Local {
		t.Fatalf("first event = %+v", e)
	}
	if _, err := x.Stat(t.Context(), &fop.StatReq{Req: fop.Req{Caller: &fop.Caller{}}, GFID: fop.RootGFID}); err != nil {
		t.Error(err)
	}
	s = await(t, cfg, func(s *mgmt.BrickStatus) bool { return len(s.Clients) == 1 })
	if a, err := netip.ParseAddrPort(s.Clients[0].Addr); err != nil || a.Addr().String() != "127.0.0.1" || a.Port() == 0 {
		t.Errorf("the client is shown as %q", s.Clients[0].Addr)
	}
}

// One that is told of a socket that is not there connects over TCP.
func TestSocketThatIsGone(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	s := await(t, cfg, isUp)
	if _, e := connectAt(t, client.Place{Port: s.Port, Socket: s.Data + "x"}); e.Kind != xlator.ChildUp {
		t.Errorf("first event = %+v", e)
	}
}

func TestClientOnThisMachineIsRefused(t *testing.T) {
	cfg := newConfig(t, map[string]string{"auth.reject": "127.0.0.*"})
	run(t, cfg)
	s := await(t, cfg, isUp)
	_, e := connectAt(t, client.Place{Port: 1, Socket: s.Data})
	if e.Kind != xlator.ChildDown || !strings.Contains(e.Reason, "127.0.0.1 may not connect") {
		t.Errorf("first event = %+v", e)
	}
}
