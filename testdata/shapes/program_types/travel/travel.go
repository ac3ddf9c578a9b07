// Package travel can be imported, by agents and by their clients.
package travel

import (
	"fmt"
	"strconv"
	"strings"
)

// Place is where one can go.
type Place struct {
	Name string `json:"name"`
	Spot Spot   `json:"spot"`
}

// Spot has JSON of its own, which a copy would not have.
type Spot struct{ north, east int }

// MarshalText writes the coordinates.
func (s Spot) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d/%d", s.north, s.east), nil }

// UnmarshalText reads them.
func (s *Spot) UnmarshalText(text []byte) (err error) {
	north, east, _ := strings.Cut(string(text), "/")
	if s.north, err = strconv.Atoi(north); err == nil {
		s.east, err = strconv.Atoi(east)
	}
	return err
}

// Journey goes through places, or whatever else there is.
type Journey[P any] struct {
	Stops []P `json:"stops"`
}
