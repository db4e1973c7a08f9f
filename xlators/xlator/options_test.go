package xlator

import "testing"

func TestParseSize(t *testing.T) {
	for v, want := range map[string]uint64{"0": 0, "7": 7, "7B": 7, "7b": 7, "5K": 5 << 10, "5KB": 5 << 10, "1.5MB": 3 << 19, "2G": 2 << 30, "1TB": 1 << 40, "1PB": 1 << 50, "1e3": 1000} {
		if got, ok := ParseSize(v); !ok || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", v, got, ok, want)
		}
	}
	for _, v := range []string{"", "B", "K", "x", "-1", "5kb", "5KK", "5%", "1e30", "NaN", "inf", "9999PB"} {
		if got, ok := ParseSize(v); ok {
			t.Errorf("ParseSize(%q) = %d", v, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("5KB")
	f.Fuzz(func(t *testing.T, v string) {
		if n, ok := ParseSize(v); ok && n >= 1<<63 {
			t.Errorf("ParseSize(%q) = %d", v, n)
		}
	})
}
