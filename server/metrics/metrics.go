// Package metrics shows a node's counters to Prometheus: those of its daemon, and of the
// bricks and mounts on its machine, which are asked when somebody asks.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gofs/gofs/protocol/mgmt"
)

// A Node is what is known of a node at one moment.
type Node struct {
	Version string
	UUID    string
	Peers   []mgmt.Peer
	Volumes []Volume
	Mounts  []mgmt.ProcessMetrics
}

// A Volume is a volume with its bricks on the node.
type Volume struct {
	Name    string
	Started bool
	Bricks  []Brick
}

// A Brick is a brick of the node.
type Brick struct {
	mgmt.Brick
	Online  bool
	Disk    *mgmt.Disk           // nil if it cannot be had
	Process *mgmt.ProcessMetrics // nil if it does not answer
}

// gathering is how long it may take to ask everybody.
const gathering = 5 * time.Second

// Handler serves what gather finds out, anew for each request. gather may be called by two
// requests at once.
func Handler(gather func(context.Context) *Node) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &collector{gather})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 2 * gathering, DisableCompression: true}))
	return mux
}

type collector struct {
	gather func(context.Context) *Node
}

// Describe describes nothing: which metrics there are depends on what runs.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks everybody.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gathering)
	defer cancel()
	n := c.gather(ctx)
	s := sink{ch}
	s.gauge(buildInfo, 1, n.Version, runtime.Version())
	s.gauge(up, 1, n.UUID)
	for _, p := range n.Peers {
		if !p.Self {
			s.gauge(nodeUp, truth(p.Connected), p.UUID, p.Host)
		}
	}
	for i := range n.Volumes {
		s.volume(&n.Volumes[i])
	}
	for i := range n.Mounts {
		s.process(&n.Mounts[i], "mount")
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gofs_"+name, help, labels, nil)
}

// What is shown. side is brick or mount; the label of the other one is empty.
var (
	buildInfo     = desc("build_info", "Version of the daemon.", "version", "goversion")
	up            = desc("up", "1: the daemon runs.", "node")
	nodeUp        = desc("node_up", "Whether another node of the pool is connected.", "node", "hostname")
	volumeStarted = desc("volume_started", "Whether a volume is started.", "volume")
	brickUp       = desc("brick_up", "Whether a brick of this node serves.", "volume", "brick")
	brickBytes    = desc("brick_bytes", "Size of the filesystem below a brick.", "volume", "brick", "state")
	brickInodes   = desc("brick_inodes", "Inodes of the filesystem below a brick.", "volume", "brick", "state")
	brickClients  = desc("brick_clients", "Clients connected with a brick.", "volume", "brick")
	locks         = desc("brick_locks", "Locks that are granted and that are waited for.", "volume", "brick", "state")
	inFlight      = desc("brick_calls_in_flight", "Calls that a brick has not answered yet.", "volume", "brick")

	fopSeconds = desc("fop_duration_seconds", "How long file operations took.", "side", "volume", "brick", "mount", "fop")
	fopErrors  = desc("fop_errors_total", "File operations that failed; that a name does not exist is a failure too.", "side", "volume", "brick", "mount", "fop")
	ioBytes    = desc("io_bytes_total", "Bytes of file content that programs read and wrote.", "side", "volume", "brick", "mount", "op")
	openFiles  = desc("open_files", "Files that are open.", "side", "volume", "brick", "mount")
	resident   = desc("process_resident_memory_bytes", "Resident memory of a brick or mount.", "side", "volume", "brick", "mount")
	cpu        = desc("process_cpu_seconds_total", "Processor time that a brick or mount has used.", "side", "volume", "brick", "mount")
	goroutines = desc("process_goroutines", "Goroutines of a brick or mount.", "side", "volume", "brick", "mount")
	started    = desc("process_start_time_seconds", "When a brick or mount was started, Unix time.", "side", "volume", "brick", "mount")
)

// sink makes metrics of numbers.
type sink struct{ ch chan<- prometheus.Metric }

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.send(prometheus.NewConstMetric(d, prometheus.GaugeValue, v, labels...))
}

func (s sink) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.send(prometheus.NewConstMetric(d, prometheus.CounterValue, v, labels...))
}

// send drops a metric that cannot be made: a label that is not UTF-8, a path for one. The
// others are of use without it.
func (s sink) send(m prometheus.Metric, err error) {
	if err == nil {
		s.ch <- m
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s sink) volume(v *Volume) {
	s.gauge(volumeStarted, truth(v.Started), v.Name)
	for i := range v.Bricks {
		b := &v.Bricks[i]
		name := b.Name()
		s.gauge(brickUp, truth(b.Online), v.Name, name)
		if d := b.Disk; d != nil {
			for state, n := range map[string]uint64{"total": d.Total, "free": d.Free, "used": d.Total - min(d.Free, d.Total)} {
				s.gauge(brickBytes, float64(n), v.Name, name, state)
			}
			for state, n := range map[string]uint64{"total": d.Inodes, "free": d.FreeInodes, "used": d.Inodes - min(d.FreeInodes, d.Inodes)} {
				s.gauge(brickInodes, float64(n), v.Name, name, state)
			}
		}
		if p := b.Process; p != nil {
			p.Brick = name
			s.gauge(brickClients, float64(p.Clients), v.Name, name)
			s.gauge(inFlight, float64(p.InFlight), v.Name, name)
			s.gauge(locks, float64(p.Locks), v.Name, name, "granted")
			s.gauge(locks, float64(p.LocksWait), v.Name, name, "waiting")
			s.process(p, "brick")
		}
	}
}

func (s sink) process(p *mgmt.ProcessMetrics, side string) {
	at := []string{side, p.Volume, p.Brick, p.Mount}
	if p.Mount != "" {
		at[3] = p.Mount + " " + strconv.Itoa(p.PID) // one directory may have several, one above the other
	}
	with := func(more string) []string { return append(at[:4:4], more) }
	for i := range p.Fops {
		f := &p.Fops[i]
		s.send(prometheus.NewConstHistogram(fopSeconds, f.Count, f.Seconds, cumulated(f.Buckets), with(f.Name)...))
		if f.Errors > 0 {
			s.counter(fopErrors, float64(f.Errors), with(f.Name)...)
		}
	}
	s.counter(ioBytes, float64(p.Read), with("read")...)
	s.counter(ioBytes, float64(p.Written), with("write")...)
	s.gauge(openFiles, float64(p.Open), at...)
	s.gauge(resident, float64(p.Memory.Resident), at...)
	s.counter(cpu, p.CPU, at...)
	s.gauge(goroutines, float64(p.Memory.Routines), at...)
	s.gauge(started, float64(p.Started.UnixNano())/1e9, at...)
}

// cumulated makes a histogram of buckets of powers of two microseconds: eleven from 8 us to
// 8 s, each four times the one before.
func cumulated(buckets []uint64) map[float64]uint64 {
	out := map[float64]uint64{}
	sum := uint64(0)
	for i, n := range buckets {
		sum += n
		if i >= 3 && i <= 23 && i%2 == 1 {
			out[float64(uint64(1)<<i)/1e6] = sum
		}
	}
	return out
}
