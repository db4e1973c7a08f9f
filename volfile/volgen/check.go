package volgen

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kind is what values an option takes.
type kind int

const (
	boolean kind = iota
	number
	count         // a number, in decimal only
	duration      // seconds, or with a unit
	percent       // 0 to 100, perhaps with %
	percentOrSize // a percentage with %, or bytes, perhaps with KB, MB, ...
	enum
	regex     // a POSIX regular expression, or none
	addresses // comma-separated addresses and patterns
	text
)

// check validates value and returns the form to store. The words are those of
// GlusterFS's xlator options.
func (a *spec) check(v *Volume, value string) (string, error) {
	switch a.kind {
	case boolean:
		if !isBool(value) {
			return "", fmt.Errorf("option %s %s: '%s' is not a valid boolean value", a.opt, value, value)
		}
	case number, count:
		base := 0
		if a.kind == count {
			base = 10
		}
		n, err := strconv.ParseInt(value, base, 64)
		if err != nil {
			return "", fmt.Errorf("invalid number format %q in option %q", value, a.opt)
		}
		if a.opt == "quorum-count" && (n < 1 || n > int64(v.Replica)) {
			return "", fmt.Errorf("%s in %s %s is out of range [1 - %d]", value, a.key, value, v.Replica)
		}
		return value, a.inRange(value, float64(n), "%.0f")
	case duration:
		d, ok := seconds(value)
		if !ok {
			return "", fmt.Errorf("invalid time format %q in \"option %s\"", value, a.opt)
		}
		return value, a.inRange(value, d, "%.0f")
	case percent:
		return a.checkPercent(value)
	case percentOrSize:
		if strings.HasSuffix(value, "%") {
			return a.checkPercent(value)
		}
		if _, ok := size(value); !ok {
			return "", fmt.Errorf("invalid number format %q in option %q", value, a.opt)
		}
	case enum:
		if !slices.Contains(a.list, value) {
			return "", fmt.Errorf("option %s %s: '%s' is not valid (possible options are %s.)", a.opt, value, value, strings.Join(a.list, ", "))
		}
	case regex:
		if _, err := regexp.CompilePOSIX(value); err != nil {
			return "", fmt.Errorf("option %s %s: it is not a regular expression: %v", a.opt, value, err)
		}
	case addresses:
		return a.checkAddresses(value)
	}
	return value, nil
}

// inRange checks n, which value stands for, against min and max.
func (a *spec) inRange(value string, n float64, format string) error {
	shown := fmt.Sprintf(format, n)
	switch {
	case a.min == 0 && a.max == 0:
		return nil
	case a.max >= inf32 && n < a.min:
		return fmt.Errorf("'%s' in 'option %s %s' is smaller than minimum value '%.0f'", shown, a.opt, value, a.min)
	case a.max != inf && (n < a.min || n > a.max):
		return fmt.Errorf("'%s' in 'option %s %s' is out of range [%.0f - %.0f]", shown, a.opt, value, a.min, a.max)
	}
	return nil
}

func (a *spec) checkPercent(value string) (string, error) {
	f, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
	if err != nil || math.IsNaN(f) || math.Signbit(f) {
		return "", fmt.Errorf("invalid percent format %q in \"option %s\"", value, a.opt)
	}
	return value, a.inRange(value, f, "%f")
}

// checkAddresses drops blanks, as GlusterFS does, and checks every part: an address, a
// network, a pattern of digits and *, or a host name.
func (a *spec) checkAddresses(value string) (string, error) {
	value = strings.ReplaceAll(value, " ", "")
	for part := range strings.SplitSeq(value, ",") {
		if !validAddress(part) {
			return "", fmt.Errorf("option %s %s: '%s' is not a valid internet-address-list", a.opt, value, value)
		}
	}
	return value, nil
}

func validAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	if strings.ContainsAny(s, "*?[") {
		_, err := path.Match(s, "")
		return err == nil && strings.Trim(s, "0123456789.*?[]-:abcdefABCDEF") == ""
	}
	name := strings.Trim(s, "-.")
	return s != "" && name == s && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func isBool(s string) bool { return isOn(s) || slices.Contains(alwaysOff, strings.ToLower(s)) }

func isOn(s string) bool { return slices.Contains(alwaysOn, strings.ToLower(s)) }

// Bool reads a boolean as options have them; ok is false for anything else.
func Bool(s string) (value, ok bool) { return isOn(s), isBool(s) }

// LogLevels are the names of levels of logs.
func LogLevels() []string { return slices.Clone(logLevels) }

// seconds reads a number of seconds with GlusterFS's units.
func seconds(s string) (float64, bool) {
	unit := 1.0
	for _, u := range []struct {
		suffix string
		value  float64
	}{{"sec", 1}, {"min", 60}, {"hr", 3600}, {"days", 86400}, {"wk", 7 * 86400}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = n, u.value
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return float64(n) * unit, err == nil
}

// size reads a number of bytes with GlusterFS's units, exactly as the translators do.
func size(s string) (float64, bool) {
	unit := 1.0
	if p, ok := strings.CutSuffix(s, "B"); ok {
		s = p
	} else if p, ok := strings.CutSuffix(s, "b"); ok {
		s = p
	}
	for i, suffix := range []string{"K", "M", "G", "T", "P"} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = n, math.Pow(1024, float64(i+1))
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n * unit, err == nil && n >= 0 && n*unit < 1<<63
}

// CheckTogether refuses options of a volume that are good one by one but not together.
func CheckTogether(v *Volume) error {
	if v.Options["cluster.quorum-type"] != "fixed" {
		return nil
	}
	text := v.Options["cluster.quorum-count"]
	if text == "" {
		return errors.New("cluster.quorum-type fixed needs cluster.quorum-count; set both in one command")
	}
	if n, err := strconv.ParseInt(text, 0, 64); v.replicated() && (err != nil || n > int64(v.Replica)) {
		return fmt.Errorf("cluster.quorum-count %s is more than the %d copies of each file; lower it with gofs volume set", text, v.Replica)
	}
	return nil
}
