// Package ours is the benchmark's agent on the package runtime.
package ours

import (
	"context"
	"iter"
	"time"

	"github.com/agentcore-go/agentcore/runtime"
)

type question struct {
	Prompt string `json:"prompt"`
}

type answer struct {
	Result string `json:"result"`
}

type order struct {
	Events  int `json:"events"`
	EveryMS int `json:"every_ms"`
}

type event struct {
	Index int    `json:"index"`
	Text  string `json:"text"`
}

// Server returns the agent: mode is "invoke" or "stream", for an agent has one
// entrypoint.
func Server(mode string, opts ...runtime.Option) *runtime.Server {
	entrypoint := runtime.Unary("Invoke", invoke)
	if mode == "stream" {
		entrypoint = runtime.Stream("Stream", stream)
	}
	return runtime.NewServer(runtime.Handlers{
		Invoke:    entrypoint,
		WebSocket: runtime.WebSocket("Echo", echo),
	}, opts...)
}

func invoke(_ context.Context, q question) (answer, error) {
	return answer{Result: "You said: " + q.Prompt}, nil
}

func stream(ctx context.Context, o order) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		start := time.Now()
		for i := range o.Events {
			if o.EveryMS > 0 && i > 0 {
				next := start.Add(time.Duration(i*o.EveryMS) * time.Millisecond)
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Until(next)):
				}
			}
			if !yield(event{Index: i, Text: "token"}, nil) {
				return
			}
		}
	}
}

func echo(ctx context.Context, conn *runtime.Conn[string, string]) error {
	for message, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := conn.Send(ctx, message); err != nil {
			return err
		}
	}
	return nil
}
