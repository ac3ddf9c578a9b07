// Package payload_imported takes and returns types of other packages.
package payload_imported

import (
	"context"
	"iter"
	"net/url"

	"github.com/agentcore-go/agentcore/testdata/shapes/payload_enum"
	travel "github.com/agentcore-go/agentcore/testdata/shapes/payload_struct"
)

// Visit is somewhere at a time of the year.
type Visit struct {
	travel.Place
	Season payload_enum.Season `json:"season"`
	Link   *url.URL            `json:"link,omitempty"`
}

// Visits streams a visit to a place in every season.
//
//agentcore:entrypoint
func Visits(_ context.Context, place travel.Place) iter.Seq2[*Visit, error] {
	return func(yield func(*Visit, error) bool) {
		for _, season := range []payload_enum.Season{payload_enum.Summer, payload_enum.Winter} {
			if !yield(&Visit{Place: place, Season: season}, nil) {
				return
			}
		}
	}
}

// Seasons tells in which seasons a place is open.
//
//agentcore:task
func Seasons(_ context.Context, open map[payload_enum.Season]travel.Place) error { return nil }
