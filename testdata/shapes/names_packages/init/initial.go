// Package initial is one of many.
package initial

// T is a text.
type T string
