// Package opts is one of many.
package opts

// T is a text.
type T string
