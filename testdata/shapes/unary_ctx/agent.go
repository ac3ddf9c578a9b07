// Package unary_ctx notes which session was last seen.
package unary_ctx

import (
	"context"
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Last is the id of the session that called last.
var Last atomic.Value

// Touch notes the caller's session.
//
//agentcore:entrypoint
func Touch(ctx context.Context) { Last.Store(runtime.SessionID(ctx)) }
