package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/agentcore-go/agentcore/client"
)

// options are what the command line says.
type options struct {
	url                        string
	runtime                    string
	account, qualifier, region string
	token                      string
	session                    string

	name  string // of the agent
	agent agent
	text  []string
}

// parse reads the command line. What is wrong with it is written to w, with the
// usage.
func parse(args []string, w io.Writer) (*options, error) {
	o := new(options)
	var tokenEnv string
	flags := flag.NewFlagSet("caller", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.Usage = func() { usage(flags) }
	flags.StringVar(&o.url, "url", "http://localhost:8080", "where the agent listens")
	flags.StringVar(&o.runtime, "runtime", "", "the `ARN` of the agent on AgentCore Runtime, or its id")
	flags.StringVar(&o.account, "account", "", "with the id of a runtime: the `id` of the account")
	flags.StringVar(&o.qualifier, "qualifier", "", "with -runtime: the `name` of the endpoint to call")
	flags.StringVar(&o.region, "region", "", "with -runtime: the `region`")
	flags.StringVar(&tokenEnv, "token-env", "", "the `name` of an environment variable with a bearer token")
	flags.StringVar(&o.session, "session", "", "the `id` of the session to continue")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	err := o.complete(flags, tokenEnv)
	if err != nil {
		fmt.Fprintln(w, err)
		flags.Usage()
	}
	return o, err
}

// complete takes what is not in a flag, and checks what the flags say together.
func (o *options) complete(flags *flag.FlagSet, tokenEnv string) error {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case given["url"] && given["runtime"]:
		return errors.New("an agent has a -url or a -runtime, not both")
	case given["runtime"] && o.runtime == "": // from a variable that is not set, say
		return errors.New("the -runtime is empty")
	}
	for _, name := range []string{"account", "qualifier", "region"} {
		if given[name] && !given["runtime"] {
			return fmt.Errorf("-%s is for an agent on AgentCore: say which with -runtime", name)
		}
	}
	if given["token-env"] {
		if o.token = os.Getenv(tokenEnv); o.token == "" {
			return fmt.Errorf("there is no token in the environment variable %s", tokenEnv)
		}
	}
	if flags.NArg() == 0 {
		return errors.New("which agent?")
	}
	o.name, o.text = flags.Arg(0), flags.Args()[1:]
	for _, arg := range o.text {
		if isFlag(flags, arg) {
			return fmt.Errorf("%s comes after the agent: flags go before the agent", arg)
		}
	}
	var known bool
	if o.agent, known = agents[o.name]; !known {
		return fmt.Errorf("there is no agent %q", o.name)
	}
	if n := len(o.text); n < o.agent.minText || n > o.agent.maxText {
		return fmt.Errorf("write %s", strings.TrimSpace(o.name+" "+o.agent.takes))
	}
	return nil
}

// isFlag reports whether an argument looks like one of the flags, with its value
// or without. Other text may begin with a dash.
func isFlag(flags *flag.FlagSet, arg string) bool {
	name, dash := strings.CutPrefix(arg, "-")
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	return dash && flags.Lookup(name) != nil
}

// usage says what the command line is.
func usage(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintln(w, "usage: caller [flags] agent [text...]\n\nThe agents are:")
	for _, name := range slices.Sorted(maps.Keys(agents)) {
		fmt.Fprintf(w, "  %-10s  %-15s  %s\n", name, agents[name].takes, agents[name].does)
	}
	fmt.Fprintln(w, "\nThe flags are:")
	flags.PrintDefaults()
}

// call calls the agent, in one conversation.
func (o *options) call(ctx context.Context, term terminal) error {
	transport, err := o.transport(ctx)
	if err != nil {
		return err
	}
	return o.agent.call(ctx, transport, o.conversation(), o.text, term)
}

// transport says how the agent is reached, and who calls. A program that calls an
// agent more than once makes it once.
func (o *options) transport(ctx context.Context) (*client.Transport, error) {
	if o.runtime == "" {
		return client.Direct(o.url)
	}
	at := []client.TransportOption{client.WithAccountID(o.account), client.WithQualifier(o.qualifier), client.WithRegion(o.region)}
	if o.token != "" {
		return client.AgentCoreOAuth(client.StaticToken(o.token), o.runtime, at...)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the configuration of AWS: %w", err)
	}
	return client.AgentCore(cfg, o.runtime, at...)
}

// conversation is what a client is made with, beside its transport.
func (o *options) conversation() []client.Option {
	var opts []client.Option
	if o.session != "" {
		opts = append(opts, client.WithSession(o.session))
	}
	if o.runtime == "" && o.token != "" { // else the transport has it
		opts = append(opts, client.WithHeader("Authorization", "Bearer "+o.token))
	}
	return opts
}
