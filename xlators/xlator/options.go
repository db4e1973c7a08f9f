package xlator

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Options are the options of one volfile stanza.
type Options map[string]string

// SubvolumesKey is the option under which a constructor finds the names of its
// subvolumes, space-separated and in order: linkto files and pending xattrs hold such
// names. It is set by whoever builds the graph.
const SubvolumesKey = "\x00subvolumes"

// SubvolumeNames returns the names of n subvolumes; PREFIX-0, PREFIX-1 … where the
// builder gave none.
func (o Options) SubvolumeNames(prefix string, n int) []string {
	names := strings.Fields(o[SubvolumesKey])
	for i := len(names); i < n; i++ {
		names = append(names, prefix+"-"+strconv.Itoa(i))
	}
	return names
}

// Str returns option key, or def if it is not set.
func (o Options) Str(key, def string) string {
	if v, ok := o[key]; ok {
		return v
	}
	return def
}

// Bool reads GlusterFS's booleans: on/off, yes/no, true/false, enable/disable, 1/0.
func (o Options) Bool(key string, def bool) (bool, error) {
	v, ok := o[key]
	if !ok {
		return def, nil
	}
	b, ok := ParseBool(v)
	if !ok {
		return def, fmt.Errorf("option %s: %q is not a valid boolean value", key, v)
	}
	return b, nil
}

// ParseBool reads a boolean as GlusterFS writes them.
func ParseBool(v string) (val, ok bool) {
	switch strings.ToLower(v) {
	case "on", "yes", "true", "enable", "enabled", "1":
		return true, true
	case "off", "no", "false", "disable", "disabled", "0":
		return false, true
	}
	return false, false
}

// Int reads a decimal integer.
func (o Options) Int(key string, def int64) (int64, error) {
	v, ok := o[key]
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64)
	if err != nil {
		return def, fmt.Errorf("invalid number format %q in option %q", v, key)
	}
	return n, nil
}

// Seconds reads a time in seconds, with an optional fraction or unit (1.5, 30s, 5min).
func (o Options) Seconds(key string, def time.Duration) (time.Duration, error) {
	v, ok := o[key]
	if !ok {
		return def, nil
	}
	d, ok := ParseSeconds(v)
	if !ok {
		return def, fmt.Errorf("invalid time format %q in option %q", v, key)
	}
	return d, nil
}

// ParseSeconds reads a time as GlusterFS's options do.
func ParseSeconds(v string) (time.Duration, bool) {
	unit := time.Second
	s := strings.TrimSpace(v)
	for _, u := range []struct {
		suffix string
		d      time.Duration
	}{{"sec", time.Second}, {"min", time.Minute}, {"hr", time.Hour}, {"days", 24 * time.Hour}, {"wk", 7 * 24 * time.Hour}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = n, u.d
			break
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1e9 {
		return 0, false
	}
	return time.Duration(f * float64(unit)), true
}

// ParseSize reads a number of bytes, perhaps with a unit: KB or K is 1024, and so on to
// PB; B is one.
func ParseSize(v string) (uint64, bool) {
	s, unit := strings.TrimSpace(v), 1.0
	if p, ok := strings.CutSuffix(s, "B"); ok {
		s = p
	} else if p, ok := strings.CutSuffix(s, "b"); ok {
		s = p
	}
	for i, u := range []string{"K", "M", "G", "T", "P"} {
		if p, ok := strings.CutSuffix(s, u); ok {
			s, unit = p, math.Pow(1024, float64(i+1))
			break
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if n := f * unit; err == nil && n >= 0 && n < 1<<63 {
		return uint64(n), true
	}
	return 0, false
}
