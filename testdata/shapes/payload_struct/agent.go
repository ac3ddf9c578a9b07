// Package payload_struct plans a journey, with structs of every make.
package payload_struct

import "context"

// Place is somewhere.
type Place struct {
	Name string `json:"name"`
	position
}

// position is embedded, so its fields are those of a Place.
type position struct {
	Latitude  float64 `json:"lat,omitempty"`
	Longitude float64 `json:"lon,omitzero"`
}

// Journey goes from place to place.
type Journey struct {
	Stops   []Place          `json:"stops"`
	Via     *Place           `json:"via,omitempty"`
	ByName  map[string]Place `json:"by_name,omitempty"`
	Seats   int              `json:",string"`
	Comment string           `json:"-"`
	Loop    bool
	secret  string
}

// Plan closes the loop of a journey.
//
//agentcore:entrypoint
func Plan(_ context.Context, journey Journey) (Journey, error) {
	journey.Comment, journey.secret = "never", "sent"
	if journey.Loop && len(journey.Stops) > 0 {
		journey.Stops = append(journey.Stops, journey.Stops[0])
	}
	return journey, nil
}
