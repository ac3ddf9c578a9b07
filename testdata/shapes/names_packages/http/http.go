// Package http is one of many.
package http

// T is a text.
type T string
