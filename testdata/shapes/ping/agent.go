// Package ping is busy while jobs are queued.
package ping

import (
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Queued is the number of jobs that wait.
var Queued atomic.Int64

// Health reports whether jobs wait.
//
//agentcore:ping
func Health() runtime.PingStatus {
	if Queued.Load() > 0 {
		return runtime.HealthyBusy
	}
	return runtime.Healthy
}
