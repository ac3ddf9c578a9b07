// Streaming sends the answer of a language model while the model writes it.
package main

import (
	"context"
	"iter"
	"log"

	"github.com/agentcore-go/agentcore/examples/internal/llm"
)

//go:generate go run github.com/agentcore-go/agentcore/cmd/agentcore-gen

// Question is what a caller sends.
type Question struct {
	Prompt string `json:"prompt"`
}

// Token is a piece of the answer. The pieces are to be joined as they are.
type Token struct {
	Text string `json:"text"`
}

// model writes the answers. Main chooses it before it serves.
var model llm.Model = new(llm.Local)

// Answer streams the answer to a question. It stops the model when the caller
// goes away.
//
//agentcore:entrypoint
func Answer(ctx context.Context, q Question) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		question := llm.Message{Role: llm.RoleUser, Content: q.Prompt}
		for text, err := range model.Reply(ctx, []llm.Message{question}) {
			if !yield(Token{Text: text}, err) {
				return
			}
		}
	}
}

func main() {
	var err error
	if model, err = llm.FromEnv(); err != nil {
		log.Fatal(err)
	}
	if err := NewServer().Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
