// Package graphs runs the conformance suite on whole graphs: the volfiles that the
// daemon would make for a volume, brick processes' and mount's translators in one
// process, the real protocol between them, bricks on disk.
package graphs

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/afr"
	"github.com/gofs/gofs/dht"
	"github.com/gofs/gofs/protocol/client"
	"github.com/gofs/gofs/protocol/server"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/volfile/volgen"
	"github.com/gofs/gofs/xlators/arbiter"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/graph"
	"github.com/gofs/gofs/xlators/index"
	"github.com/gofs/gofs/xlators/iostats"
	"github.com/gofs/gofs/xlators/locks"
	"github.com/gofs/gofs/xlators/posix"
	"github.com/gofs/gofs/xlators/upcall"
	"github.com/gofs/gofs/xlators/xlator"
	"github.com/gofs/gofs/xlators/xlatortest"
)

// disk is an XFS filesystem in memory that holds all bricks.
var disk string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("/dev/shm", "gofs-graphs")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	disk = filepath.Join(dir, "xfs")
	code := 1
	out, err := exec.Command("sh", "-ec", `truncate -s 1G "$1/img"; mkfs.xfs -q "$1/img"; mkdir "$1/xfs"; mount -o loop "$1/img" "$1/xfs"`, "sh", dir).CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bricks need a loop device with XFS: %v\n%s", err, out)
	} else {
		code = m.Run()
		if err := unix.Unmount(disk, 0); err != nil {
			fmt.Fprintln(os.Stderr, "unmount", disk, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// open starts a volume of n bricks and returns a client's view of it.
func open(t *testing.T, n int, v volgen.Volume) xlator.Xlator {
	t.Helper()
	v.Name, v.ID = "v", fop.NewGFID().String()
	v.Options = map[string]string{}
	ports := map[string]int{}
	root, err := os.MkdirTemp(disk, "volume")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for i := range n {
		dir := filepath.Join(root, fmt.Sprint("b", i))
		v.Bricks = append(v.Bricks, volgen.Brick{ID: fmt.Sprintf("v-client-%d", i), Host: "127.0.0.1", Path: dir})
	}
	for i := range v.Bricks {
		ports[v.Bricks[i].Path] = startBrick(t, &v, i)
	}
	resolve := func(ctx context.Context, host, brick string) (client.Place, error) {
		return client.Place{Port: ports[brick]}, nil
	}
	types := map[string]xlator.New{"protocol/client": client.New(resolve), "cluster/replicate": afr.New, "cluster/distribute": dht.New, "debug/io-stats": iostats.New}
	top, err := graph.Build(volgen.ClientGraph(&v).String(), types, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { top.Close() })
	awaitRoot(t, top)
	return top
}

// awaitRoot returns when all bricks take part: the root can be changed.
func awaitRoot(t *testing.T, top xlator.Xlator) {
	t.Helper()
	up := make(chan struct{}, 1)
	top.Watch(func(e xlator.Event) {
		if e.Kind == xlator.ChildUp {
			select {
			case up <- struct{}{}:
			default:
			}
		}
	})
	<-up
	req := fop.Req{Caller: &fop.Caller{}}
	for {
		_, err := top.Lookup(t.Context(), &fop.LookupReq{Req: req, GFID: fop.RootGFID})
		if err == nil {
			_, err = top.Setattr(t.Context(), &fop.SetattrReq{Req: req, GFID: fop.RootGFID, Valid: fop.SetMode, Mode: 0o755})
		}
		if err == nil {
			return
		}
		if fop.Errno(err) != syscall.ENOTCONN {
			t.Fatal(err)
		}
	}
}

func startBrick(t *testing.T, v *volgen.Volume, i int) int {
	t.Helper()
	path := v.Bricks[i].Path
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(path, ".glusterfs"), 0o700); err != nil {
		t.Fatal(err)
	}
	id, err := fop.ParseGFID(v.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(path, "trusted.glusterfs.volume-id", id[:], 0); err != nil {
		t.Fatalf("bricks need trusted xattrs, and so root: %v", err)
	}
	g := volgen.BrickGraph(v, i)
	g.Nodes = withoutServer(g.Nodes)
	types := map[string]xlator.New{"storage/posix": posix.New, "features/arbiter": arbiter.New, "features/index": index.New, "features/upcall": upcall.New, "features/locks": locks.New, "debug/io-stats": iostats.New}
	top, err := graph.Build(g.String(), types, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(top, server.Config{VolumeID: v.ID, Volume: v.Name, Brick: path})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(context.Background(), l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
		top.Close()
	})
	return l.Addr().(*net.TCPAddr).Port
}

func withoutServer(nodes []*volfile.Node) []*volfile.Node {
	var out []*volfile.Node
	for _, n := range nodes {
		if !strings.HasPrefix(n.Type, "protocol/") {
			out = append(out, n)
		}
	}
	return out
}

// without is what a volume does not let users do: layers keep their own xattrs, and
// several subvolumes cannot exchange names in one step.
// Hidden names answer ENOENT to some removals, where a brick says EPERM.
var without = []xlatortest.Feature{xlatortest.Xattrop, xlatortest.InternalXattr, xlatortest.HiddenNames}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		bricks  int
		v       volgen.Volume
		without []xlatortest.Feature
	}{
		"distribute 1":          {1, volgen.Volume{}, nil},
		"distribute 3":          {3, volgen.Volume{}, []xlatortest.Feature{xlatortest.Exchange, xlatortest.ParentIatts}},
		"replica 3":             {3, volgen.Volume{Replica: 3}, nil},
		"arbiter":               {3, volgen.Volume{Replica: 3, Arbiter: 1}, nil},
		"distributed replica 2": {4, volgen.Volume{Replica: 2}, []xlatortest.Feature{xlatortest.Exchange, xlatortest.ParentIatts}},
	} {
		t.Run(name, func(t *testing.T) {
			xlatortest.Run(t, func(t *testing.T) xlator.Xlator { return open(t, c.bricks, c.v) }, append(c.without, without...)...)
		})
	}
}
