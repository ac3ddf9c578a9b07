// Package stream_ctx lists what the caller may do.
package stream_ctx

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/agentcore-go/agentcore/runtime"
)

// Right is something that a role permits.
type Right struct {
	Role string `json:"role"`
	May  string `json:"may"`
}

var rights = map[string]string{"reader": "read", "writer": "write"}

// Rights streams the rights of the roles in the header X-Roles.
//
//agentcore:entrypoint
func Rights(ctx context.Context) iter.Seq2[Right, error] {
	return func(yield func(Right, error) bool) {
		for role := range strings.SplitSeq(runtime.RequestHeaders(ctx).Get("X-Roles"), ",") {
			may, ok := rights[role]
			if !ok {
				yield(Right{}, fmt.Errorf("no role is called %s", role))
				return
			}
			if !yield(Right{role, may}, nil) {
				return
			}
		}
	}
}
