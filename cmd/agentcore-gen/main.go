// Agentcore-gen writes the server of an agent from annotated functions.
//
// Usage:
//
//	agentcore-gen [flags] [packages]
//
// It is meant to be run by go generate, from a line such as
//
//	//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen
//
// in the agent's package. The packages are patterns as for go build; the
// default is the package in the current directory. For each that has a function
// with an //agentcore: directive it writes agentcore_gen.go, and where the last
// directive is gone it removes that file.
//
// The flags are:
//
//	-check
//		write nothing, print what would change, and exit with 1 if anything would
//	-json
//		print diagnostics and changes as one JSON object on standard output
//	-server name
//		the name of the generated constructor (default NewServer)
//	-tags list
//		build tags, separated by commas
//	-version
//		print the version and exit
//
// Whatever is wrong with the input is printed to standard error as
// path:line:col: message, and nothing is written. The exit status is 1 then,
// and 2 for wrong usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/token"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/agentcore-go/agentcore/gen"
	"github.com/agentcore-go/agentcore/runtime"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // types are kept to the end, and there is little else
	}
	if args := os.Args[1:]; isVet(args) {
		os.Exit(vet(args, os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("agentcore-gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: agentcore-gen [flags] [packages]")
		flags.PrintDefaults()
	}
	var (
		check   = flags.Bool("check", false, "write nothing, print what would change, and exit with 1 if anything would")
		asJSON  = flags.Bool("json", false, "print diagnostics and changes as one JSON object on standard output")
		server  = flags.String("server", "NewServer", "`name` of the generated constructor")
		tags    = flags.String("tags", "", "build tags, a `list` separated by commas")
		version = flags.Bool("version", false, "print the version and exit")
	)
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return 0
	case err != nil:
		return 2
	case *version:
		fmt.Fprintln(stdout, versionText())
		return 0
	}
	for _, pattern := range flags.Args() {
		if strings.HasPrefix(pattern, "-") {
			fmt.Fprintf(stderr, "agentcore-gen: %s comes after a package: flags come first\n", pattern)
			return 2
		}
	}

	result, err := gen.Generate(ctx, gen.Config{Patterns: flags.Args(), Tags: *tags, Server: *server})
	if err != nil {
		fmt.Fprintf(stderr, "agentcore-gen: %v\n", err)
		if _, wrong := errors.AsType[*gen.UsageError](err); wrong {
			return 2
		}
		return 1
	}
	shorten(result)
	if *asJSON {
		err = printJSON(stdout, result)
	} else {
		printText(stderr, result, *check)
	}
	if !*check && !result.Failed() {
		err = errors.Join(err, gen.Write(result.Files))
	}
	if err != nil {
		fmt.Fprintf(stderr, "agentcore-gen: %v\n", err)
		return 1
	}
	stale := slices.ContainsFunc(result.Files, gen.File.Changed)
	if result.Failed() || *check && stale {
		return 1
	}
	return 0
}

// printText prints diagnostics, and changes when they were only to be checked.
// A run that finds nothing to do says so: somebody may have expected otherwise.
func printText(w io.Writer, result *gen.Result, check bool) {
	for _, d := range result.Diagnostics {
		fmt.Fprintln(w, d)
	}
	if !result.Failed() && len(result.Files) == 0 {
		fmt.Fprintln(w, "agentcore-gen: no file that is built here has an //agentcore: directive: there is nothing to generate")
	}
	for _, f := range result.Files {
		switch {
		case !f.Changed():
		case check:
			fmt.Fprintf(w, "%s is not up to date: go generate\n%s", f.Path, f.Diff())
		case f.Content == nil:
			fmt.Fprintf(w, "agentcore-gen: %s goes, for there is no //agentcore: directive in its package any more\n", f.Path)
		}
	}
}

// report is the outcome of a run for tools. Fields are added to it; Version
// rises when one changes its meaning or goes.
type report struct {
	Version     int          `json:"version"`
	Diagnostics []diagnostic `json:"diagnostics"`
	Changes     []change     `json:"changes"`
}

type diagnostic struct {
	place
	Related []place `json:"related,omitempty"`
}

// place is a message about a place: the path is relative to the current
// directory if it is below it; line and column count from 1, the column in
// bytes. A message about no place in particular has none of them.
type place struct {
	Path    string `json:"path,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

type change struct {
	Path string `json:"path"`
	Diff string `json:"diff"`
}

func printJSON(w io.Writer, result *gen.Result) error {
	r := report{Version: 1, Diagnostics: []diagnostic{}, Changes: []change{}}
	for _, d := range result.Diagnostics {
		out := diagnostic{place: placeOf(d.Pos, d.Message)}
		for _, related := range d.Related {
			out.Related = append(out.Related, placeOf(related.Pos, related.Message))
		}
		r.Diagnostics = append(r.Diagnostics, out)
	}
	for _, f := range result.Files {
		if f.Changed() {
			r.Changes = append(r.Changes, change{f.Path, string(f.Diff())})
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	return encoder.Encode(r)
}

func placeOf(pos token.Position, message string) place {
	return place{Path: pos.Filename, Line: pos.Line, Column: pos.Column, Message: message}
}

// shorten makes the paths of a result relative to the current directory.
func shorten(result *gen.Result) {
	dir, err := os.Getwd()
	if err != nil {
		return
	}
	short := func(path string) string {
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
		return path
	}
	for i := range result.Files {
		result.Files[i].Path = short(result.Files[i].Path)
	}
	for i := range result.Diagnostics {
		d := &result.Diagnostics[i]
		d.Pos.Filename = short(d.Pos.Filename)
		for j := range d.Related {
			d.Related[j].Pos.Filename = short(d.Related[j].Pos.Filename)
		}
	}
}

func versionText() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("agentcore-gen %s, for runtime version %d", version, runtime.MaxGeneratedVersion)
}
