// Package unary_ctx_out tells callers who they are.
package unary_ctx_out

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Caller is what the agent knows of the caller.
type Caller struct {
	Session string `json:"session"`
}

// WhoAmI describes the caller.
//
//agentcore:entrypoint
func WhoAmI(ctx context.Context) Caller { return Caller{Session: runtime.SessionID(ctx)} }
