// Package graph turns a parsed volfile into a tree of translators.
package graph

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/gofs/gofs/volfile"
	"github.com/gofs/gofs/xlators/xlator"
)

// Build makes the translators of text, bottom-up, and returns the top one. types maps
// each volfile type that this process knows to its constructor. When one translator
// cannot be made, those made already are closed.
func Build(text string, types map[string]xlator.New, log *slog.Logger) (xlator.Xlator, error) {
	g, err := volfile.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(g.Nodes) == 0 {
		return nil, errors.New("the volfile defines no volume")
	}
	made := map[string]xlator.Xlator{}
	used := map[string]bool{}
	var top xlator.Xlator
	for _, n := range g.Nodes {
		x, err := buildNode(n, types, made, used, log)
		if err != nil {
			closeRoots(made, used)
			return nil, err
		}
		made[n.Name], top = x, x
	}
	return top, nil
}

func buildNode(n *volfile.Node, types map[string]xlator.New, made map[string]xlator.Xlator, used map[string]bool, log *slog.Logger) (xlator.Xlator, error) {
	newXlator, ok := types[n.Type]
	if !ok {
		return nil, fmt.Errorf("volume %s: this process knows no translator of type %s", n.Name, n.Type)
	}
	subvols := make([]xlator.Xlator, len(n.Subvolumes))
	for i, name := range n.Subvolumes {
		if subvols[i], ok = made[name]; !ok {
			return nil, fmt.Errorf("volume %s: subvolume %s is not defined before it", n.Name, name)
		}
		used[name] = true
	}
	opts := xlator.Options{xlator.SubvolumesKey: strings.Join(n.Subvolumes, " ")}
	for _, o := range n.Options {
		opts[o.Key] = o.Value
	}
	return newXlator(xlator.Env{Name: n.Name, Log: log.With("subvol", n.Name)}, opts, subvols)
}

// closeRoots closes what no other translator would close.
func closeRoots(made map[string]xlator.Xlator, used map[string]bool) {
	for name, x := range made {
		if !used[name] {
			x.Close()
		}
	}
}
