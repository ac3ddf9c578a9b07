// Package payload_any takes anything.
package payload_any

import (
	"context"
	"fmt"
)

// Inspect returns a value beside the name of its Go type.
//
//agentcore:entrypoint
func Inspect(_ context.Context, value any) (map[string]any, error) {
	return map[string]any{"type": fmt.Sprintf("%T", value), "value": value}, nil
}
