// Package report turns what the benchmark has measured into ratios: a table, a
// chart, and a verdict on promises.
package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Ours is the name of the agent that the others are compared with.
const Ours = "ours"

// A Report is one run of the benchmark.
type Report struct {
	Date    string  `json:"date"`
	Machine string  `json:"machine"` // in words
	Agents  []Agent `json:"agents"`
	Rows    []Row   `json:"rows"`
}

// Agent is one of the compared.
type Agent struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// A Row is one thing that was measured.
type Row struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	// Cost is what there should be little of: time, memory, size. It is "" for
	// a rate, of which there should be much.
	Cost string `json:"cost,omitempty"`
	// Samples are the values of each agent's rounds, and Failures their errors.
	Samples  map[string][]float64 `json:"samples"`
	Failures map[string]string    `json:"failures,omitempty"`
	// Busy is which share of a core each agent had in each round of a load: one
	// that had less than all of it was held up by the load or by other programs.
	Busy map[string][]float64 `json:"busy,omitempty"`
}

// Median returns an agent's value, if it has one that counts.
func (r Row) Median(agent string) (float64, bool) {
	s := slices.Sorted(slices.Values(r.Samples[agent]))
	n := len(s)
	if n == 0 || r.Failures[agent] != "" {
		return 0, false
	}
	return (s[(n-1)/2] + s[n/2]) / 2, true
}

// Ratio returns ours divided by another agent's.
func (r Row) Ratio(other string) (float64, bool) {
	a, ok := r.Median(Ours)
	b, ok2 := r.Median(other)
	return a / b, ok && ok2 && b > 0
}

// gain is the ratio, turned so that more is better for costs as well.
func (r Row) gain(other string) (float64, bool) {
	ratio, ok := r.Ratio(other)
	if r.Cost != "" {
		ratio = 1 / ratio
	}
	return ratio, ok && ratio > 0 && !math.IsInf(ratio, 1)
}

func (r *Report) others() []Agent {
	return slices.DeleteFunc(slices.Clone(r.Agents), func(a Agent) bool { return a.Name == Ours })
}

// Markdown returns the table of ratios.
func (r *Report) Markdown() string {
	var b strings.Builder
	others := r.others()
	b.WriteString("| ours ÷ theirs | of | better |")
	for _, a := range others {
		b.WriteString(" " + a.Label + " |")
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("--:|", len(others)) + "\n")
	var failures []string
	loads, disturbed := 0, 0
	for _, row := range r.Rows {
		of, better := "rate", "more"
		if row.Cost != "" {
			of, better = row.Cost, "less"
		}
		fmt.Fprintf(&b, "| %s | × %s | %s |", row.Name, of, better)
		for _, a := range others {
			cell := "–"
			if ratio, ok := row.Ratio(a.Name); ok {
				cell = format(ratio)
			} else if row.Failures[a.Name] != "" || row.Failures[Ours] != "" {
				cell = "failed"
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteString("\n")
		for _, a := range r.Agents {
			for _, busy := range row.Busy[a.Name] {
				loads++
				if busy < undisturbed {
					disturbed++
				}
			}
			if failure := row.Failures[a.Name]; failure != "" {
				failures = append(failures, fmt.Sprintf("- %s, %s: %s\n", row.Name, a.Label, failure))
			}
		}
	}
	fmt.Fprintf(&b, "\n%s, %s.\n", r.Machine, r.Date)
	if disturbed > 0 {
		fmt.Fprintf(&b, "\nIn %d of %d loads, a server had less than %.0f %% of its core.\n", disturbed, loads, 100*undisturbed)
	}
	if len(failures) > 0 {
		b.WriteString("\nFailed:\n\n" + strings.Join(failures, ""))
	}
	return b.String()
}

// undisturbed is what a server has of its core, at the least, while nothing but
// itself holds it up.
const undisturbed = 0.8

// format gives a ratio three digits.
func format(ratio float64) string {
	if ratio <= 0 {
		return fmt.Sprint(ratio)
	}
	digits := 2 - int(math.Floor(math.Log10(ratio)))
	return fmt.Sprintf("%.*f", max(digits, 0), ratio)
}

// A Promise bounds a ratio.
type Promise struct {
	Row     string
	Against string
	// Limit is the least that the ratio may be, and for costs the most.
	Limit float64
}

// Check returns how many promises are kept, and says in words which are broken
// and which could not be judged because they were not measured.
func (r *Report) Check(promises []Promise) (kept int, broken, open []string) {
	for _, p := range promises {
		what := p.Row + " against " + p.Against
		i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Name == p.Row })
		if i < 0 || !slices.ContainsFunc(r.Agents, func(a Agent) bool { return a.Name == p.Against }) {
			open = append(open, what)
			continue
		}
		row := r.Rows[i]
		ratio, ok := row.Ratio(p.Against)
		bound := "at least"
		if row.Cost != "" {
			bound = "at most"
		}
		switch {
		case !ok:
			broken = append(broken, what+": the measurement failed")
		case row.Cost == "" && ratio < p.Limit, row.Cost != "" && ratio > p.Limit:
			broken = append(broken, fmt.Sprintf("%s: %s, promised is %s %v", what, format(ratio), bound, p.Limit))
		default:
			kept++
		}
	}
	return kept, broken, open
}
