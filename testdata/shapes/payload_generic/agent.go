// Package payload_generic pages through results.
package payload_generic

import (
	"context"
	"time"

	"github.com/agentcore-go/agentcore/testdata/shapes/payload_struct"
)

// Query asks for a page of what a filter finds.
type Query[F any] struct {
	Filter F   `json:"filter"`
	Page   int `json:"page"`
}

// Range is a filter.
type Range[T any] struct {
	From T `json:"from"`
	To   T `json:"to"`
}

// Page is a page of items.
type Page[K comparable, T any] struct {
	Items map[K]T `json:"items"`
	More  bool    `json:"more"`
}

// Find finds the places that were visited in a range of time.
//
//agentcore:entrypoint
func Find(_ context.Context, q Query[Range[time.Time]]) (*Page[string, payload_struct.Place], error) {
	page := &Page[string, payload_struct.Place]{Items: make(map[string]payload_struct.Place)}
	if day := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC); !day.Before(q.Filter.From) && day.Before(q.Filter.To) {
		page.Items["lisbon"] = payload_struct.Place{Name: "Lisbon"}
	}
	return page, nil
}
