// Package session_unary_ctx_in_out_err remembers what it was asked.
package session_unary_ctx_in_out_err

import (
	"context"
	"errors"

	"github.com/agentcore-go/agentcore/runtime"
)

// Question is what somebody asks.
type Question struct {
	Prompt string `json:"prompt"`
}

// Reply is the answer.
type Reply struct {
	Session string   `json:"session"`
	New     bool     `json:"new"`
	Before  []string `json:"before"`
}

// History is what was asked before.
type History struct {
	Prompts []string `json:"prompts"`
}

// Answer answers a question with those before it.
//
//agentcore:entrypoint
func Answer(ctx context.Context, q Question, session *runtime.Session[History]) (Reply, error) {
	reply := Reply{Session: session.ID(), New: session.New(), Before: session.State.Prompts}
	session.State.Prompts = append(session.State.Prompts, q.Prompt)
	if q.Prompt == "" {
		return Reply{}, errors.New("ask something")
	}
	return reply, nil
}
