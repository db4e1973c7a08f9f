package volgen

import (
	"slices"
	"strings"
	"testing"
)

// Every option of GlusterFS acts, is fixed, is one of the whole cluster or is refused
// with its reason; never more than one of these.
func TestEveryOptionIsDecided(t *testing.T) {
	keys := slices.Clone(unlisted)
	for _, r := range table {
		keys = append(keys, r.key)
	}
	for _, key := range keys {
		n := 0
		for _, a := range acting {
			if a.key == key {
				n++
			}
		}
		for _, f := range fixed {
			if f.key == key {
				n++
			}
		}
		if isGlobal(key) {
			n++
		}
		why := refusal(key).Error()
		if n == 0 && strings.HasSuffix(why, "in gofs") {
			t.Errorf("option %s is refused without a reason", key)
		}
		if n > 1 {
			t.Errorf("option %s is decided %d times", key, n)
		}
	}
}

func TestGroups(t *testing.T) {
	for _, name := range Groups() {
		set, skipped := Group(name)
		if len(set) == 0 || len(set)+len(skipped) != len(groups[name]) {
			t.Errorf("group %s: sets %v, skips %v", name, set, skipped)
		}
		for _, o := range groups[name] {
			if full, ok := Resolve(o[0]); !ok || full != o[0] {
				t.Errorf("group %s has %s, which is no option", name, o[0])
			}
		}
	}
	set, skipped := Group("virt")
	for _, want := range [][2]string{{"cluster.quorum-type", "auto"}, {"cluster.server-quorum-type", "server"}, {"network.ping-timeout", "20"}, {"user.cifs", "off"}} {
		if !slices.Contains(set, want) {
			t.Errorf("group virt does not set %v", want)
		}
	}
	if !slices.Contains(skipped, "features.shard") {
		t.Errorf("group virt skips %v, want features.shard among them", skipped)
	}
	if set, skipped := Group("nosuch"); set != nil || skipped != nil {
		t.Errorf("Group(nosuch) = %v, %v", set, skipped)
	}
}

func TestCheckGlobal(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"cluster.server-quorum-ratio", "51%", ""},
		{"cluster.server-quorum-ratio", "50.5", ""},
		{"server-quorum-ratio", "52%", ""},
		{"cluster.server-quorum-ratio", "200", "'200.000000' in 'option server-quorum-ratio 200' is out of range [0 - 100]"},
		{"cluster.server-quorum-ratio", "abc", `invalid percent format "abc" in "option server-quorum-ratio"`},
		{"cluster.op-version", "100000", "Required op-version (100000) should not be equal or lower than current cluster op-version (100000)."},
		{"cluster.op-version", "90000", "Required op-version (90000) should not be equal or lower than current cluster op-version (100000)."},
		{"cluster.op-version", "999999", "Required op_version (999999) is not supported. Max supported op version is 100000"},
		{"cluster.op-version", "x", `invalid number format "x" in option "cluster.op-version"`},
		{"cluster.max-op-version", "1", "Not a valid option to set"},
		{"cluster.brick-multiplex", "maybe", "maybe is not a valid boolean value. cluster.brick-multiplex expects a valid boolean value."},
		{"cluster.brick-multiplex", "on", "option cluster.brick-multiplex has no meaning in gofs: every brick is a process of its own"},
		{"cluster.brick-multiplex", "off", ""},
		{"cluster.max-bricks-per-process", "5", "Brick-multiplexing is not enabled. Please enable brick multiplexing before trying to set this option."},
		{"cluster.daemon-log-level", "FOO", "Invalid option(FOO). Valid options are 'INFO' or 'WARNING' or 'ERROR' or 'DEBUG' or  'TRACE'"},
		{"cluster.daemon-log-level", "DEBUG", ""},
		{"network.ping-timeout", "3", "Not a valid option for all volumes"},
		{"user.note", "x", "Not a valid option for all volumes"},
		{"group", "virt", "option : group does not exist\n" + Hint("group")},
	} {
		full, stored, err := CheckGlobal(c.key, c.value)
		switch {
		case c.want == "" && (err != nil || stored != c.value || !isGlobal(full)):
			t.Errorf("CheckGlobal(%s, %s) = %s, %s, %v", c.key, c.value, full, stored, err)
		case c.want != "" && (err == nil || err.Error() != c.want):
			t.Errorf("CheckGlobal(%s, %s) = %v, want %s", c.key, c.value, err, c.want)
		}
	}
}

func TestGlobals(t *testing.T) {
	set := map[string]string{"cluster.server-quorum-ratio": "60%"}
	all, err := Globals(set, "all")
	if err != nil || len(all) != len(globals) || all[0] != (Value{"cluster.server-quorum-ratio", "60%", false}) {
		t.Errorf("Globals(all) = %v, %v", all, err)
	}
	one, err := Globals(nil, "server-quorum-ratio")
	if err != nil || len(one) != 1 || one[0] != (Value{"cluster.server-quorum-ratio", "51", true}) {
		t.Errorf("Globals(server-quorum-ratio) = %v, %v", one, err)
	}
	if _, err := Globals(nil, "network.ping-timeout"); err != ErrNotGlobal {
		t.Errorf("Globals(network.ping-timeout) = %v", err)
	}
	if _, err := Globals(nil, "no.such"); err == nil || err.Error() != Hint("no.such") {
		t.Errorf("Globals(no.such) = %v", err)
	}
	if full, err := ResolveGlobal("server-quorum-ratio"); err != nil || full != "cluster.server-quorum-ratio" {
		t.Errorf("ResolveGlobal = %s, %v", full, err)
	}
	if _, err := ResolveGlobal("no.such"); err == nil || !strings.HasPrefix(err.Error(), "Option no.such does not exist\nDid you mean ") {
		t.Errorf("ResolveGlobal(no.such) = %v", err)
	}
	if _, err := ResolveGlobal("nfs.disable"); err != ErrNotGlobal {
		t.Errorf("ResolveGlobal(nfs.disable) = %v", err)
	}
}
