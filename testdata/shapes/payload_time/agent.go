// Package payload_time computes with dates.
package payload_time

import (
	"context"
	"time"
)

// Tomorrow returns the same time of the next day, in the same zone.
//
//agentcore:entrypoint
func Tomorrow(_ context.Context, now time.Time) (time.Time, error) {
	return now.AddDate(0, 0, 1), nil
}
