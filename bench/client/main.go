// Command client measures package client against a caller that is written by
// hand. See README.md in the directory above.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/agentcore-go/agentcore/bench/load"
	"github.com/agentcore-go/agentcore/bench/report"
)

type config struct {
	only           *regexp.Regexp
	rounds         int
	duration       time.Duration
	json, markdown string
	check, cpu     bool
}

func main() {
	var c config
	only := flag.String("only", "", "measure only what matches a `regexp`")
	flag.IntVar(&c.rounds, "rounds", 21, "measure each caller so often, and take the median")
	flag.DurationVar(&c.duration, "duration", 300*time.Millisecond, "how long a round of one caller lasts")
	flag.BoolVar(&c.cpu, "cpu", false, "count rates by processor time, for a machine that is busy with other things")
	flag.StringVar(&c.json, "json", "", "write all that was measured to a `file`")
	flag.StringVar(&c.markdown, "markdown", "", "write the table to a `file`, too")
	flag.BoolVar(&c.check, "check", false, "fail if the ratios fall short of what the project promises")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if c.only, err = regexp.Compile("(?i)" + *only); err == nil {
		err = bench(ctx, c, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// bench does it all. The table goes to out, and what happens meanwhile to progress.
func bench(ctx context.Context, c config, out, progress io.Writer) error {
	if c.rounds < 1 || c.duration <= 0 {
		return errors.New("-rounds and -duration must be more than nothing")
	}
	agent, err := startAgent()
	if err != nil {
		return err
	}
	defer agent.stop()
	result := &report.Report{
		Date:    time.Now().Format(time.DateOnly),
		Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()),
		Agents:  []report.Agent{{Name: report.Ours, Label: "ours"}, {Name: theirs, Label: "ratio"}},
	}
	if c.cpu {
		result.Machine += ", rates by processor time"
	}
	all := measures(ctx, agent)
	for _, m := range all {
		if !c.only.MatchString(m.name) {
			continue
		}
		row := m.run(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, failure := range row.Failures {
			fmt.Fprintf(progress, "%s: %s\n", m.name, failure)
		}
		if ratio, ok := row.Ratio(theirs); ok {
			fmt.Fprintf(progress, "%s: %.3f\n", m.name, ratio)
		}
		result.Rows = append(result.Rows, row)
	}
	if err := result.Publish(report.Files{JSON: c.json, Markdown: c.markdown}, out); err != nil || !c.check {
		return err
	}
	return result.Judge(promises(all), progress)
}

// run measures both callers in each round, every other round in the opposite
// order, so that what drifts slowly hits both alike.
func (m measure) run(ctx context.Context, c config) report.Row {
	row := report.Row{Name: m.name, Unit: m.unit, Samples: make(map[string][]float64), Failures: make(map[string]string)}
	callers := []struct {
		name    string
		connect func() (load.Worker, error)
	}{{report.Ours, m.ours}, {theirs, m.theirs}}
	for round := -1; round < c.rounds && ctx.Err() == nil; round++ { // the first one warms up, and does not count
		for _, caller := range callers {
			rate, err := m.sample(c, caller.connect)
			if err != nil {
				row.Failures[caller.name] = err.Error()
				return row
			}
			if round >= 0 {
				row.Samples[caller.name] = append(row.Samples[caller.name], rate)
			}
		}
		slices.Reverse(callers)
	}
	return row
}

// sample lets a caller work for a round, and returns how much it has done in a
// second, or in a second of processors, of which the agent has its part.
func (m measure) sample(c config, connect func() (load.Worker, error)) (float64, error) {
	runtime.GC() // so that neither has to collect what the other has left
	if !c.cpu {
		result := load.Run(connections, c.duration, connect)
		return result.Rate * float64(m.each), result.Err
	}
	start, err := processorTime()
	if err != nil {
		return 0, err
	}
	result := load.Run(connections, c.duration, connect)
	end, err := processorTime()
	return float64(result.Count*m.each) / (end - start).Seconds(), cmp.Or(result.Err, err)
}
