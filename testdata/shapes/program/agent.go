// Program is an agent that runs.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/agentcore-go/agentcore/runtime"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// question is what somebody asks. In a program nothing needs to be exported.
type question struct {
	Prompt string `json:"prompt"`
}

type answer struct {
	Text string `json:"text"`
}

// reply repeats the prompt.
//
//agentcore:entrypoint
func reply(_ context.Context, q question) (answer, error) { return answer{q.Prompt}, nil }

// remind never ends by itself.
//
//agentcore:task
func (clock) remind(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

type clock struct{}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "the `address` to listen on")
	flag.Parse()
	server := NewServer(runtime.WithAddr(*addr))
	if _, err := (clock{}).startRemind(server.Context(context.Background())); err != nil {
		log.Fatal(err)
	}
	if err := server.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
