package mount

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/gofs/gofs/protocol/mgmt"
)

const (
	// askTimeout is how long one server may take to answer.
	askTimeout = 3 * time.Second
	// askNext is how long one server may be silent before the next is asked too.
	askNext = 500 * time.Millisecond
	// askPause is between two rounds through the servers.
	askPause = time.Second
)

// fetch gets the volfile from the first server that has it. If none answers, all are asked
// again, as often as FetchAttempts says and until the deadline.
func (o *Options) fetch(ctx context.Context, log *slog.Logger) (string, error) {
	if o.Volfile != "" {
		text, err := os.ReadFile(o.Volfile)
		return string(text), err
	}
	for round := 1; ; round++ {
		text, err := o.askEach(ctx)
		var answer *mgmt.Error
		if err == nil || errors.As(err, &answer) { // one that answers knows as much as the others
			return text, err
		}
		if round >= o.FetchAttempts && !time.Now().Before(o.deadline) {
			return "", err
		}
		if round == 1 {
			log.Info("no server answers yet, asking again", "volume", o.Volume, "until", o.deadline, "reason", err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(askPause):
		}
	}
}

// askEach asks the servers in their order, and returns the first answer, or the last error
// if there is none.
func (o *Options) askEach(ctx context.Context) (string, error) {
	return staggered(ctx, o.Servers, func(ctx context.Context, server string) (string, error) {
		text, err := o.ask(ctx, server)
		var said *mgmt.Error
		if err != nil && !errors.As(err, &said) {
			err = fmt.Errorf("%s does not answer: %w", server, err)
		}
		return text, err
	})
}

// staggered asks whom in their order, each a little later than the one before or as soon as
// that has failed, and returns the first answer, or the last error if there is none. An
// Error of a daemon is an answer.
func staggered(ctx context.Context, whom []string, ask func(context.Context, string) (string, error)) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, len(whom))
	var last error
	asked, missing := 0, len(whom)
	later := time.After(0)
	for missing > 0 {
		select {
		case <-later:
			who := whom[asked]
			go func() {
				text, err := ask(ctx, who)
				answers <- answer{text, err}
			}()
			if asked++; asked < len(whom) {
				later = time.After(askNext)
			} else {
				later = nil
			}
		case a := <-answers:
			var said *mgmt.Error
			if a.err == nil || errors.As(a.err, &said) {
				return a.text, a.err
			}
			last = a.err
			if missing--; later != nil {
				later = time.After(0)
			}
		}
	}
	return "", last
}

func (o *Options) address(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(o.ServerPort))
}

// ask asks one server, at each of its addresses.
func (o *Options) ask(ctx context.Context, server string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return staggered(ctx, mgmt.Endpoints(ctx, o.address(server)), func(ctx context.Context, addr string) (string, error) {
		c, err := mgmt.Dial(ctx, addr)
		if err != nil {
			return "", err
		}
		defer c.Close()
		return c.Volfile(ctx, o.Volume)
	})
}
