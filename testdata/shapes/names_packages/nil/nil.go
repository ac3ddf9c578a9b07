// Package nil is one of many.
package nil

// T is a text.
type T string
