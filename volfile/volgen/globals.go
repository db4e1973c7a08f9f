package volgen

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// OpVersion is the GlusterFS version whose behaviour gofs has, as GlusterFS counts.
const OpVersion = 100000

// A global is an option of the whole cluster. spec.doc is "" for one that cannot be set.
type global struct {
	row
	spec spec
	why  string // for one that cannot be set
}

// globals are in the order of "volume get all all".
var globals = []global{
	{row: row{"cluster.server-quorum-ratio", "51", true}, spec: spec{opt: "server-quorum-ratio", kind: percent, max: 100,
		doc: "The share of the pool's nodes, in percent, that a node must see with cluster.server-quorum-type server."}},
	{row: row{"cluster.enable-shared-storage", "disable", true}, why: "it makes no volume for itself"},
	{row: row{"cluster.op-version", strconv.Itoa(OpVersion), false}},
	{row: row{"cluster.max-op-version", strconv.Itoa(OpVersion), false}},
	{row: row{"cluster.brick-multiplex", "disable", true}, why: "every brick is a process of its own"},
	{row: row{"cluster.max-bricks-per-process", "250", true}},
	{row: row{"glusterd.vol_count_per_thread", "100", true}, why: "volumes are not handed out to threads"},
	{row: row{"cluster.localtime-logging", "disable", true}, why: "logs have local time with its offset from UTC"},
	{row: row{"cluster.daemon-log-level", "INFO", true}, spec: spec{opt: "daemon-log-level", kind: enum, list: daemonLevels,
		doc: "What the daemons write to their logs."}},
	{row: row{"cluster.brick-graceful-cleanup", "disable", true}, why: "a brick always ends after what it was asked"},
}

var daemonLevels = []string{"INFO", "WARNING", "ERROR", "DEBUG", "TRACE"}

func isGlobal(key string) bool {
	return slices.ContainsFunc(globals, func(g global) bool { return g.key == key })
}

// ErrNotGlobal is what is said of an option of volumes where one of the whole cluster is
// wanted.
var ErrNotGlobal = errors.New("Not a valid option for all volumes")

// CheckGlobal validates one option of the whole cluster and returns the key and value to
// store. The errors are the sentences that volume set prints.
func CheckGlobal(key, value string) (fullKey, stored string, err error) {
	full, ok := Resolve(key)
	if !ok {
		return "", "", fmt.Errorf("option : %s does not exist\n%s", key, Hint(key))
	}
	i := slices.IndexFunc(globals, func(g global) bool { return g.key == full })
	if i < 0 {
		return "", "", ErrNotGlobal
	}
	switch g := &globals[i]; full {
	case "cluster.op-version":
		return "", "", checkOpVersion(value)
	case "cluster.max-op-version":
		return "", "", errors.New("Not a valid option to set")
	case "cluster.max-bricks-per-process":
		return "", "", errors.New("Brick-multiplexing is not enabled. Please enable brick multiplexing before trying to set this option.")
	case "cluster.daemon-log-level":
		if !slices.Contains(daemonLevels, value) {
			return "", "", fmt.Errorf("Invalid option(%s). Valid options are 'INFO' or 'WARNING' or 'ERROR' or 'DEBUG' or  'TRACE'", value)
		}
		return full, value, nil
	default:
		if g.spec.doc != "" {
			stored, err = g.spec.check(nil, value)
			return full, stored, err
		}
		return full, value, g.refuse(value)
	}
}

// refuse lets nothing but the value that holds anyway be set.
func (g *global) refuse(value string) error {
	switch {
	case g.def != "disable":
	case !isBool(value):
		return fmt.Errorf("%s is not a valid boolean value. %s expects a valid boolean value.", value, g.key)
	case !isOn(value):
		return nil
	}
	return fmt.Errorf("option %s has no meaning in gofs: %s", g.key, g.why)
}

// checkOpVersion refuses every version: this one is the only one there is.
func checkOpVersion(value string) error {
	n, err := strconv.ParseUint(value, 10, 32)
	switch {
	case err != nil:
		return fmt.Errorf("invalid number format \"%s\" in option \"cluster.op-version\"", value)
	case n <= OpVersion:
		return fmt.Errorf("Required op-version (%d) should not be equal or lower than current cluster op-version (%d).", n, OpVersion)
	}
	return fmt.Errorf("Required op_version (%d) is not supported. Max supported op version is %d", n, OpVersion)
}

// Globals returns the options of the whole cluster with their values in force, or the
// one called key; set are those that were set.
func Globals(set map[string]string, key string) ([]Value, error) {
	full, known := Resolve(key)
	if key == "all" {
		full, known = key, true
	}
	if !known {
		return nil, errors.New(Hint(key))
	}
	var out []Value
	for _, g := range globals {
		if full != "all" && full != g.key {
			continue
		}
		if value, ok := set[g.key]; ok {
			out = append(out, Value{g.key, value, false})
		} else {
			out = append(out, Value{g.key, g.def, g.marked})
		}
	}
	if out == nil {
		return nil, ErrNotGlobal
	}
	return out, nil
}

// ResolveGlobal returns the full key of an option of the whole cluster that is to be
// reset. The errors are the sentences that volume reset prints.
func ResolveGlobal(key string) (string, error) {
	full, known := Resolve(key)
	switch {
	case !known || strings.HasPrefix(full, "user."):
		return "", fmt.Errorf("Option %s does not exist\n%s", key, Hint(key))
	case !isGlobal(full):
		return "", ErrNotGlobal
	}
	return full, nil
}
