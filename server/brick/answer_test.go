package brick

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// connect makes a client of the brick, which must not be an arbiter to hold data; this
// one is, so files are as long as their name says but empty.
func connect(t *testing.T, cfg Config) (xlator.Xlator, chan xlator.Event) {
	t.Helper()
	port := await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving }).Port
	x, err := client.NewDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	})(xlator.Env{Name: "v-client-0", Log: slog.New(slog.DiscardHandler)}, xlator.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan xlator.Event, 100)
	x.Watch(func(e xlator.Event) { events <- e })
	t.Cleanup(func() { x.Close() })
	for e := range events {
		if e.Kind == xlator.ChildUp {
			break
		}
	}
	return x, events
}

// askBrick asks on the admin socket.
func askBrick[R any](t *testing.T, cfg Config, method string, args any) (*R, error) {
	t.Helper()
	c, err := mgmt.Dial(t.Context(), cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Ask(t.Context(), method, in)
	if err != nil {
		return nil, err
	}
	r := new(R)
	if err := json.Unmarshal(out, r); err != nil {
		t.Fatalf("%s: %v in %s", method, err, out)
	}
	return r, nil
}

func mustAsk[R any](t *testing.T, cfg Config, method string, args any) *R {
	t.Helper()
	r, err := askBrick[R](t, cfg, method, args)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return r
}

var req = fop.Req{Caller: &fop.Caller{UID: 3, PID: 77}}

// mkfile makes /d/NAME and opens it.
func mkfile(t *testing.T, x xlator.Xlator) (dir, file fop.GFID, f xlator.File) {
	t.Helper()
	dir, file = fop.NewGFID(), fop.NewGFID()
	if _, err := x.Mkdir(t.Context(), &fop.MkdirReq{Req: req, Parent: fop.RootGFID, Name: "d", GFID: dir, Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	r, err := x.Create(t.Context(), &fop.CreateReq{Req: req, Parent: dir, Name: "f", GFID: file, Mode: 0o644, Flags: syscall.O_RDWR})
	if err != nil {
		t.Fatal(err)
	}
	return dir, file, r.File
}

func TestProfileAndTop(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	x, _ := connect(t, cfg)
	_, _, f := mkfile(t, x)
	defer f.Close()
	if _, err := f.Writev(t.Context(), &fop.WritevReq{Req: req, Data: make([]byte, 4096)}); err != nil {
		t.Fatal(err)
	}
	p := mustAsk[mgmt.ProfileReport](t, cfg, mgmt.AskProfile, mgmt.ProfileAsk{})
	if p.Number != 0 || p.Cumulative.Written != 4096 || p.Interval.Blocks[12].Writes != 1 || p.Interval.Blocks[12].Size != 4096 {
		t.Errorf("profile %+v, %+v", p.Cumulative, p.Interval)
	}
	if p = mustAsk[mgmt.ProfileReport](t, cfg, mgmt.AskProfile, mgmt.ProfileAsk{Clear: true}); !p.Cleared {
		t.Errorf("cleared: %+v", p)
	}
	top := mustAsk[mgmt.TopReport](t, cfg, mgmt.AskTop, mgmt.TopAsk{Kind: mgmt.TopWrite, List: 10})
	if len(top.Files) != 1 || top.Files[0].Name != "/d/f" || top.Files[0].Value != 1 {
		t.Errorf("top write: %+v", top)
	}
	top = mustAsk[mgmt.TopReport](t, cfg, mgmt.AskTop, mgmt.TopAsk{Kind: mgmt.TopOpen, List: 0})
	if top.Open != 1 || top.MostOpen != 1 || top.MostAt == nil || len(top.Files) != 0 {
		t.Errorf("top open: %+v", top)
	}
	for _, kind := range []string{mgmt.TopReadPerf, mgmt.TopWritePerf} {
		top = mustAsk[mgmt.TopReport](t, cfg, mgmt.AskTop, mgmt.TopAsk{Kind: kind, BlockSize: 3 << 20, Count: 2})
		if top.Throughput == nil || top.Throughput.MBps <= 0 {
			t.Errorf("%s: %+v", kind, top)
		}
	}
	if _, err := askBrick[mgmt.TopReport](t, cfg, mgmt.AskTop, mgmt.TopAsk{Kind: mgmt.TopReadPerf, BlockSize: 1 << 33, Count: 1 << 33}); err == nil {
		t.Error("ever so much was measured")
	}
	if _, err := askBrick[mgmt.TopReport](t, cfg, mgmt.AskTop, mgmt.TopAsk{Kind: "foo"}); mgmt.ErrorCode(err) != mgmt.CodeBadRequest {
		t.Errorf("top foo: %v", err)
	}
}

func TestViewsAndDump(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	x, _ := connect(t, cfg)
	_, file, f := mkfile(t, x)
	defer f.Close()
	if _, err := f.Lk(t.Context(), &fop.LkReq{Req: req, Cmd: fop.LkSet, Type: fop.LkWrite, Owner: 5, PID: 77, Start: 0, End: 9}); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := f.Lk(ctx, &fop.LkReq{Req: req, Cmd: fop.LkWait, Type: fop.LkWrite, Owner: 6, PID: 78, Start: 0, End: 9})
		waits <- err
	}()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		v := mustAsk[mgmt.BrickView](t, cfg, mgmt.AskView, mgmt.ViewAsk{Kind: mgmt.ViewCallpool})
		if len(v.Conns) == 1 && len(v.Conns[0].Calls) == 1 {
			if c := v.Conns[0].Calls[0]; c.Fop != "LK" || c.UID != 3 || c.PID != 77 {
				t.Errorf("call %+v", c)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("callpool: %+v", v)
		}
	}
	if v := mustAsk[mgmt.BrickView](t, cfg, mgmt.AskView, mgmt.ViewAsk{Kind: mgmt.ViewFD}); len(v.Conns) != 1 || len(v.Conns[0].FDs) != 1 || v.Conns[0].FDs[0].Path != "/d/f" || v.Conns[0].FDs[0].GFID != file.String() {
		t.Errorf("fd: %+v", v)
	}
	if v := mustAsk[mgmt.BrickView](t, cfg, mgmt.AskView, mgmt.ViewAsk{Kind: mgmt.ViewInode}); v.Inodes.Active < 2 || len(v.Inodes.List) != v.Inodes.Active {
		t.Errorf("inode: %+v", v.Inodes)
	}
	if v := mustAsk[mgmt.BrickView](t, cfg, mgmt.AskView, mgmt.ViewAsk{Kind: mgmt.ViewMem}); v.Memory.Heap == 0 {
		t.Errorf("mem: %+v", v.Memory)
	}
	if _, err := askBrick[mgmt.BrickView](t, cfg, mgmt.AskView, mgmt.ViewAsk{Kind: "foo"}); mgmt.ErrorCode(err) != mgmt.CodeBadRequest {
		t.Errorf("view of foo: %v", err)
	}
	d := mustAsk[mgmt.DumpReport](t, cfg, mgmt.AskDump, mgmt.DumpAsk{})
	text, err := os.ReadFile(d.File)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"posixlk[0](ACTIVE)=type=WRITE, whence=0, start=0, len=10, pid=77", "posixlk[1](BLOCKED)=", "path=/d/f", "op=LK", "[conn.1]", "active_size=", "volume=v\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the dump:\n%s", want, text)
		}
	}
	m := mustAsk[mgmt.ProcessMetrics](t, cfg, mgmt.AskMetrics, nil)
	if m.Volume != "v" || m.Clients != 1 || m.Open != 1 || m.Locks != 1 || m.LocksWait != 1 || len(m.Fops) == 0 || m.Received == 0 {
		t.Errorf("metrics %+v", m)
	}
	cancel()
	<-waits
}

