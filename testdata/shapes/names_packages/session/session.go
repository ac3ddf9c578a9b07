// Package session is one of many.
package session

// T is a text.
type T string
