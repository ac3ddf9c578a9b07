// Package ping_ctx_err asks a backend how busy it is.
package ping_ctx_err

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Backend is what it asks. There may be none.
var Backend atomic.Pointer[func(context.Context) (busy bool, err error)]

// Health passes the backend's answer on.
//
//agentcore:ping
func Health(ctx context.Context) (runtime.PingStatus, error) {
	backend := Backend.Load()
	if backend == nil {
		return "", errors.New("no backend")
	}
	busy, err := (*backend)(ctx)
	if err != nil || !busy {
		return runtime.Healthy, err
	}
	return runtime.HealthyBusy, nil
}
