package brick

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/suspect"
	"github.com/gofs/gofs/xlators/xlator"
)

// guard puts a translator over top that keeps the brick apart if it lost power, and records
// that it serves. A brick without copies has nobody to vouch for it, and is never kept apart.
// The old record stays until somebody has vouched: who loses power again before that is as
// suspect as before.
func (p *power) guard(top xlator.Xlator, copies bool, log *slog.Logger) (*suspect.Suspect, error) {
	lost, recorded := p.lost()
	is := lost && copies
	write := func() error { return p.recordOrWarn(log) }
	if !is && !recorded {
		if err := write(); err != nil {
			return nil, err
		}
	}
	if is {
		log.Warn("the machine lost power while the brick served, or its disk was unmounted under it: the other bricks are to blame it for what it may have forgotten, before clients come", "brick", p.dir, "waits at most", vouching)
	}
	return suspect.Over(top, is, write), nil
}

// recordOrWarn is record, but a full disk keeps no brick from serving: only its clients can
// make room.
func (p *power) recordOrWarn(log *slog.Logger) error {
	err := p.record()
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		log.Warn("the disk is full: if the machine loses power now, the brick may not know", "brick", p.dir, "error", err)
		return nil
	}
	return err
}

// stopInOrder notes that the brick has ended with all on the disk, unless nobody has vouched
// for it yet.
func stopInOrder(p *power, s *suspect.Suspect) error {
	if s.Is() {
		return nil
	}
	return p.stopped()
}

// vouching is how long a suspect brick waits for somebody to vouch for it.
const vouching = 30 * time.Second

// unvouched lets clients come to a suspect brick when nobody has vouched for it in time, or
// returns when somebody has or ctx ends.
func unvouched(ctx context.Context, s *suspect.Suspect, log *slog.Logger) {
	wait := time.NewTimer(vouching)
	defer wait.Stop()
	said := ""
	for s.Is() {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if !s.Is() {
			return
		}
		_, err := s.Removexattr(ctx, &fop.RemovexattrReq{Req: asDaemon, GFID: fop.RootGFID, Names: []string{fop.SuspectXattr}, Internal: true})
		switch {
		case err == nil:
			log.Warn("clients are let in although nobody has vouched for the brick: another brick of its set is away too, or its node's heal daemon does not run; what programs wrote shortly before the power was lost, and did not sync, may be missing here without the other bricks blaming this one")
		case err.Error() != said && ctx.Err() == nil:
			said = err.Error()
			log.Error("the brick still lets no clients in", "error", err)
		}
		wait.Reset(time.Second)
	}
}

// whySuspect is what clients and people are told meanwhile.
func (b *process) whySuspect() string {
	if b.suspect == nil || !b.suspect.Is() {
		return ""
	}
	return fmt.Sprintf("the brick's machine lost power; clients are let in when the other bricks have blamed it for what it may have forgotten, or %v after its start", vouching)
}
