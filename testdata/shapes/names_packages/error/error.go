// Package error is one of many.
package error

// T is a text.
type T string
