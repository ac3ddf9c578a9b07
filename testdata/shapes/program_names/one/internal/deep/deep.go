// Package deep has types that only package one can import.
package deep

// Item is one of two.
type Item struct {
	Name string
	Kind Kind
}

// Kind is one of two, as well.
type Kind string

// First is a constant of package one.
const First Kind = "first"
