// Package context is one of many.
package context

// T is a text.
type T string
