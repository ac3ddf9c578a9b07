// Package string is one of many.
package string

// T is a text.
type T string
