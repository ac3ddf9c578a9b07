// Package ctx is one of many.
package ctx

// T is a text.
type T string
