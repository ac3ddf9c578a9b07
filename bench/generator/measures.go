package main

import (
	"os"
	"runtime"
	"slices"

	"github.com/agentcore-go/agentcore/bench/report"
)

// A measure compares two commands on the same module.
type measure struct {
	name    string
	costs   []cost  // each makes a row of the table
	promise float64 // the most that ours may be, divided by theirs; 0 for no promise
	module  *module
	ours    []string
	theirs  []string
	edited  []string // files that are edited before each command
	warm    bool     // ours sees the files as they were before the edits
	cold    bool     // the build cache is empty before each command
}

// A cost is what there should be little of.
type cost struct {
	suffix, of, unit string
	value            func(usage) float64
}

var (
	elapsed = []cost{{"", "time", "s", func(u usage) float64 { return u.elapsed.Seconds() }}}
	memory  = []cost{
		{", largest process", "memory", "bytes", func(u usage) float64 { return u.largest }},
		{", all processes", "memory", "bytes", func(u usage) float64 { return u.total }},
	}
)

// theirs is the name, in the report, of what ours is compared with.
const theirs = "theirs"

// measures returns what is measured: on a module of one package, which uses the
// AWS SDK, and on one of many. Those that edit come after those that do not.
func measures(generator string, one, many *module) []measure {
	const noise = 1.05 // of two commands that do the same
	run, check := []string{generator}, []string{generator, "-check"}
	list, vet := []string{"go", "list", "-export", "-deps", "-json", "."}, []string{"go", "vet", "."}
	ms := []measure{
		{name: "run ÷ go list -export -deps -json .", costs: elapsed, promise: 1.5,
			module: one, ours: run, theirs: list},
		{name: "run -check ÷ run", costs: elapsed, promise: noise,
			module: one, ours: check, theirs: run},
		{name: "run ÷ go list -export -deps -json ., both after an edit", costs: elapsed,
			module: one, ours: run, theirs: list, edited: one.agents},
		{name: "run ÷ go build, both with an empty build cache", costs: elapsed,
			module: one, ours: run, theirs: []string{"go", "build", "-o", os.DevNull, "."}, cold: true},
		{name: "run ÷ go vet after an edit", costs: memory, promise: 1.5,
			module: one, ours: run, theirs: vet, edited: one.agents, warm: true},
		{name: "run ÷ go vet, both after an edit", costs: memory, promise: 1.5,
			module: one, ours: run, theirs: vet, edited: one.agents},
	}
	run, check = append(run, "./..."), append(check, "./...")
	list, vet = []string{"go", "list", "./..."}, []string{"go", "vet", "./..."}
	ms = append(ms,
		measure{name: "run ÷ go list ./...", costs: elapsed, promise: 2,
			module: many, ours: run, theirs: list},
		measure{name: "run -check ÷ run", costs: elapsed, promise: noise,
			module: many, ours: check, theirs: run},
		measure{name: "run ÷ go list ./..., both after an edit", costs: elapsed,
			module: many, ours: run, theirs: list, edited: many.agents[:1]},
		measure{name: "run ÷ go vet ./... after an edit of each agent", costs: memory,
			module: many, ours: run, theirs: vet, edited: many.agents, warm: true},
		measure{name: "run ÷ go vet ./..., both after an edit of each agent", costs: memory,
			module: many, ours: run, theirs: vet, edited: many.agents},
	)
	for i := range ms {
		ms[i].name = ms[i].module.name + ": " + ms[i].name
	}
	if runtime.GOOS != "linux" { // see usage
		ms = slices.DeleteFunc(ms, func(m measure) bool { return m.costs[0].of == "memory" })
	}
	return ms
}

// rows returns the rows of a measure, without samples.
func (m measure) rows() []report.Row {
	var rows []report.Row
	for _, c := range m.costs {
		rows = append(rows, report.Row{
			Name: m.name + c.suffix, Unit: c.unit, Cost: c.of,
			Samples: make(map[string][]float64), Failures: make(map[string]string),
		})
	}
	return rows
}

// promises returns what the project claims.
func promises(ms []measure) []report.Promise {
	var all []report.Promise
	for _, m := range ms {
		for _, row := range m.rows() {
			if m.promise > 0 {
				all = append(all, report.Promise{Row: row.Name, Against: theirs, Limit: m.promise})
			}
		}
	}
	return all
}
