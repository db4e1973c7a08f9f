package sim

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

// A traceLog is what the code under test logs, as events of the run.
type traceLog struct {
	s    *sim
	who  string
	with []slog.Attr
}

// logger makes the log of a client or healer: with -v it is in the trace, debug and all.
func (s *sim) logger(who string) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&traceLog{s: s, who: who})
}

func (*traceLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *traceLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	put := func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return true
	}
	for _, a := range l.with {
		put(a)
	}
	r.Attrs(put)
	l.s.logf("%s: %s%s", l.who, r.Message, b.String())
	return nil
}

func (l *traceLog) WithAttrs(as []slog.Attr) slog.Handler {
	n := *l
	n.with = append(n.with[:len(n.with):len(n.with)], as...)
	return &n
}

func (l *traceLog) WithGroup(string) slog.Handler { return l }
