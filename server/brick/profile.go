package brick

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/xlators/iostats"
)

// profile tells what the brick has done.
func (b *process) profile(q *mgmt.ProfileAsk) (*mgmt.ProfileReport, error) {
	if q.Clear {
		b.parts.stats.Clear()
		return &mgmt.ProfileReport{Cleared: true}, nil
	}
	all, interval, number := b.parts.stats.Profile(!q.Peek)
	return &mgmt.ProfileReport{Cumulative: described(&all), Interval: described(&interval), Number: number}, nil
}

func described(p *iostats.Profile) *mgmt.Profile {
	r := &mgmt.Profile{Seconds: p.Took.Seconds(), Read: p.Read, Written: p.Written, Fops: []mgmt.FopTimes{}}
	for i := range p.Reads {
		r.Blocks = append(r.Blocks, mgmt.BlockCount{Size: 1 << i, Reads: p.Reads[i], Writes: p.Writes[i]})
	}
	for _, f := range p.Fops {
		r.Fops = append(r.Fops, mgmt.FopTimes{Name: f.Fop.String(), Count: f.Count, Avg: float64(f.Total) / float64(f.Count), Min: float64(f.Min), Max: float64(f.Max)})
	}
	return r
}

// ranks are the kinds of top in iostats's order.
var ranks = []string{mgmt.TopOpen, mgmt.TopRead, mgmt.TopWrite, mgmt.TopOpendir, mgmt.TopReaddir, mgmt.TopReadPerf, mgmt.TopWritePerf}

// maxList bounds how many files a ranking has.
const maxList = 100

// top ranks files, and measures the disk if that is asked for.
func (b *process) top(ctx context.Context, q *mgmt.TopAsk) (*mgmt.TopReport, error) {
	s := b.parts.stats
	if q.Kind == mgmt.TopClear {
		s.ClearTop()
		return &mgmt.TopReport{Files: []mgmt.TopFile{}, Cleared: true}, nil
	}
	kind := slices.Index(ranks, q.Kind)
	if kind < 0 {
		return nil, &mgmt.Error{Code: mgmt.CodeBadRequest, Message: fmt.Sprintf("files cannot be ranked by %q", q.Kind)}
	}
	r := &mgmt.TopReport{Files: []mgmt.TopFile{}}
	perf := q.Kind == mgmt.TopReadPerf || q.Kind == mgmt.TopWritePerf
	if perf && q.Count > 0 {
		var err error
		if r.Throughput, err = measure(ctx, b.cfg.Path, q.Kind == mgmt.TopReadPerf, q.BlockSize, q.Count); err != nil {
			return nil, err
		}
	}
	for _, f := range s.Top(iostats.TopKind(kind), min(max(q.List, 0), maxList)) {
		t := mgmt.TopFile{Name: nameOf(b.cfg.Path, f.GFID), Value: f.Value}
		if perf {
			t.Value, t.At = f.Value/1e6, &f.At
		}
		r.Files = append(r.Files, t)
	}
	if q.Kind == mgmt.TopOpen {
		var at time.Time
		if r.Open, r.MostOpen, at = s.OpenFiles(); !at.IsZero() {
			r.MostAt = &at
		}
	}
	return r, nil
}

const (
	maxMeasured = 10 << 30 // bytes
	chunk       = 1 << 20  // largest single read or write
)

// measure writes count blocks of size bytes to a file without a name on the brick's disk, or
// reads them from there, and tells how fast that was. Writing ends when the disk has it.
func measure(ctx context.Context, dir string, read bool, size, count int64) (*mgmt.Throughput, error) {
	if size <= 0 || size > maxMeasured || count > maxMeasured/size {
		return nil, mgmt.Errorf("'bs * count' is greater than maximum allowed value of 10GB")
	}
	total := size * count
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return nil, fmt.Errorf("cannot measure the brick's disk: %w", err)
	}
	if uint64(total) > st.Bavail*uint64(st.Bsize)/2 {
		return nil, mgmt.Errorf("the brick's disk has too little room for a measurement with %d bytes", total)
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot measure the brick's disk: %w", err)
	}
	f := os.NewFile(uintptr(fd), "measurement")
	defer f.Close()
	took, err := blocks(ctx, size, count, f.WriteAt, f.Sync)
	if err == nil && read {
		if err = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err == nil {
			took, err = blocks(ctx, size, count, f.ReadAt, func() error { return nil })
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot measure the brick's disk: %w", err)
	}
	s := max(took.Seconds(), 1e-9)
	return &mgmt.Throughput{MBps: float64(total) / 1e6 / s, Seconds: s}, nil
}

// blocks does one block after the other and then last, and tells how long all took.
func blocks(ctx context.Context, size, count int64, do func([]byte, int64) (int, error), last func() error) (time.Duration, error) {
	buf := make([]byte, min(size, chunk))
	start := time.Now()
	for i := range count {
		for at := int64(0); at < size; at += chunk {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if _, err := do(buf[:min(size-at, chunk)], i*size+at); err != nil {
				return 0, err
			}
		}
	}
	err := last()
	return time.Since(start), err
}
