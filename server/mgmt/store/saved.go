package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// savedState is state.json, written by one goroutine a little after each change: the newest state this node has seen, so that it can serve
// from the moment it starts, also when no majority can be reached that would tell how far
// the log is committed. It is for that only: a file that is missing or damaged means to
// start from Raft's snapshot.
type savedState struct {
	dir     string
	pending chan *view // the newest that is not written; has room for one
	wg      sync.WaitGroup
}

// settle is how long changes are gathered before the file is written.
const settle = 100 * time.Millisecond

// run starts the goroutine; close ends it.
func (f *savedState) run(log *slog.Logger) {
	f.pending = make(chan *view, 1)
	f.wg.Go(func() {
		for v := range f.pending {
			f.save(v, log)
			time.Sleep(settle)
		}
	})
}

// put has v written soon, instead of one that still waits. Only one goroutine calls it.
func (f *savedState) put(v *view) {
	select {
	case <-f.pending:
	default:
	}
	f.pending <- v
}

// close writes what still waits. Nothing may be put any more.
func (f *savedState) close() {
	close(f.pending)
	f.wg.Wait()
}

func (f *savedState) path() string { return filepath.Join(f.dir, "state.json") }

// load returns the saved state, an empty one if there is none that can be read.
func (f *savedState) load(log *slog.Logger) *view {
	text, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return &view{state: newState()}
	}
	var v snapshot
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil || v.State == nil {
		log.Warn("the saved state cannot be read; the log will tell", "file", f.path(), "error", err)
		return &view{state: newState()}
	}
	return &view{v.Index, v.State.complete()}
}

// save writes v. Not durably: after a loss of power the log tells.
func (f *savedState) save(v *view, log *slog.Logger) {
	text, err := json.Marshal(&snapshot{v.index, v.state})
	if err == nil {
		err = os.WriteFile(f.path()+".tmp", text, 0o600)
	}
	if err == nil {
		err = os.Rename(f.path()+".tmp", f.path())
	}
	if err != nil {
		log.Warn("cannot save the state; the log has it", "file", f.path(), "error", err)
	}
}
