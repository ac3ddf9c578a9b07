// Package model has types that several agents share.
package model

// Place is where one can go.
type Place struct {
	Name string `json:"name"`
}

// Season is a time of the year.
type Season int

// The seasons.
const (
	// Summer is warm.
	Summer Season = iota + 1
	Winter        // and this is not
)

// Page is a page of items.
type Page[T any] struct {
	Items []T `json:"items"`
}
