// Package inspect says what a process of gofs is doing: its memory and time, its fops, and
// a dump of its state as a text file.
package inspect

import (
	"bufio"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/iostats"
)

// Memory returns this process's use of memory. It does not stop the process for it.
func Memory() mgmt.Memory {
	names := []string{"/memory/classes/total:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes",
		"/memory/classes/heap/unused:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/stacks:bytes",
		"/gc/heap/objects:objects", "/memory/classes/metadata/mspan/inuse:bytes"}
	samples := make([]metrics.Sample, len(names))
	for i, n := range names {
		samples[i].Name = n
	}
	metrics.Read(samples)
	v := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // not in this version of Go
		}
		return samples[i].Value.Uint64()
	}
	return mgmt.Memory{Resident: resident(), Reserved: v(0), Heap: v(1), Idle: v(2) + v(3), Released: v(4), Stacks: v(5),
		Objects: v(6), Spans: v(7), Routines: runtime.NumGoroutine()}
}

// resident returns the resident memory in bytes, 0 if it cannot be had.
func resident() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kb, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// CPU returns the processor time that this process has used, in seconds.
func CPU() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// Fops returns the counters of s.
func Fops(s *iostats.Stats) []mgmt.FopMetric {
	out := []mgmt.FopMetric{}
	for _, f := range s.Samples() {
		out = append(out, mgmt.FopMetric{Name: f.Fop.String(), Count: f.Count, Errors: f.Errors, Seconds: f.Total.Seconds(), Buckets: f.Buckets[:]})
	}
	return out
}
