// Package payload_enum knows the seasons.
package payload_enum

import (
	"context"
	"net/http"

	"github.com/agentcore-go/agentcore/runtime"
)

// Season is a time of the year.
type Season string

// The seasons that matter.
const (
	Summer Season = "summer"
	Winter Season = "winter"
)

// Layer is how many clothes to wear.
type Layer int

// How many clothes there are.
const (
	Shirt Layer = iota + 1
	Coat
)

// Dress tells what to wear.
//
//agentcore:entrypoint
func Dress(_ context.Context, season Season) (Layer, error) {
	switch season {
	case Summer:
		return Shirt, nil
	case Winter:
		return Coat, nil
	}
	return 0, runtime.Errorf(http.StatusUnprocessableEntity, "no season is called %q", season)
}
