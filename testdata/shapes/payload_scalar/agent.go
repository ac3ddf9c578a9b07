// Package payload_scalar computes the roots of numbers.
package payload_scalar

import (
	"context"
	"errors"
	"math"
)

// Root returns the root of a number. That of infinity cannot be had in JSON.
//
//agentcore:entrypoint
func Root(_ context.Context, x float64) (float64, error) {
	if x < 0 {
		return 0, errors.New("no root")
	}
	if x == 0 {
		return math.Inf(1), nil // a bug that the caller should get to see
	}
	return math.Sqrt(x), nil
}
