package mgmt

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/server/mgmt/store"
)

// Of two volumes that are created on the same directories at the same time, each of them first on
// some, the order with the smaller name must get all.
func TestPreparationsThatMeet(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Config{Dir: t.TempDir(), Node: "node", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := &Daemon{cfg: Config{Log: slog.New(slog.DiscardHandler)}, uuid: "node", store: s}
	volume := func(id string) *store.Volume {
		return &store.Volume{Name: id, ID: id, Bricks: []store.Brick{{Node: "node", Host: "here", Path: filepath.Join(dir, "brick")}}}
	}
	small, large := volume("10000000-0000-4000-8000-000000000000"), volume("20000000-0000-4000-8000-000000000000")
	prepare := func(ctx context.Context, v *store.Volume) error {
		return d.prepareHere(ctx, v, &mgmt.PrepareReq{Order: v.ID, Force: true})
	}
	if err := prepare(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { waited <- prepare(ctx, small) }()
	if err := prepare(ctx, volume("30000000-0000-4000-8000-000000000000")); err == nil || !strings.Contains(err.Error(), "not available") {
		t.Errorf("the last to come got %v", err)
	}
	d.unprepareHere(large.ID)
	if err := <-waited; err != nil {
		t.Errorf("the smallest got %v", err)
	}
	if err := prepare(ctx, large); err == nil {
		t.Error("a directory that is the smaller's is prepared for the larger, too")
	}
}
