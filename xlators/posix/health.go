package posix

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofs/gofs/xlators/xlator"
)

// watchHealth checks the disk at once and then once per interval until Close. A check that fails, or
// does not end within timeout (0: however long), takes the brick down: its fops fail with
// ENOTCONN until a check succeeds. Better no answer than one that replicas take for the
// truth.
func (b *brick) watchHealth(interval, timeout time.Duration) {
	t := time.NewTicker(interval)
	defer t.Stop()
	late := time.NewTimer(timeout)
	late.Stop()
	defer late.Stop()
	answer := make(chan error, 1)
	asked := false
	ask := func() {
		asked = true
		if timeout > 0 {
			late.Reset(timeout)
		}
		go func() { answer <- b.probe() }()
	}
	ask()
	for {
		select {
		case <-b.done:
			if asked {
				<-answer
			}
			return
		case err := <-answer:
			asked = false
			late.Stop()
			b.healthIs(err)
		case <-late.C:
			b.healthIs(fmt.Errorf("the disk did not answer within %v", timeout))
		case <-t.C:
			if !asked {
				ask()
			}
		}
	}
}

// healthIs tells the watchers if err means a change.
func (b *brick) healthIs(err error) {
	switch {
	case err != nil && !b.down.Load():
		b.log.Error("the brick's disk failed its health check; not serving until it recovers", "brick", b.dir, "error", err)
		b.w.Tell(xlator.Event{Kind: xlator.ChildDown, Reason: err.Error()})
		b.down.Store(true)
	case err == nil && b.down.Load():
		b.log.Info("the brick's disk recovered", "brick", b.dir)
		b.down.Store(false)
		b.w.Tell(xlator.Event{Kind: xlator.ChildUp})
	}
}

// checkHealth writes the time into .glusterfs/health_check, to the disk, and reads it
// back.
func (b *brick) checkHealth() error {
	fd, err := unix.Openat(b.dot, "health_check", unix.O_CREAT|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_DSYNC, 0644)
	if err != nil {
		return fmt.Errorf("open health_check: %w", err)
	}
	defer unix.Close(fd)
	text := []byte(time.Now().UTC().Format("2006-01-02 15:04:05 +0000"))
	if _, err := unix.Pwrite(fd, text, 0); err != nil {
		return fmt.Errorf("write health_check: %w", err)
	}
	back := make([]byte, len(text)+1)
	n, err := unix.Pread(fd, back, 0)
	if err != nil {
		return fmt.Errorf("read health_check: %w", err)
	}
	if !bytes.Equal(back[:n], text) {
		return fmt.Errorf("read health_check: %q, but wrote %q", back[:n], text)
	}
	return nil
}

// probes lets all who want to know about the disk share one check, since each that hangs
// holds a thread.
type probes struct {
	mu      sync.Mutex
	running *probe // guarded by mu; nil: none
}

type probe struct {
	done chan struct{}
	err  error // set when done is closed
}

// probe checks the disk, or waits for the check that is under way.
func (b *brick) probe() error {
	b.probes.mu.Lock()
	p := b.probes.running
	mine := p == nil
	if mine {
		p = &probe{done: make(chan struct{})}
		b.probes.running = p
	}
	b.probes.mu.Unlock()
	if mine {
		p.err = b.health()
		b.probes.mu.Lock()
		b.probes.running = nil
		b.probes.mu.Unlock()
		close(p.done)
	}
	<-p.done
	return p.err
}
