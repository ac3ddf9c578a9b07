package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/agentcore-go/agentcore/client"
	"github.com/agentcore-go/agentcore/examples/assistant/assistantclient"
	"github.com/agentcore-go/agentcore/examples/background/backgroundclient"
	"github.com/agentcore-go/agentcore/examples/gateway/gatewayclient"
	"github.com/agentcore-go/agentcore/examples/hello/helloclient"
	"github.com/agentcore-go/agentcore/examples/streaming/streamingclient"
)

// agent is one that can be called.
type agent struct {
	takes            string // for the usage, like does
	does             string
	minText, maxText int // how many arguments it takes
	call             func(ctx context.Context, transport *client.Transport, opts []client.Option, text []string, term terminal) error
}

// agents are all there are, by name.
var agents = map[string]agent{
	"assistant":  {"topic [text...]", "answers from its handbook, and remembers", 1, math.MaxInt, assistant},
	"background": {"topic...", "writes a report, and is asked how far it is", 1, math.MaxInt, background},
	"chat":       {"", "talks: each line that you type is a message", 0, 0, chat},
	"gateway":    {"[text...]", "answers those who have its token", 0, math.MaxInt, gateway},
	"hello":      {"[text...]", "answers with what you said", 0, math.MaxInt, hello},
	"streaming":  {"[text...]", "answers word by word", 0, math.MaxInt, streaming},
}

// hello: one call, one answer.
func hello(ctx context.Context, transport *client.Transport, opts []client.Option, text []string, term terminal) error {
	agent := helloclient.New(transport, opts...)
	term.tell(agent.SessionID())
	answer, err := agent.Hello(ctx, helloclient.Question{Prompt: strings.Join(text, " ")})
	if err != nil {
		return err
	}
	return term.print(answer.Text, "\n")
}

// gateway: the token that it wants is in the client's options.
func gateway(ctx context.Context, transport *client.Transport, opts []client.Option, text []string, term terminal) error {
	agent := gatewayclient.New(transport, opts...)
	term.tell(agent.SessionID())
	answer, err := agent.Ask(ctx, gatewayclient.Question{Prompt: strings.Join(text, " ")})
	if err != nil {
		return err
	}
	return term.print(answer.Text, "\n")
}

// streaming: an answer that comes in pieces.
func streaming(ctx context.Context, transport *client.Transport, opts []client.Option, text []string, term terminal) error {
	agent := streamingclient.New(transport, opts...)
	term.tell(agent.SessionID())
	pieces := agent.Answer(ctx, streamingclient.Question{Prompt: strings.Join(text, " ")})
	return show(term, pieces, func(piece streamingclient.Token) string { return piece.Text })
}

// assistant: it remembers what was said in the same session.
func assistant(ctx context.Context, transport *client.Transport, opts []client.Option, text []string, term terminal) error {
	agent := assistantclient.New(transport, opts...)
	term.tell(agent.SessionID())
	pieces := agent.Ask(ctx, assistantclient.Question{Topic: text[0], Prompt: strings.Join(text[1:], " ")})
	return show(term, pieces, func(piece assistantclient.Token) string { return piece.Text })
}

// show writes the pieces of an answer as they come. To leave the loop, for
// whatever reason, stops the agent.
func show[Piece any](term terminal, pieces iter.Seq2[Piece, error], text func(Piece) string) error {
	begun := false
	defer func() {
		if begun {
			_ = term.print("\n") // also before an error
		}
	}()
	for piece, err := range pieces {
		if err != nil {
			return err
		}
		begun = true
		if err := term.print(text(piece)); err != nil {
			return err
		}
	}
	return nil
}

// askEvery is the time from one question for a report to the next.
const askEvery = 500 * time.Millisecond

// background: all calls of one client reach the same session of the agent, which
// on AgentCore is the process that has the report.
func background(ctx context.Context, transport *client.Transport, opts []client.Option, topics []string, term terminal) error {
	agent := backgroundclient.New(transport, opts...)
	term.tell(agent.SessionID())
	report, err := agent.Handle(ctx, backgroundclient.Request{Action: backgroundclient.Start, Topics: topics})
	if err != nil {
		return err
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	shown := 0
	for {
		for _, section := range report.Sections[min(shown, len(report.Sections)):] {
			if err := term.print(section.Topic, ": ", section.Text, "\n"); err != nil {
				return err
			}
			shown++
		}
		switch report.State {
		case backgroundclient.Done:
			return nil
		case backgroundclient.Failed:
			return fmt.Errorf("the report has failed: %s", report.Error)
		case backgroundclient.Running:
		default: // it is another agent, or a later version of this one
			return fmt.Errorf("the report is in a state that is not known here: %q", report.State)
		}
		select {
		case <-tick.C:
		case <-ctx.Done(): // the report goes on
			return context.Cause(ctx)
		}
		report, err = agent.Handle(ctx, backgroundclient.Request{Action: backgroundclient.Progress, ID: report.ID})
		if err != nil {
			return err
		}
	}
}

// print writes some of an answer.
func (t terminal) print(text ...string) error {
	_, err := io.WriteString(t.out, strings.Join(text, ""))
	return err
}

// tell says with which -session the conversation can be continued.
func (t terminal) tell(session string) { fmt.Fprintln(t.err, "session", session) }
