// Package deep has types that only package two can import.
package deep

// Item is the other one.
type Item struct {
	Number int
	Kind   Kind
}

// Kind is the other one, too.
type Kind int

// First is a constant of package two.
const First Kind = 1
