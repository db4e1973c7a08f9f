package layout

import (
	"fmt"
	"regexp"
)

// RsyncRegex is the default of option rsync-hash-regex: rsync's temporary file
// .name.XXXXXX hashes as name, so that its rename needs no move.
const RsyncRegex = `^\.(.+)\.[^.]+$`

// A Munger turns a name into what is hashed in its place.
type Munger struct {
	extra, rsync *regexp.Regexp // nil: none
}

// NewMunger compiles the two options; "" and "none" turn one off.
func NewMunger(extra, rsync string) (*Munger, error) {
	m := &Munger{}
	for _, o := range []struct {
		key, val string
		re       **regexp.Regexp
	}{{"extra-hash-regex", extra, &m.extra}, {"rsync-hash-regex", rsync, &m.rsync}} {
		if o.val == "" || o.val == "none" {
			continue
		}
		re, err := regexp.CompilePOSIX(o.val)
		if err != nil {
			return nil, fmt.Errorf("option %s: %q is not a POSIX extended regular expression: %v", o.key, o.val, err)
		}
		*o.re = re
	}
	return m, nil
}

// Hash hashes the munged name: the first capture group of the first expression that
// matches with a group shorter than the name, else the name.
func (m *Munger) Hash(name string) uint32 {
	for _, re := range []*regexp.Regexp{m.extra, m.rsync} {
		if re == nil || re == m.rsync && name[:min(1, len(name))] != "." && re.String() == RsyncRegex {
			continue
		}
		if sub := re.FindStringSubmatch(name); len(sub) > 1 && len(sub[1]) > 0 && len(sub[1]) < len(name) {
			return Hash(sub[1])
		}
	}
	return Hash(name)
}
