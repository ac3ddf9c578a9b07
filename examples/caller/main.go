// Caller calls the other examples, wherever they run: on this machine, or on
// AgentCore Runtime. It shows how the clients that were generated for them are
// used.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/agentcore-go/agentcore/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal kills
	os.Exit(run(ctx, os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr}))
}

// terminal is what a call reads from and writes to. Nothing is buffered, so that
// what comes is shown at once.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// The exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells have it
)

// run does what the arguments say, until ctx ends, and returns the exit status.
func run(ctx context.Context, args []string, term terminal) int {
	o, err := parse(args, term.err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	err = o.call(ctx, term)
	_, wrong := errors.AsType[*client.ParameterError](err)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(term.err, "caller: interrupted")
		return exitInterrupted
	case wrong:
		fmt.Fprintln(term.err, "caller:", err)
		return exitUsage
	}
	fmt.Fprintln(term.err, "caller:", o.explain(err))
	return exitFailed
}
