// Package session_imported keeps types of other packages.
package session_imported

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/agentcore-go/agentcore/runtime"
	"github.com/agentcore-go/agentcore/testdata/shapes/payload_enum"
	travel "github.com/agentcore-go/agentcore/testdata/shapes/payload_struct"
)

// Plan is a session that goes by another name.
type Plan = runtime.Session[map[payload_enum.Season]*travel.Place]

// Go plans to go somewhere in a season, and streams the seasons that have a
// place.
//
//agentcore:entrypoint
func Go(_ context.Context, season payload_enum.Season, plan *Plan) iter.Seq2[payload_enum.Season, error] {
	if plan.State == nil {
		plan.State = make(map[payload_enum.Season]*travel.Place)
	}
	plan.State[season] = &travel.Place{Name: "Oslo"}
	return func(yield func(payload_enum.Season, error) bool) {
		for _, season := range slices.Sorted(maps.Keys(plan.State)) {
			if !yield(season, nil) {
				return
			}
		}
	}
}
