// Package logfile is a log that can be given a new file while it is written to.
package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// File is an open log. Its methods are safe for concurrent use.
type File struct {
	path string

	mu sync.RWMutex // held for writing while f is replaced
	f  *os.File
}

// Open opens path for appending, and makes its directory.
func Open(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the log's directory: %w", err)
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	return &File{path: path, f: f}, nil
}

func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log: %w", err)
	}
	return f, nil
}

// Write appends p.
func (l *File) Write(p []byte) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.f.Write(p)
}

// Reopen goes on in a file of the log's name: a new one if somebody has moved the present one
// away, or, if anew, after moving it to NAME.SECONDS itself. After an error the log goes on
// where it was.
func (l *File) Reopen(anew bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if anew {
		if err := l.move(); err != nil {
			return fmt.Errorf("cannot move the log: %w", err)
		}
	}
	f, err := open(l.path)
	if err != nil {
		return err
	}
	old := l.f
	l.f = f
	return old.Close()
}

// move gives the present file a name that no other has.
func (l *File) move() error {
	for at := time.Now().Unix(); ; at++ {
		name := fmt.Sprintf("%s.%d", l.path, at)
		if _, err := os.Lstat(name); err == nil {
			continue // a second one within a second
		}
		err := os.Rename(l.path, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody has moved it
		}
		return err
	}
}

// Close closes the log.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
