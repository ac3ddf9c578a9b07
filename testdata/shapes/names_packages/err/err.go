// Package err is one of many.
package err

// T is a text.
type T string
