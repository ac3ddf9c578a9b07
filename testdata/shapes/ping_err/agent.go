// Package ping_err asks a gauge how busy it is.
package ping_err

import (
	"errors"
	"sync/atomic"

	"github.com/agentcore-go/agentcore/runtime"
)

// Gauge shows the load in percent, and less than nothing when it is broken.
var Gauge atomic.Int64

// Health reads the gauge.
//
//agentcore:ping
func Health() (runtime.PingStatus, error) {
	switch load := Gauge.Load(); {
	case load < 0:
		return "", errors.New("the gauge is broken")
	case load > 50:
		return runtime.HealthyBusy, nil
	}
	return runtime.Healthy, nil
}
