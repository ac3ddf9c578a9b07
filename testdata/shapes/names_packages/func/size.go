// Package größe is one of many.
package größe

// T is a text.
type T string
