package xlator

import "sync"

// Watchers is the list of functions that a translator tells its events to. The zero
// value is ready to use.
type Watchers struct {
	mu sync.Mutex
	fs []func(Event) // guarded by mu; append-only, so a copied slice stays valid
}

// Add adds f.
func (w *Watchers) Add(f func(Event)) {
	w.mu.Lock()
	w.fs = append(w.fs, f)
	w.mu.Unlock()
}

// Tell calls every watcher with e, on the calling goroutine and without a lock held.
func (w *Watchers) Tell(e Event) {
	w.mu.Lock()
	fs := w.fs
	w.mu.Unlock()
	for _, f := range fs {
		f(e)
	}
}
