// Package predeclared is one of many.
package predeclared

// T is a text.
type T string
