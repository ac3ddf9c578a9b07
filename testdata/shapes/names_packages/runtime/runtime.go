// Package runtime is one of many.
package runtime

// T is a text.
type T string
