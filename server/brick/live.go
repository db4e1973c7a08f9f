package brick

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path"
	"strings"
	"syscall"

	"github.com/gofs/gofs/protocol/mgmt"
	"github.com/gofs/gofs/protocol/wire"
)

// live are the options that a running brick takes over when its volfile changes. The
// others, those of the disk's translators, hold from the brick's next start: to rebuild
// the graph would cut all clients off at once, on every brick of the volume.
type live struct {
	allow, reject string // lists of addresses and patterns; "": all, none
	level         string
	graph         uint64 // clients must know of this change of the volume's bricks
	copies        bool   // other bricks have what this one has; asked at the start only
}

func (b *process) setLive(opts live) {
	b.mu.Lock()
	b.live = opts
	b.mu.Unlock()
	if b.cfg.Level != nil {
		b.cfg.Level.Set(Level(opts.level))
	}
}

// Level returns the slog level of one of GlusterFS's level names; INFO for "".
func Level(name string) slog.Level {
	switch strings.ToUpper(name) {
	case "TRACE", "DEBUG":
		return slog.LevelDebug
	case "WARNING":
		return slog.LevelWarn
	case "ERROR":
		return slog.LevelError
	case "CRITICAL":
		return slog.LevelError + 4
	case "NONE":
		return slog.LevelError + 100
	}
	return slog.LevelInfo
}

// watch follows the volfile for as long as the brick runs.
func (b *process) watch(ctx context.Context) {
	mgmt.Watch(ctx, []string{b.cfg.Daemon}, b.cfg.VolfileID, func(text string) {
		_, opts, err := split(text)
		if err != nil {
			b.cfg.Log.Error("the new volfile is not used", "error", err)
			return
		}
		b.setLive(opts)
	}, nil)
}

// admit refuses clients by address, those that do not know of a change of the bricks, and all
// but those who vouch while the brick is suspect.
func (b *process) admit(remote net.Addr, hello *wire.Hello) error {
	b.mu.Lock()
	opts := b.live
	b.mu.Unlock()
	if hello.Graph < opts.graph {
		return fmt.Errorf("the client does not know all bricks of the volume yet: %w", syscall.EAGAIN)
	}
	host, _, err := net.SplitHostPort(remote.String())
	if err != nil {
		return fmt.Errorf("the address %s cannot be read: %w", remote, syscall.EACCES)
	}
	if opts.reject != "" && matches(opts.reject, host) || opts.allow != "" && !matches(opts.allow, host) {
		return fmt.Errorf("%s may not connect: auth.allow and auth.reject say so: %w", host, syscall.EACCES)
	}
	if why := b.whySuspect(); why != "" && !hello.Vouches {
		return fmt.Errorf("%s: %w", why, syscall.EAGAIN)
	}
	return nil
}

// matches tells whether host, an address, is in a list of addresses, networks, patterns
// and host names.
func matches(list, host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for part := range strings.SplitSeq(list, ",") {
		if ok, err := path.Match(part, addr.String()); ok && err == nil {
			return true
		}
		if network, err := netip.ParsePrefix(part); err == nil && network.Contains(addr) {
			return true
		}
		if one, err := netip.ParseAddr(part); err == nil {
			if one.Unmap() == addr {
				return true
			}
			continue
		}
		if strings.ContainsAny(part, "*?[/") {
			continue
		}
		// A host name: clients that come from one of its addresses match.
		found, err := net.LookupHost(part)
		for _, f := range found {
			if one, perr := netip.ParseAddr(f); err == nil && perr == nil && one.Unmap() == addr {
				return true
			}
		}
	}
	return false
}
