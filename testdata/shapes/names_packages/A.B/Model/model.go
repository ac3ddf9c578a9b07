// Package Model is one of many.
package Model

// T is a text.
type T string
