package graphs

import (
	"context"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/gofs/gofs/afr"
	"github.com/gofs/gofs/dht"
	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/volfile/volgen"
	"github.com/gofs/gofs/xlators/graph"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/readonly"
	"github.com/gofs/gofs/xlators/xlator"
)

// What volume set takes, the translators take: an option that was accepted never keeps a
// brick from starting or a mount from mounting.
func TestAcceptedOptionsBuildGraphs(t *testing.T) {
	id := strings.Repeat("0", 8) + "-0000-0000-0000-000000000001"
	values := []string{"0", "1", "2", "3", "-1", "0x10", "010", "1.5", "5%", "5.5%", "100%", "5K", "5KB", "5.5GB", "1e3", "0x1p3", "7B", "200",
		"on", "Enable", "none", "auto", "server", "size", "DEBUG", "1min", "3days", "30s", "1wk", "2hr", "*", "10.0.0.0/8,host", "v-client-1", "^a(.*)b$"}
	none := func(context.Context, string, string) (client.Place, error) { return client.Place{}, syscall.ENOTCONN }
	clients := map[string]xlator.New{"protocol/client": client.New(none), "cluster/replicate": afr.New, "cluster/distribute": dht.New,
		"debug/io-stats": iostats.New, "features/read-only": readonly.New}
	bricks := map[string]xlator.New{"storage/posix": posix.New}
	log := slog.New(slog.DiscardHandler)
	for _, key := range volgen.Settable() {
		for _, value := range values {
			v := volgen.Volume{Name: "v", ID: id, Replica: 3}
			for _, n := range []string{"v-client-0", "v-client-1", "v-client-2"} {
				v.Bricks = append(v.Bricks, volgen.Brick{ID: n, Host: "127.0.0.1", Path: "/nosuch/" + n})
			}
			full, stored, err := volgen.Check(&v, key, value)
			if err != nil {
				continue
			}
			v.Options = map[string]string{full: stored}
			if volgen.CheckTogether(&v) != nil {
				continue
			}
			top, err := graph.Build(volgen.ClientGraph(&v).String(), clients, log)
			if err != nil {
				t.Errorf("%s=%s: a mount cannot use it: %v", key, value, err)
				continue
			}
			top.Close()
			if err := brickTakes(&v, bricks, log); err != nil {
				t.Errorf("%s=%s: a brick cannot use it: %v", key, value, err)
			}
		}
	}
}

// brickTakes builds a brick's graph of v on a directory that does not exist: that is what
// it is to fail for.
func brickTakes(v *volgen.Volume, types map[string]xlator.New, log *slog.Logger) error {
	disk := &volfile.Graph{Nodes: volgen.BrickGraph(v, 0).Nodes[:1]} // it has the options
	top, err := graph.Build(disk.String(), types, log)
	if err == nil {
		return top.Close()
	}
	if strings.Contains(err.Error(), "brick directory /nosuch/v-client-0 does not exist") {
		return nil
	}
	return err
}
