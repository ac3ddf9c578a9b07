// Package payload_anonymous names none of its types.
package payload_anonymous

import (
	"context"

	"github.com/agentcore-go/agentcore/testdata/shapes/payload_struct"
)

// Distance tells how far two places are apart, more or less.
//
//agentcore:entrypoint
func Distance(_ context.Context, in struct {
	From, To payload_struct.Place
	Unit     string `json:"unit" doc:"km or \"mi\""`
}) (out struct {
	Distance float64 `json:"distance"`
	Legs     []struct {
		*payload_struct.Place
	} `json:"legs"`
}, err error) {
	out.Distance = in.To.Latitude - in.From.Latitude
	out.Legs = append(out.Legs, struct{ *payload_struct.Place }{&in.To})
	return out, nil
}
