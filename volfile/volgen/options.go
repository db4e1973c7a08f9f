package volgen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// row is an option of the table: its volume key and its default.
type row struct {
	key, def string
	marked   bool // "volume get" adds " (DEFAULT)" to the value
}

// Value is an option with the value in force.
type Value struct {
	Key, Value string
	Default    bool // Value was not set but is what an unset option means
}

// unset is how an option without a value prints.
const unset = "(null)"

// Created returns the options that volume create sets, in GlusterFS's order for "volume
// info" (newest first).
func Created(replica int) [][2]string {
	all := [][2]string{
		{"performance.client-io-threads", "off"},
		{"nfs.disable", "on"},
		{"transport.address-family", "inet"},
		{"storage.fips-mode-rchecksum", "on"},
		{"cluster.granular-entry-heal", "on"},
	}
	if replica < 2 {
		return all[1:4]
	}
	return all
}

// Resolve returns the full key of an option that may be given without its prefix, and
// whether there is such an option. user.* keys are their own.
func Resolve(key string) (string, bool) {
	if userKey(key) {
		return key, true
	}
	for _, r := range table {
		if r.key == key {
			return key, true
		}
	}
	if slices.Contains(unlisted, key) || isGlobal(key) {
		return key, true
	}
	if !strings.Contains(key, ".") {
		for _, r := range table {
			if _, bare, _ := strings.Cut(r.key, "."); bare == key {
				return r.key, true
			}
		}
	}
	return "", false
}

// userKey tells whether key is free for users.
func userKey(key string) bool { return strings.HasPrefix(key, "user.") && len(key) > len("user.") }

// Hint names the option that was probably meant.
func Hint(key string) string {
	best, least := "", 1<<30
	bare := !strings.Contains(key, ".")
	for _, r := range table {
		k := r.key
		if bare {
			_, k, _ = strings.Cut(k, ".")
		}
		if d := distance(key, k); d < least {
			best, least = k, d
		}
	}
	return "Did you mean " + best + "?"
}

// distance is the number of letters to add, drop or replace between a and b.
func distance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		diag := prev[0]
		prev[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = 1 + min(diag, prev[j], prev[j+1])
			}
			diag, prev[j+1] = prev[j+1], cost
		}
	}
	return prev[len(b)]
}

// Check validates one option of a volume and returns the key and value to store. The
// errors are the sentences that volume set prints. Keys of the whole cluster are not
// for volumes.
func Check(v *Volume, key, value string) (fullKey, stored string, err error) {
	full, ok := Resolve(key)
	if !ok {
		return "", "", fmt.Errorf("option : %s does not exist\n%s", key, Hint(key))
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", fmt.Errorf("option %s: the value has a control character", full)
	}
	if userKey(full) {
		return full, value, nil
	}
	if isGlobal(full) {
		return "", "", errors.New("Not a valid option for single volume")
	}
	for _, f := range fixed {
		if f.key == full {
			return full, value, checkFixed(f.key, value, f.values)
		}
	}
	for i := range acting {
		if a := &acting[i]; a.key == full {
			stored, err := a.check(v, value)
			return full, stored, err
		}
	}
	return "", "", refusal(full)
}

// List returns every option with its value in force in v, in the table's order, then
// those of users.
func List(v *Volume) []Value {
	out := make([]Value, 0, len(table))
	for _, r := range table {
		out = append(out, valueOf(v, r))
	}
	var users []string
	for k := range v.Options {
		if userKey(k) {
			users = append(users, k)
		}
	}
	slices.Sort(users)
	for _, k := range users {
		out = append(out, Value{k, v.Options[k], false})
	}
	return out
}

// Get returns the value in force of the option with this full or bare key.
func Get(v *Volume, key string) (Value, bool) {
	full, ok := Resolve(key)
	if !ok {
		return Value{}, false
	}
	if userKey(full) {
		value, ok := v.Options[full]
		return Value{full, value, false}, ok
	}
	for _, r := range table {
		if r.key == full {
			return valueOf(v, r), true
		}
	}
	return Value{}, false
}

func valueOf(v *Volume, r row) Value {
	if value, ok := v.Options[r.key]; ok {
		return Value{r.key, value, false}
	}
	if r.key == "cluster.quorum-type" && v.replicated() {
		return Value{r.key, defaultQuorum(v), false}
	}
	return Value{r.key, r.def, r.marked}
}

// Help describes one option that gofs acts on.
type Help struct{ Key, Default, Text string }

// Helps returns the options that act, in the table's order; those of the whole cluster
// are the last.
func Helps() []Help {
	var out []Help
	for _, r := range table {
		i := slices.IndexFunc(acting, func(a spec) bool { return a.key == r.key })
		if i < 0 || slices.ContainsFunc(out, func(h Help) bool { return h.Key == r.key }) {
			continue
		}
		out = append(out, Help{r.key, r.def, acting[i].doc})
	}
	for i := range globals {
		if g := &globals[i]; g.spec.doc != "" {
			out = append(out, Help{g.key, g.def, g.spec.doc})
		}
	}
	return out
}

// Lasting tells whether an option survives a reset of all options: those that volume
// create sets for every volume.
func Lasting(key string) bool {
	return slices.ContainsFunc(Created(1), func(o [2]string) bool { return o[0] == key })
}

// Keys returns the names of all options, in the table's order, once each.
func Keys() []string {
	var out []string
	for _, r := range table {
		if !slices.Contains(out, r.key) {
			out = append(out, r.key)
		}
	}
	return out
}

// Settable returns the names of the options that act, those of the whole cluster too.
func Settable() []string {
	var out []string
	for _, h := range Helps() {
		out = append(out, h.Key)
	}
	return out
}

// Values returns the values that an option can have, if they are few.
func Values(key string) []string {
	full, _ := Resolve(key)
	for i := range acting {
		switch a := &acting[i]; {
		case a.key != full:
		case a.kind == boolean:
			return []string{"on", "off"}
		default:
			return a.list
		}
	}
	for i := range globals {
		if globals[i].key == full {
			return globals[i].spec.list
		}
	}
	for _, f := range fixed {
		if f.key == full {
			return f.values[:1]
		}
	}
	return nil
}
