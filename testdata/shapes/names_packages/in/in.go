// Package in is one of many.
package in

// T is a text.
type T string
