package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/gofs/gofs/server/brick"
)

// logFile is a log with one line per event.
type logFile struct {
	*os.File
	handler slog.Handler
}

// openLog opens path for appending ("-" is standard error) at a level that can be
// changed later.
func openLog(path, level string) (*logFile, *slog.LevelVar, error) {
	f := os.Stderr
	if path != "-" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, nil, fmt.Errorf("cannot make the log's directory: %w", err)
		}
		var err error
		if f, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err != nil {
			return nil, nil, fmt.Errorf("cannot open the log: %w", err)
		}
	}
	v := new(slog.LevelVar)
	v.Set(brick.Level(level))
	return &logFile{f, slog.NewTextHandler(f, &slog.HandlerOptions{Level: v})}, v, nil
}

// notifySystemd tells systemd, if it started this process and asked for it, that the
// service is ready.
func notifySystemd() {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	if c, err := net.Dial("unixgram", path); err == nil {
		c.Write([]byte("READY=1"))
		c.Close()
	}
}
