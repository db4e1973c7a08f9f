package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/gofs/gofs/logfile"
	"github.com/gofs/gofs/server/brick"
)

// openedLog is a log with one line per event.
type openedLog struct {
	file    *logfile.File // nil: standard error
	level   *slog.LevelVar
	handler slog.Handler
}

// openLog opens path for appending ("-" is standard error) at a level that can be
// changed later.
func openLog(path, level string) (*openedLog, error) {
	l := &openedLog{level: new(slog.LevelVar)}
	l.level.Set(brick.Level(level))
	var w io.Writer = os.Stderr
	if path != "-" {
		var err error
		if l.file, err = logfile.Open(path); err != nil {
			return nil, err
		}
		w = l.file
	}
	l.handler = slog.NewTextHandler(w, &slog.HandlerOptions{Level: l.level})
	return l, nil
}

// reopen opens the log again; if anew, in a new file.
func (l *openedLog) reopen(anew bool) error {
	if l.file == nil {
		return errors.New("the log is not a file")
	}
	return l.file.Reopen(anew)
}

// Close closes the file.
func (l *openedLog) Close() {
	if l.file != nil {
		l.file.Close()
	}
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
