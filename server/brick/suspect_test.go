package brick

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/volfile/volgen"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/mem"
	"github.com/gofs/gofs/xlators/suspect"
	"github.com/gofs/gofs/xlators/xlator"
)

func newMem(t *testing.T) xlator.Xlator {
	t.Helper()
	m, err := mem.New(xlator.Env{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func vouchFor(x xlator.Xlator) error {
	_, err := x.Removexattr(context.Background(), &fop.RemovexattrReq{Req: asDaemon, GFID: fop.RootGFID, Names: []string{fop.SuspectXattr}, Internal: true})
	return err
}

// startUnder is the start of a process that serves dir under a mount.
func startUnder(t *testing.T, dir, mount string, copies bool) (*power, *suspect.Suspect) {
	t.Helper()
	p := &power{dir: dir, now: mount + "\n"}
	s, err := p.guard(newMem(t), copies, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

// A suspect brick that loses power again before somebody vouched for it is still suspect, and
// one for which somebody has is not suspect by what was before.
func TestGuard(t *testing.T) {
	dir := newDir(t)
	steps := []struct {
		mount   string
		copies  bool
		suspect bool
		vouched bool // then
		stops   bool // in order, after that
	}{
		{mount: "1", copies: true},
		{mount: "1", copies: true},                // killed
		{mount: "2", copies: true, suspect: true}, // and killed
		{mount: "2", copies: true, suspect: true},
		{mount: "3", copies: true, suspect: true, vouched: true},
		{mount: "3", copies: true, stops: true},
		{mount: "4", copies: true},
		{mount: "5", copies: true, suspect: true, stops: true},
		{mount: "6", copies: true, suspect: true},
		{mount: "7", copies: false},
		{mount: "7", copies: true},
	}
	for i, st := range steps {
		p, s := startUnder(t, dir, st.mount, st.copies)
		if s.Is() != st.suspect {
			t.Fatalf("step %d %+v: suspect %v", i, st, s.Is())
		}
		if st.vouched {
			if err := vouchFor(s); err != nil || s.Is() {
				t.Fatalf("step %d: vouching: %v, suspect %v", i, err, s.Is())
			}
		}
		if lost, recorded := p.lost(); recorded == s.Is() || lost != s.Is() {
			t.Errorf("step %d: suspect %v, but the record says lost %v, recorded %v", i, s.Is(), lost, recorded)
		}
		if st.stops {
			if err := stopInOrder(p, s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A record that cannot be written leaves the brick suspect, or keeps it from serving.
func TestGuardCannotRecord(t *testing.T) {
	dir := newDir(t)
	blocker := filepath.Join(dir, ".glusterfs", servesFile+".new")
	if err := os.Mkdir(blocker, 0o700); err != nil {
		t.Fatal(err)
	}
	p := &power{dir: dir, now: "1\n"}
	if _, err := p.guard(newMem(t), true, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it would serve without a record")
	}
	if err := os.WriteFile(p.file(), []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := p.guard(newMem(t), true, slog.New(slog.DiscardHandler))
	if err != nil || !s.Is() {
		t.Fatalf("suspect %v, %v", s.Is(), err)
	}
	if err := vouchFor(s); err == nil || !s.Is() {
		t.Errorf("vouched without a record: %v, suspect %v", err, s.Is())
	}
	os.Remove(blocker)
	if err := vouchFor(s); err != nil || s.Is() {
		t.Errorf("vouched: %v, suspect %v", err, s.Is())
	}
}

// Where nobody vouches, clients are let in after a while, and the log says what that means.
func TestUnvouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		log := slog.New(slog.NewTextHandler(&said, nil))
		fails := 2
		s := suspect.Over(newMem(t), true, func() error {
			if fails--; fails >= 0 {
				return syscall.EIO
			}
			return nil
		})
		began := time.Now()
		unvouched(t.Context(), s, log)
		if took := time.Since(began); s.Is() || took != vouching+2*time.Second {
			t.Errorf("suspect %v after %v", s.Is(), took)
		}
		if text := said.String(); strings.Count(text, "nobody has vouched") != 1 || strings.Count(text, "lets no clients in") != 1 {
			t.Errorf("said %s", text)
		}
		said.Reset()
		began = time.Now()
		s = suspect.Over(newMem(t), true, func() error { return nil })
		time.AfterFunc(time.Second, func() { vouchFor(s) })
		unvouched(t.Context(), s, log)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s = suspect.Over(newMem(t), true, func() error { return nil })
		unvouched(ctx, s, log)
		if !s.Is() {
			t.Error("it was let in when the process ended")
		}
		if took := time.Since(began); said.Len() > 0 || took > vouching+time.Second {
			t.Errorf("said %q after %v", said.String(), took)
		}
	})
}

// While it is suspect a brick lets in only who vouches, says why, and lets clients in at once
// when that is done.
func TestSuspectBrick(t *testing.T) {
	cfg := newConfig(t, nil)
	record := filepath.Join(cfg.Path, ".glusterfs", servesFile)
	if err := os.Mkdir(filepath.Dir(record), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, []byte("boot of yesterday\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("killed before anybody vouched", func(t *testing.T) {
		run(t, cfg)
		port := await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving && strings.Contains(s.Reason, "lost power") }).Port
		_, news := come(t, port, nil)
		wantEvent(t, news, false)
		if _, err := askBrick[mgmt.BlameReport](t, cfg, mgmt.AskBlame, mgmt.BlameAsk{Bricks: []string{"v-client-0"}}); err == nil || !strings.Contains(err.Error(), "lost power") {
			t.Errorf("it says whom it blames: %v", err)
		}
	})
	if text, err := os.ReadFile(record); err != nil || string(text) != "boot of yesterday\n" {
		t.Errorf("the record of a brick that nobody vouched for: %q, %v", text, err)
	}
	t.Run("vouched for", func(t *testing.T) {
		run(t, cfg)
		port := await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving }).Port
		_, news := come(t, port, nil)
		wantEvent(t, news, false)
		x, visit := come(t, port, xlator.Options{"vouches": "on"})
		wantEvent(t, visit, true)
		r, err := x.Getxattr(t.Context(), &fop.GetxattrReq{Req: asDaemon, GFID: fop.RootGFID, Name: fop.SuspectXattr, Internal: true})
		if err != nil || len(r.Xattrs) != 1 || string(r.Xattrs[0].Value) != "1" {
			t.Errorf("it says of itself: %v, %v", r, err)
		}
		if err := vouchFor(x); err != nil {
			t.Fatal(err)
		}
		wantEvent(t, news, true)
		await(t, cfg, func(s *mgmt.BrickStatus) bool { return s.Serving && s.Reason == "" })
		p, err := newPower(cfg.Path)
		if err != nil {
			t.Fatal(err)
		}
		if lost, recorded := p.lost(); lost || !recorded {
			t.Errorf("the record: lost %v, recorded %v", lost, recorded)
		}
	})
	if _, err := os.Stat(record); err == nil {
		t.Error("a brick that stopped in order leaves a record")
	}
}

// Nobody could vouch for a brick that has no copies.
func TestNoCopiesNotSuspect(t *testing.T) {
	cfg := newConfig(t, nil)
	v := &volgen.Volume{Name: "v", ID: volumeID, Replica: 1, Bricks: []volgen.Brick{{ID: "v-client-0", Path: cfg.Path}}}
	writeVolfile(t, cfg, volgen.BrickGraph(v, 0))
	record := filepath.Join(cfg.Path, ".glusterfs", servesFile)
	if err := os.Mkdir(filepath.Dir(record), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, cfg)
	connect(t, cfg)
}
