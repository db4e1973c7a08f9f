package heald

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/gofs/gofs/afr/changelog"
	"github.com/gofs/gofs/afr/heal"
	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/fop"
	"github.com/gofs/gofs/xlators/xlator"
)

// An Engine makes the copies of a set's inodes equal: heal.Healer does.
type Engine interface {
	Inode(ctx context.Context, g fop.GFID) (heal.Outcome, error)
	Compare(ctx context.Context, g fop.GFID) (heal.Outcome, error)
	Inspect(ctx context.Context, g fop.GFID) (heal.State, error)
	Resolve(ctx context.Context, g fop.GFID, how heal.Resolution) error
	Vouch(ctx context.Context, child int) (was bool, err error)
	Pending(ctx context.Context, child int, yield func(fop.GFID) error) error
}

var _ Engine = (*heal.Healer)(nil)

// NewEngine makes the engine of the replicate set that stanza n describes.
func NewEngine(n *volfile.Node, children []xlator.Xlator, log *slog.Logger) (Engine, error) {
	cfg := heal.Config{Name: n.Name, Names: n.Subvolumes, Arbiter: -1, Log: log}
	pending, _ := n.Get("afr-pending-xattr")
	for _, name := range strings.Split(pending, ",") {
		cfg.Keys = append(cfg.Keys, changelog.KeyPrefix+name)
	}
	if len(cfg.Keys) != len(children) {
		return nil, fmt.Errorf("set %s has %d bricks and %d names for their marks", n.Name, len(children), len(cfg.Keys))
	}
	if arbiters, _ := n.Get("arbiter-count"); arbiters != "" && arbiters != "0" {
		cfg.Arbiter = len(children) - 1
	}
	typ, _ := n.Get("quorum-type")
	count, _ := n.Get("quorum-count")
	var err error
	if cfg.Quorum, err = changelog.ParseQuorum(typ, count, len(children)); err != nil {
		return nil, fmt.Errorf("set %s: %w", n.Name, err)
	}
	if policy, ok := n.Get("favorite-child-policy"); ok {
		if cfg.Policy, err = heal.ParsePolicy(policy); err != nil {
			return nil, err
		}
	}
	return heal.New(cfg, children), nil
}
