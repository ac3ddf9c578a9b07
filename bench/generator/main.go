// Command generator measures agentcore-gen against the go command. See README.md
// in the directory above.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/agentcore-go/agentcore/bench/report"
	"github.com/agentcore-go/agentcore/internal/testmodule"
)

type config struct {
	only           *regexp.Regexp
	rounds, cold   int
	json, markdown string
	check, cpu     bool
}

func main() {
	var c config
	only := flag.String("only", "", "measure only what matches a `regexp`")
	flag.IntVar(&c.rounds, "rounds", 11, "measure each command so often, and take the median")
	flag.IntVar(&c.cold, "cold", 1, "the same, where each compiles everything; 0 leaves it out")
	flag.BoolVar(&c.cpu, "cpu", false, "measure processor time instead of the clock's, for a machine that is busy with other things")
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
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

// bench does it all. The table goes to out, and what happens meanwhile to progress.
func bench(ctx context.Context, c config, out, progress io.Writer) error {
	if c.rounds < 1 || c.cold < 0 {
		return errors.New("-rounds must be more than nothing, and -cold no less")
	}
	dir, err := os.MkdirTemp("", "agentcore-bench-generator-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &benchmark{config: c, dir: dir, progress: progress}
	all, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	result := &report.Report{
		Date:    time.Now().Format(time.DateOnly),
		Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()),
		Agents:  []report.Agent{{Name: report.Ours, Label: "ours"}, {Name: theirs, Label: "ratio"}},
	}
	if c.cpu {
		result.Machine += ", time of processors"
	}
	for _, m := range all {
		if c.only.MatchString(m.name) && !(m.cold && c.cold == 0) {
			result.Rows = append(result.Rows, b.measure(ctx, m)...)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return publish(c, result, promises(all), out, progress)
}

type benchmark struct {
	config
	dir      string // for whatever is written
	progress io.Writer
	edits    int // how many edits there have been
}

// prepare builds the generator, and writes the modules and their outputs.
func (b *benchmark) prepare(ctx context.Context) ([]measure, error) {
	fmt.Fprintln(b.progress, "preparing")
	generator := filepath.Join(b.dir, "agentcore-gen")
	if runtime.GOOS == "windows" {
		generator += ".exe"
	}
	if _, err := run(ctx, testmodule.Root(), nil, []string{"go", "build", "-o", generator, "./cmd/agentcore-gen"}, false); err != nil {
		return nil, err
	}
	one, err := b.module(ctx, "one", writeOne, generator)
	if err != nil {
		return nil, err
	}
	many, err := b.module(ctx, "many", writeMany, generator, "./...")
	if err != nil {
		return nil, err
	}
	return measures(generator, one, many), nil
}

// module writes a module, and its outputs by the command. The files get old, for
// the go command does not trust its cache about young ones.
func (b *benchmark) module(ctx context.Context, name string, write func(dir string) (*module, error), command ...string) (*module, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	m, err := write(dir)
	if err != nil {
		return nil, err
	}
	if _, err := run(ctx, dir, nil, command, false); err != nil {
		return nil, err
	}
	old := time.Now().Add(-time.Hour)
	return m, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	})
}

// measure runs both commands of a measure in each round, every other round in the
// opposite order, so that what drifts slowly hits both alike.
func (b *benchmark) measure(ctx context.Context, m measure) []report.Row {
	rows := m.rows()
	sides := []struct {
		name string
		args []string
	}{{report.Ours, m.ours}, {theirs, m.theirs}}
	first, rounds := -1, b.rounds // the first one fills caches, and does not count
	if m.cold {
		first, rounds = 0, b.cold
	}
	for round := first; round < rounds; round++ {
		for _, side := range sides {
			use, err := b.sample(ctx, m, side.args, !m.warm || side.name != report.Ours)
			for i, c := range m.costs {
				if err != nil {
					rows[i].Failures[side.name] = err.Error()
				} else if round >= 0 {
					rows[i].Samples[side.name] = append(rows[i].Samples[side.name], c.value(use))
				}
			}
			if err != nil {
				fmt.Fprintf(b.progress, "%s: %v\n", m.name, err)
				return rows
			}
		}
		slices.Reverse(sides)
	}
	for _, row := range rows {
		ours, _ := row.Median(report.Ours)
		other, _ := row.Median(theirs)
		fmt.Fprintf(b.progress, "%s: %.4g ÷ %.4g %s\n", row.Name, ours, other, row.Unit)
	}
	return rows
}

// sample runs a command once, after edits or after the last ones are undone.
func (b *benchmark) sample(ctx context.Context, m measure, args []string, edits bool) (usage, error) {
	for _, path := range m.edited {
		n := 0
		if edits {
			b.edits++
			n = b.edits
		}
		if err := edit(path, n); err != nil {
			return usage{}, err
		}
	}
	var env []string
	if m.cold {
		cache, err := os.MkdirTemp(b.dir, "cache-")
		if err != nil {
			return usage{}, err
		}
		defer os.RemoveAll(cache)
		env = []string{"GOCACHE=" + cache}
	}
	u, err := run(ctx, m.module.dir, env, args, m.costs[0].of == "memory")
	if b.cpu {
		u.elapsed = u.processors
	}
	return u, err
}

// usage is what a command has cost.
type usage struct {
	elapsed        time.Duration
	processors     time.Duration // of the command and all below it
	largest, total float64       // see measureMemory
}

// run runs a command, and fails if that does.
func run(ctx context.Context, dir string, env, args []string, memory bool) (u usage, err error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), env...)
	start := time.Now()
	if err = cmd.Start(); err == nil {
		if memory {
			err = u.measureMemory(cmd)
		} else {
			err = cmd.Wait()
		}
	}
	u.elapsed = time.Since(start)
	if state := cmd.ProcessState; state != nil {
		u.processors = state.UserTime() + state.SystemTime()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return u, err
}

// publish writes what was asked for and judges it.
func publish(c config, result *report.Report, promised []report.Promise, out, progress io.Writer) error {
	if err := result.Publish(report.Files{JSON: c.json, Markdown: c.markdown}, out); err != nil || !c.check {
		return err
	}
	return result.Judge(promised, progress)
}
