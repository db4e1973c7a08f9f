package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// results collects one number per workload, system and round.
type results struct {
	systems []string
	rows    []string
	unit    map[string]string
	values  map[string]map[string][]float64 // row -> system -> rounds
}

func newResults(all []system) *results {
	r := &results{unit: map[string]string{}, values: map[string]map[string][]float64{}}
	for _, s := range all {
		r.systems = append(r.systems, s.name())
	}
	return r
}

func (r *results) add(s system, row string, v float64, unit string) {
	if r.values[row] == nil {
		r.rows = append(r.rows, row)
		r.values[row] = map[string][]float64{}
		r.unit[row] = unit
	}
	r.values[row][s.name()] = append(r.values[row][s.name()], v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// print shows medians and how gofs compares: above 1 is better than the other.
func (r *results) print(w io.Writer) {
	fmt.Fprintf(w, "%-34s", "workload (median)")
	for _, s := range r.systems {
		fmt.Fprintf(w, " %12s", s)
	}
	fmt.Fprintf(w, "  %-8s %10s %10s\n", "unit", "gofs/glus.", "gofs/xfs")
	for _, row := range r.rows {
		fmt.Fprintf(w, "%-34s", row)
		for _, s := range r.systems {
			fmt.Fprintf(w, " %12.1f", median(r.values[row][s]))
		}
		fmt.Fprintf(w, "  %-8s %10s %10s\n", r.unit[row], r.ratio(row, "gluster"), r.ratio(row, "xfs"))
	}
}

func (r *results) ratio(row, other string) string {
	a, b := median(r.values[row]["gofs"]), median(r.values[row][other])
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// write saves every single measurement and the ratios.
func (r *results) write(file string) error {
	type rowJSON struct {
		Workload  string               `json:"workload"`
		Unit      string               `json:"unit"`
		Rounds    map[string][]float64 `json:"rounds"`
		Median    map[string]float64   `json:"median"`
		VsGluster string               `json:"gofs_vs_gluster"`
		VsXFS     string               `json:"gofs_vs_xfs"`
	}
	var out []rowJSON
	for _, row := range r.rows {
		j := rowJSON{row, r.unit[row], r.values[row], map[string]float64{}, r.ratio(row, "gluster"), r.ratio(row, "xfs")}
		for _, s := range r.systems {
			j.Median[s] = median(r.values[row][s])
		}
		out = append(out, j)
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
