// Package iter is one of many.
package iter

// T is a text.
type T string
