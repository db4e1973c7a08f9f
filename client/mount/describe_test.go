package mount

import (
	"strings"
	"testing"
)

// The manual page tells of every option that has an effect of its own, and of no other.
func TestEveryOptionIsDescribed(t *testing.T) {
	described := map[string]bool{}
	all := ""
	for _, d := range Describe() {
		name := d.Form[:strings.IndexAny(d.Form+"=", "=[")]
		described[name] = true
		all += d.Form + " " + d.Text + "\n"
		if _, flag := flagOptions[name]; valueOptions[name] == nil && !flag {
			t.Errorf("%s is described but is no option", name)
		}
	}
	for name, f := range valueOptions {
		if f != nil && !described[name] && !strings.Contains(all, name) {
			t.Errorf("option %s is not described", name)
		}
	}
}
