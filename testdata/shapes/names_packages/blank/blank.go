// Package blank is one of many.
package blank

// T is a text.
type T string
