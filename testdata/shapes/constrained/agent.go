//go:build !offline && (unix || windows)

package constrained

import "context"

// Forecast tells the weather that the network knows of.
//
//agentcore:entrypoint
func Forecast(_ context.Context, place Place) (string, error) { return "rain in " + string(place), nil }
