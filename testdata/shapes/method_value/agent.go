// Package method_value converts money.
package method_value

import "context"

// Exchange is how much one unit costs.
type Exchange float64

// Convert converts an amount.
//
//agentcore:entrypoint
func (rate Exchange) Convert(_ context.Context, amount float64) (float64, error) {
	return amount * float64(rate), nil
}
