// Package constrained is an agent only where there is a network.
package constrained

// Place is the name of a town.
type Place string
