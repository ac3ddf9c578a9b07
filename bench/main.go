// Command bench measures the runtime against a server written by hand and
// against the SDKs for Python and TypeScript. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/agentcore-go/agentcore/bench/report"
)

type config struct {
	agents              []string
	only                *regexp.Regexp
	rounds              int
	duration            time.Duration
	cache               string
	json, svg, markdown string
	check               bool
	cpu                 bool
}

func main() {
	var (
		c      config
		agents = flag.String("agents", "ours,plain,python,typescript", "the `list` of agents to measure")
		only   = flag.String("only", "", "measure only what matches a `regexp`")
	)
	flag.IntVar(&c.rounds, "rounds", 3, "measure each agent so often, and take the median")
	flag.DurationVar(&c.duration, "duration", 2*time.Second, "how long a load lasts")
	flag.BoolVar(&c.cpu, "cpu", false, "count rates by the server's processor time, for a machine that is busy with other things")
	flag.StringVar(&c.cache, "cache", "", "the `directory` for the SDKs (default in the user's cache)")
	flag.StringVar(&c.json, "json", "", "write all that was measured to a `file`")
	flag.StringVar(&c.svg, "svg", "", "write a chart to a `file`")
	flag.StringVar(&c.markdown, "markdown", "", "write the table to a `file`, too")
	flag.BoolVar(&c.check, "check", false, "fail if the ratios fall short of what the project promises")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c.agents = strings.Split(*agents, ",")
	var err error
	if c.only, err = regexp.Compile("(?i)" + *only); err == nil {
		err = bench(ctx, c, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench does it all. The table goes to out, and what happens meanwhile to progress.
func bench(ctx context.Context, c config, out, progress io.Writer) error {
	if c.rounds < 1 || c.duration <= 0 {
		return errors.New("-rounds and -duration must be more than nothing")
	}
	unlock, err := lock(ctx, progress)
	if err != nil {
		return err
	}
	defer unlock()
	dir, err := os.MkdirTemp("", "agentcore-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	agents, err := prepareAll(ctx, c, dir, progress)
	if err != nil {
		return err
	}
	pinning, err := pinSelf()
	if err != nil {
		return err
	}
	fmt.Fprintln(progress, pinning)
	result := &report.Report{Date: time.Now().Format(time.DateOnly), Machine: describe(ctx, agents)}
	if c.cpu {
		result.Machine += ", rates by processor time"
	}
	for _, a := range agents {
		result.Agents = append(result.Agents, report.Agent{Name: a.name, Label: a.label})
	}
	for _, m := range measures(c.duration, !c.cpu) {
		if !c.only.MatchString(m.name) || len(m.among(agents)) < min(2, len(agents)) { // nothing to compare
			continue
		}
		fmt.Fprintf(progress, "%s:", m.name)
		row := m.run(ctx, agents, c.rounds)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, a := range agents {
			if median, ok := row.Median(a.name); ok {
				fmt.Fprintf(progress, " %s %.4g", a.name, median)
				if busy := row.Busy[a.name]; len(busy) > 0 {
					fmt.Fprintf(progress, " (%.0f %% busy)", 100*slices.Min(busy))
				}
			} else if failure := row.Failures[a.name]; failure != "" {
				fmt.Fprintf(progress, " %s failed (%s)", a.name, failure)
			}
		}
		fmt.Fprintf(progress, " %s\n", m.unit)
		result.Rows = append(result.Rows, row)
	}
	return publish(c, result, out, progress)
}

// prepareAll prepares the agents, and goes without an SDK that is not to be had.
func prepareAll(ctx context.Context, c config, dir string, progress io.Writer) ([]*agent, error) {
	cache := c.cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(user, "agentcore-bench")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, err
	}
	var agents []*agent
	for _, name := range c.agents {
		fmt.Fprintf(progress, "preparing %s\n", name)
		a, err := prepare(ctx, name, dir, cache)
		switch {
		case err == nil:
			agents = append(agents, a)
		case ctx.Err() == nil && (name == "python" || name == "typescript"):
			fmt.Fprintf(progress, "skipping %s: %v\n", name, err)
		default:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return agents, nil
}

// among returns those of the agents that are measured.
func (m measure) among(agents []*agent) []*agent {
	return slices.DeleteFunc(slices.Clone(agents), func(a *agent) bool {
		return m.agents != nil && !slices.Contains(m.agents, a.name)
	})
}

// run measures every agent in turn in each round, every other round in the
// opposite order, so that what drifts slowly hits all alike.
func (m measure) run(ctx context.Context, agents []*agent, rounds int) report.Row {
	row := report.Row{
		Name: m.name, Unit: m.unit, Cost: m.cost,
		Samples: make(map[string][]float64), Failures: make(map[string]string), Busy: make(map[string][]float64),
	}
	agents = m.among(agents)
	if m.rounds > 0 {
		rounds = m.rounds
	}
	servers := make(map[string]*server)
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	if m.mode != "" {
		for _, a := range agents {
			s, err := a.start(ctx, m.mode)
			if err != nil {
				row.Failures[a.name] = err.Error()
				continue
			}
			servers[a.name] = s
		}
	}
	for range rounds {
		for _, a := range agents {
			if row.Failures[a.name] != "" {
				continue
			}
			sample, err := m.sample(ctx, a, servers[a.name])
			if err != nil {
				row.Failures[a.name] = err.Error()
				continue
			}
			row.Samples[a.name] = append(row.Samples[a.name], sample)
			if s := servers[a.name]; s != nil && s.busy > 0 {
				row.Busy[a.name] = append(row.Busy[a.name], s.busy)
			}
		}
		slices.Reverse(agents)
	}
	return row
}

// publish writes what was asked for and judges it.
func publish(c config, result *report.Report, out, progress io.Writer) error {
	if err := result.Publish(report.Files{JSON: c.json, Markdown: c.markdown, SVG: c.svg, Title: "An agent on agentcore for Go, compared"}, out); err != nil || !c.check {
		return err
	}
	return result.Judge(promises, progress)
}

// describe says in words what the agents ran on.
func describe(ctx context.Context, agents []*agent) string {
	words := []string{processor(ctx), fmt.Sprintf("%d cores", runtime.NumCPU())}
	if kernel, err := output(ctx, "uname", "-sr"); err == nil {
		words = append(words, kernel)
	} else {
		words = append(words, runtime.GOOS)
	}
	for _, a := range agents {
		if !slices.Contains(words, a.version) {
			words = append(words, a.version)
		}
	}
	return strings.Join(words, ", ")
}
