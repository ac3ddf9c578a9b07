// Package stream_ctx_in streams the answer to a question.
package stream_ctx_in

import (
	"context"
	"iter"
	"strings"

	"github.com/agentcore-go/agentcore/runtime"
)

// Question is what somebody asks.
type Question struct {
	Prompt string `json:"prompt"`
}

// Token is a piece of the answer.
type Token struct {
	Text string `json:"text"`
}

// Answer repeats the prompt word by word.
//
//agentcore:entrypoint
func Answer(ctx context.Context, q Question) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		for word := range strings.FieldsSeq(q.Prompt) {
			if ctx.Err() != nil {
				yield(Token{}, ctx.Err())
				return
			}
			if word == "panic" {
				panic("as asked")
			}
			if word == "stop" {
				yield(Token{}, runtime.Errorf(400, "stopped as asked")) // too late for a status
				return
			}
			if !yield(Token{word}, nil) {
				return
			}
		}
	}
}
