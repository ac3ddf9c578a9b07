// Gateway puts middleware around an agent: every request gets a correlation
// id, is logged with the time that it took, and has to carry a token.
package main

import (
	"context"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
	"github.com/agentcore-go/agentcore/runtime"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Question is what a caller sends.
type Question struct {
	Prompt string `json:"prompt"`
}

// Answer is what the caller gets.
type Answer struct {
	Text        string `json:"text"`
	Correlation string `json:"correlation"` // as in the header X-Correlation-Id
}

// Gateway is the agent.
type Gateway struct {
	Model llm.Model
	Token string // what callers have to know
	Log   *slog.Logger
}

// Ask answers a question.
//
//agentcore:entrypoint
func (g *Gateway) Ask(ctx context.Context, q Question) (Answer, error) {
	var text strings.Builder
	for piece, err := range g.Model.Reply(ctx, []llm.Message{{Role: llm.RoleUser, Content: q.Prompt}}) {
		if err != nil {
			return Answer{}, err
		}
		text.WriteString(piece)
	}
	return Answer{Text: text.String(), Correlation: Correlation(ctx)}, nil
}

// devToken is for trying the example out.
const devToken = "dev-token"

func main() {
	model, err := llm.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(runtime.LogHandler(slog.NewTextHandler(os.Stderr, nil)))
	token := os.Getenv("AGENT_TOKEN")
	if token == "" {
		logger.Warn("AGENT_TOKEN is not set: everybody knows the token " + devToken)
		token = devToken
	}
	gateway := &Gateway{Model: model, Token: token, Log: logger}
	if err := NewServer(gateway, runtime.WithLogger(logger)).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