func TestClearLocks(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	x, events := connect(t, cfg)
	_, file, f := mkfile(t, x)
	defer f.Close()
	lock := &fop.InodelkReq{Req: req, GFID: file, Domain: "v-replicate-0", Owner: 1, Cmd: fop.LockTry, Type: fop.LkWrite}
	if _, err := x.Inodelk(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	r := mustAsk[mgmt.ClearReport](t, cfg, mgmt.AskClear, mgmt.ClearAsk{Path: "d/f", Kind: "inode", Blocked: true})
	if r.Granted != 0 || r.Blocked != 0 || r.Xlator != "v-locks" {
		t.Errorf("blocked ones: %+v", r)
	}
	r = mustAsk[mgmt.ClearReport](t, cfg, mgmt.AskClear, mgmt.ClearAsk{Path: "/d/f", Kind: "inode", Granted: true})
	if r.Granted != 1 {
		t.Errorf("granted ones: %+v", r)
	}
	// Who held it must not go on as if it did.
	for e := range events {
		if e.Kind == xlator.ChildDown {
			break
		}
	}
	for _, path := range []string{"/nosuch", "/d/f/x", "/d/.."} {
		if _, err := askBrick[mgmt.ClearReport](t, cfg, mgmt.AskClear, mgmt.ClearAsk{Path: path, Kind: "inode", Granted: true}); mgmt.ErrorCode(err) != mgmt.CodeNoFile {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestBarrierCommand(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	x, _ := connect(t, cfg)
	_, _, f := mkfile(t, x)
	defer f.Close()
	mustAsk[struct{}](t, cfg, mgmt.AskBarrier, mgmt.BarrierAsk{Up: true})
	if _, err := askBrick[struct{}](t, cfg, mgmt.AskBarrier, mgmt.BarrierAsk{Up: true}); err == nil || err.Error() != "Failed to reconfigure barrier." {
		t.Errorf("twice: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.Fsync(context.Background(), &fop.FsyncReq{Req: req})
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("fsync was answered: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	mustAsk[struct{}](t, cfg, mgmt.AskBarrier, mgmt.BarrierAsk{})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRotate(t *testing.T) {
	cfg := newConfig(t, nil)
	run(t, cfg)
	if _, err := askBrick[struct{}](t, cfg, mgmt.AskRotate, nil); err == nil {
		t.Error("a log that is no file was rotated")
	}
}

func TestNameIn(t *testing.T) {
	g := "3bc3bed0-d02d-4ad2-a877-13068e2904ac"
	for _, c := range []struct {
		link, base string
		ok         bool
	}{
		{"../../3b/c3/" + g + "/name", "name", true},
		{"../../3b/c3/" + g + "/a b", "a b", true},
		{"../../3b/c3/" + g + "/", "", false},
		{"../../3b/c3/" + g, "", false},
		{"../../3b/c3/" + g + "/..", "", false},
		{"../../3b/c3/" + g + "/a/b", "", false},
		{"../../3b/c3/nonsense/a", "", false},
		{"/etc/passwd", "", false},
		{"", "", false},
	} {
		if _, base, ok := parseLink(c.link); base != c.base || ok != c.ok {
			t.Errorf("parseLink(%q) = %q, %v", c.link, base, ok)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add("../../3b/c3/3bc3bed0-d02d-4ad2-a877-13068e2904ac/name")
	f.Add("../../x")
	f.Fuzz(func(t *testing.T, s string) {
		if _, base, ok := parseLink(s); ok && (base == "" || strings.Contains(base, "/")) {
			t.Errorf("parseLink(%q) = %q", s, base)
		}
	})
}
