package metrics

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

// scrape returns what Prometheus gets of n.
func scrape(t *testing.T, n *Node) string {
	t.Helper()
	s := httptest.NewServer(Handler(func(context.Context) *Node { return n }))
	defer s.Close()
	r, err := s.Client().Get(s.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("status %d, %v: %s", r.StatusCode, err, text)
	}
	return string(text)
}

func process() *mgmt.ProcessMetrics {
	buckets := make([]uint64, 28)
	buckets[2], buckets[4], buckets[27] = 1, 2, 1 // <4 us, <16 us, very long
	return &mgmt.ProcessMetrics{PID: 7, Volume: "v", Started: time.Unix(1000, 0), Read: 10, Written: 20, Clients: 2,
		Fops: []mgmt.FopMetric{{Name: "WRITE", Count: 4, Errors: 1, Seconds: 100, Buckets: buckets}}}
}

func TestHandler(t *testing.T) {
	mount := process()
	mount.Mount = "/mnt/v"
	text := scrape(t, &Node{Version: "1", UUID: "me",
		Peers: []mgmt.Peer{{UUID: "me", Self: true, Connected: true}, {UUID: "other", Host: "s2"}},
		Volumes: []Volume{{Name: "v", Started: true, Bricks: []Brick{
			{Brick: mgmt.Brick{Host: "s1", Path: "/b"}, Online: true, Disk: &mgmt.Disk{Total: 100, Free: 30}, Process: process()},
			{Brick: mgmt.Brick{Host: "s1", Path: "/c"}},
		}}},
		Mounts: []mgmt.ProcessMetrics{*mount}})
	for _, want := range []string{
		`gofs_build_info{`, `gofs_up{node="me"} 1`, `gofs_node_up{hostname="s2",node="other"} 0`,
		`gofs_volume_started{volume="v"} 1`, `gofs_brick_up{brick="s1:/b",volume="v"} 1`, `gofs_brick_up{brick="s1:/c",volume="v"} 0`,
		`gofs_brick_bytes{brick="s1:/b",state="used",volume="v"} 70`,
		`gofs_fop_duration_seconds_bucket{brick="s1:/b",fop="WRITE",mount="",side="brick",volume="v",le="8e-06"} 1`,
		`gofs_fop_duration_seconds_bucket{brick="s1:/b",fop="WRITE",mount="",side="brick",volume="v",le="3.2e-05"} 3`,
		`gofs_fop_duration_seconds_bucket{brick="s1:/b",fop="WRITE",mount="",side="brick",volume="v",le="+Inf"} 4`,
		`gofs_fop_duration_seconds_sum{brick="",fop="WRITE",mount="/mnt/v 7",side="mount",volume="v"} 100`,
		`gofs_fop_errors_total{brick="s1:/b",fop="WRITE",mount="",side="brick",volume="v"} 1`,
		`gofs_io_bytes_total{brick="s1:/b",mount="",op="write",side="brick",volume="v"} 20`,
		`gofs_brick_clients{brick="s1:/b",volume="v"} 2`, `go_goroutines `, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `gofs_node_up{hostname="",node="me"`) {
		t.Error("the node is its own peer")
	}
}

// A path that is not UTF-8 takes its own metrics away and no others.
func TestOddNames(t *testing.T) {
	text := scrape(t, &Node{Volumes: []Volume{{Name: "v", Bricks: []Brick{{Brick: mgmt.Brick{Host: "h", Path: "/\xff"}}, {Brick: mgmt.Brick{Host: "h", Path: "/b"}}}}}})
	if !strings.Contains(text, `gofs_brick_up{brick="h:/b",volume="v"} 0`) {
		t.Errorf("the other brick is missing:\n%s", text)
	}
}
