// Package unary_ctx_in_out_err answers questions.
package unary_ctx_in_out_err

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/agentcore-go/agentcore/runtime"
)

// Question is what somebody asks.
type Question struct {
	Prompt string `json:"prompt"`
}

// Reply is the answer.
type Reply struct {
	Text string `json:"text"`
}

// Answer answers a question.
//
//agentcore:entrypoint
func Answer(ctx context.Context, q Question) (Reply, error) {
	switch {
	case q.Prompt == "":
		return Reply{}, runtime.Errorf(http.StatusBadRequest, "ask something")
	case !strings.HasSuffix(q.Prompt, "?"):
		return Reply{}, fmt.Errorf("%q is no question", q.Prompt)
	}
	return Reply{Text: "42"}, nil
}
