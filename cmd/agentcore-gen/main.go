// Agentcore-gen writes the server and the client of an agent from annotated
// functions.
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
// with an //agentcore: directive it writes agentcore_gen.go, and for each that
// serves a package for those who call it, NAMEclient/agentcore_gen.go, where NAME
// is that of the package, or of its directory if it is a program. Where the last
// directive is gone it removes both.
//
// The client of an agent that has been moved, renamed or deleted goes when the
// packages of the run include the client, or the agent that it lies below.
//
// The flags are:
//
//	-check
//		write nothing, print what would change, and exit with 1 if anything would
//	-client mode
//		auto, copy or off: refer to the payload types that the client can
//		import and copy the others (default), copy all types of the module, or
//		make no client and remove that of an earlier run
//	-client-dir dir
//		the directory of the client, relative to that of the agent and within
//		its module (default NAMEclient)
//	-fix
//		correct the sources where only one correction is possible, then generate
//	-json
//		print diagnostics and changes as one JSON object on standard output
//	-server name
//		the name of the generated constructor (default NewServer)
//	-tags list
//		build tags, separated by commas
//	-version
//		print the version and exit
//
// # Diagnostics
//
// Whatever is wrong with the input is printed to standard error as
//
//	path:line:col: message
//
// with related places on indented lines below. The message of a warning begins
// with the word; anything else is an error, and then nothing is written.
//
// On a terminal, each comes with the line of the source that it is about, and
// with colours unless the environment variable NO_COLOR is set to anything. With
// TERM=dumb the output is as it is for a file.
//
// With -json, standard output is one JSON object and nothing else; the report
// type in report.go describes it. It is empty if the exit status is due to
// anything but diagnostics and changes: wrong usage, a go command that cannot be
// run, a file that cannot be written. Standard error says which.
//
// With GITHUB_ACTIONS=true in the environment, and without -json, standard
// output has an annotation for each diagnostic and for each file that -check
// finds out of date, as a workflow command of GitHub Actions.
//
// # Exit status
//
// It is 1 when a diagnostic is an error, when -check finds a file out of date,
// and when the run fails or is interrupted; 2 for wrong usage; and otherwise 0,
// with warnings too.
//
// # Vet
//
// The command is also an analysis tool for go vet, which then reports what the
// generator would:
//
//	go vet -vettool=$(which agentcore-gen) ./...
//
// The flags -c, -fix, -diff and -json of go vet work, and so do -client, -client-dir
// and -server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit status.
func run(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	flags := flag.NewFlagSet("agentcore-gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: agentcore-gen [flags] [packages]")
		flags.PrintDefaults()
	}
	var (
		client    = flags.String("client", "auto", "how the client is made, a `mode`: auto, copy or off")
		clientDir = flags.String("client-dir", "", "`dir`ectory of the client, relative to that of the agent (default the name of the agent and client)")
		check     = flags.Bool("check", false, "write nothing, print what would change, and exit with 1 if anything would")
		fix       = flags.Bool("fix", false, "correct the sources where only one correction is possible, then generate")
		asJSON    = flags.Bool("json", false, "print diagnostics and changes as one JSON object on standard output")
		server    = flags.String("server", "NewServer", "`name` of the generated constructor")
		tags      = flags.String("tags", "", "build tags, a `list` separated by commas")
		version   = flags.Bool("version", false, "print the version and exit")
	)
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return 0
	case err != nil:
		return 2
	case *version:
		fmt.Fprintln(stdout, versionText())
		return 0
	case *check && *fix:
		fmt.Fprintln(stderr, "agentcore-gen: -check writes nothing, and -fix does: use one of them")
		return 2
	}
	for _, pattern := range flags.Args() {
		if strings.HasPrefix(pattern, "-") {
			fmt.Fprintf(stderr, "agentcore-gen: %s comes after a package: flags come first\n", pattern)
			return 2
		}
	}

	config := gen.Config{Patterns: flags.Args(), Tags: *tags, Server: *server, Client: gen.ClientMode(*client), ClientDir: *clientDir}
	out, err := generate(ctx, config, *check, *fix)
	text := newPrinter(stderr)
	if err != nil {
		text.found(out)
		text.failed(err)
		if _, wrong := errors.AsType[*gen.UsageError](err); wrong {
			return 2
		}
		return 1
	}
	if *asJSON {
		err = printJSON(stdout, out)
	} else {
		text.outcome(out)
		if os.Getenv("GITHUB_ACTIONS") == "true" {
			err = printCommands(stdout, out, os.Getenv("GITHUB_WORKSPACE"))
		}
	}
	if err != nil {
		text.failed(err)
		return 1
	}
	if out.Failed() || out.stale() {
		return 1
	}
	return 0
}

func versionText() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("agentcore-gen %s, for runtime version %d", version, runtime.MaxGeneratedVersion)
}
